"""Seeds that depend on the run's seed and on what they are for, and on nothing else."""

import zlib

import numpy as np

__all__ = ["seed_of"]


def seed_of(run: int, *names: str | int) -> int:
    """The seed, in a run of seed `run`, of what is named (stage, fold, ...): below 2^31."""
    words = [n if isinstance(n, int) else zlib.crc32(n.encode()) for n in names]
    return int(np.random.SeedSequence([run, *words]).generate_state(1)[0] >> 1)
