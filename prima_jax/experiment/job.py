"""One row with one seed: the method on every fold, what it costs, and its probabilities on disk."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from prima_jax.errors import UserError
from prima_jax.experiment.measured import measured
from prima_jax.experiment.opening import Run, open_run, split_cases
from prima_jax.experiment.rows import PRIMA, Row, row_config, row_title, table_rows
from prima_jax.files import digest, whole_file
from prima_jax.hosts import as_first, in_turn, is_first
from prima_jax.methods.frozen_encoders import row_bench
from prima_jax.methods.registry import METHODS
from prima_jax.progress import said_of_time_left
from prima_jax.recipe.check import check
from prima_jax.stages.context import Context, CostLog, Fold
from prima_jax.stages.familiarity import FAMILIARITY, keep_familiarity
from prima_jax.stages.image_features import drop_image_tokens
from prima_jax.stages.pipeline import check_sentences
from prima_jax.stages.places import stage_key
from prima_jax.stages.shared_space import SharedVectors, shared_vectors
from prima_jax.stages.stage import read_done, write_done
from prima_jax.workdir import config_hash

__all__ = ["Job", "finished", "finished_arrays", "finished_fold", "keep_fold", "open_job", "run_job"]


_ON_FEATURES = (PRIMA.method, "one_hot", "perceptron")
"""Methods that read PRIMA's own features."""


@dataclass(frozen=True)
class Job:
    """One row with one seed."""

    row: Row
    seed: int

    def folder(self, workdir: Path, fold: int) -> Path:
        """Where the probabilities of a fold lie."""
        return workdir / "rows" / self.row.name / f"seed_{self.seed}" / f"fold_{fold}"


def run_job(config: ConfigDict, workdir: Path, job: Job) -> None:
    """Fits and predicts every fold that is not finished yet."""
    run = in_turn(lambda: open_job(config, workdir, job))
    title, left = row_title(job.row, config), ""
    missing = [fold for fold in run.folds if finished_fold(config, workdir, job, fold.index) is None]
    for number, fold in enumerate(missing, start=1):
        started = time.monotonic()
        print(f"{title}, seed {job.seed}, fold {fold.index + 1} of {len(run.folds)}{left}", file=sys.stderr)
        run_fold(config, run.context, fold, job)
        drop_features(config, workdir, job, run.context, fold)
        left = said_of_time_left(time.monotonic() - started, len(missing) - number)
    if _lacks_familiarity(config, workdir, job):
        keep_familiarity(run.context, run.folds)


def open_job(config: ConfigDict, workdir: Path, job: Job) -> Run:
    """The run of a row, with its own settings."""
    changed = row_config(config, job.row, job.seed)
    check(changed)
    return open_run(changed, workdir)


def run_fold(config: ConfigDict, context: Context, fold: Fold, job: Job) -> None:
    """Keeps the probabilities of a fold's held-out cases, and what the row needed in this fold; config: the whole run's."""
    method, started = METHODS[job.row.method], time.monotonic()
    context = replace(context, costs=CostLog())
    costs = context.costs.stages
    train, test = split_cases(context, fold)
    bench = row_bench(context, fold, method)
    check_sentences(context, bench.tokenizers)
    found = method.predict(bench, method.fit(bench, train), test)
    # What another row trained took none of this row's time, but belongs to what the method costs; waiting for it does not.
    seconds = time.monotonic() - started + sum(cost.reused_seconds for cost in costs.values())
    needed = {
        "stages": {name: cost.seconds for name, cost in costs.items()},
        "parameters": {name: cost.parameters for name, cost in costs.items()},
        "folders": {name: str(cost.folder.relative_to(context.folder)) for name, cost in costs.items()},
    }
    noted = {"seconds": seconds, **needed, **measured(context.costs.made_with)}
    aligned = method.name in (PRIMA.method, "aligned_tokens") and context.config.align.epochs
    vectors = shared_vectors(context, fold, bench.tokenizers.text) if aligned else None
    keep_fold(config, context.folder, job, fold.index, found, vectors, **noted)


def keep_fold(
    config: ConfigDict,
    workdir: Path,
    job: Job,
    fold: int,
    found: np.ndarray,
    vectors: SharedVectors | None = None,
    **notes: Any,
) -> None:
    """Writes a fold's probabilities [cases, C], what stage 2 made of its held-out units, and notes, and marks it as finished.

    Raises UserError if some probabilities are not finite.
    """
    if not np.isfinite(found).all():
        raise UserError(
            f"The probabilities of {job.row.title} in fold {fold} are not finite numbers, and are not kept: lower the learning "
            "rates of what it trains, or compute it in float32 (--config.dtype=float32)."
        )
    if not is_first():
        return
    path = job.folder(workdir, fold) / "probabilities.npz"
    with whole_file(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, probabilities=found, **(vectors._asdict() if vectors else {}))
    write_done(path.parent, whose=_whose(config, job, fold), probabilities=digest(path), **notes)


def drop_features(config: ConfigDict, workdir: Path, job: Job, context: Context, fold: Fold) -> None:
    """Deletes what stage 3 of a finished row read, once no other row waits for it."""
    if job.row.method not in _ON_FEATURES:
        return  # the features that baselines share are others, and stay
    folder = context.place("features", fold.index)
    for row in table_rows(config):
        wanted = row.method in _ON_FEATURES and folder.name.endswith(stage_key(row_config(config, row, job.seed), "features"))
        if wanted and finished_fold(config, workdir, Job(row, job.seed), fold.index) is None:
            return
    drop_image_tokens(folder)


def finished(config: ConfigDict, workdir: Path, job: Job) -> bool:
    """Returns True if all folds are finished, and what follows them. Raises UserError as `finished_fold` does."""
    folds = [finished_fold(config, workdir, job, fold) for fold in range(config.folds)]
    return None not in folds and not _lacks_familiarity(config, workdir, job)


def finished_fold(config: ConfigDict, workdir: Path, job: Job, fold: int) -> Mapping[str, Any] | None:
    """Returns what a finished fold noted, None if it is not finished. Raises UserError where it is another's.

    config: that of the whole run.
    """
    note = read_done(folder := job.folder(workdir, fold))
    if note is not None and note.get("whose") != _whose(config, job, fold):
        raise UserError(
            f"{folder} holds what another config, fold or version of this package gave: choose another --workdir, or delete it "
            "and give the same command again, which computes it anew."
        )
    return note


def finished_arrays(
    config: ConfigDict, workdir: Path, job: Job, fold: int
) -> tuple[np.ndarray, SharedVectors | None, Mapping[str, Any]]:
    """A finished fold's probabilities [cases, C], its held-out units in the shared space, None of a row without stage 2, and what
    it noted. Raises UserError where they are not as they were written.
    """
    note, path = finished_fold(config, workdir, job, fold), job.folder(workdir, fold) / "probabilities.npz"
    assert note is not None
    try:
        whole = note["probabilities"] == digest(path)
    except OSError:
        whole = False
    if not whole:
        raise UserError(
            f"{path} is not as it was written: delete {path.parent} and give the same command again, which computes it anew from "
            "the fold's trained models."
        )
    with np.load(path) as stored:
        fields = SharedVectors._fields
        vectors = SharedVectors(*(stored[name] for name in fields)) if set(fields) <= set(stored) else None
        return stored["probabilities"], vectors, note


def _lacks_familiarity(config: ConfigDict, workdir: Path, job: Job) -> bool:
    """Returns True if it is the row whose models answer for new cases, and what its photographs are like is not kept yet."""
    return job == Job(PRIMA, config.table.seeds[0]) and not as_first((workdir / FAMILIARITY).exists)


def _whose(config: ConfigDict, job: Job, fold: int) -> list[Any]:
    return [config_hash(config), job.row.name, job.seed, fold]
