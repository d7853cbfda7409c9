"""One of two processes, which hold half of the batch each: python -m tests.losses.one_of_two PORT RANK FILE.

Writes value and gradient, under pmap and under shard_map, as the stages map their steps.
"""

import sys

import jax
import numpy as np

from prima_jax.training.parallel import Parallel
from tests.losses.inputs import tokens
from tests.losses.sharing import SCALE, of_share


def main(port: str, rank: int, file: str) -> None:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=rank, initialization_timeout=120)
    assert jax.process_count() == 2 and jax.device_count() == 2 * jax.local_device_count()
    half = {str(i): np.split(a, 2)[rank] for i, a in enumerate(tokens())}
    results = {}
    for kind in ("pmap", "shard_map"):
        parallel = Parallel(kind)
        step = parallel.map_step(_step)
        gradient, metrics = step(parallel.replicate(SCALE), parallel.replicate({}), parallel.share(half))
        results |= {f"{kind}.value": np.asarray(metrics["value"]), f"{kind}.gradient": np.asarray(gradient)}
    np.savez(file, **results)
    jax.distributed.shutdown()


def _step(scale, frozen, batch):
    del frozen
    value, gradient = of_share(scale, [batch[str(i)] for i in range(6)])
    return gradient, {"value": value}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
