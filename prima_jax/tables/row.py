"""One row with one seed: the method on every fold, what it costs, and its probabilities on disk."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from prima_jax import experiment
from prima_jax.checks import check
from prima_jax.evaluation.measured import measured
from prima_jax.methods.frozen_encoders import row_bench
from prima_jax.methods.registry import METHODS
from prima_jax.stages.context import Context, CostLog, Fold
from prima_jax.stages.features import drop_image_tokens
from prima_jax.stages.pipeline import check_sentences
from prima_jax.stages.places import stage_key
from prima_jax.stages.stage import read_done, write_done
from prima_jax.tables.rows import PRIMA, Row, row_config, table_rows

__all__ = ["Job", "finished", "probabilities", "run_job"]


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
    changed = row_config(config, job.row, job.seed)
    check(changed)
    context, folds = table_context(changed, workdir, job)
    for fold in folds:
        if read_done(fold.folder) is None:
            print(f"{job.row.title}, seed {job.seed}, fold {fold.index + 1} of {len(folds)}", file=sys.stderr)
            run_fold(context, fold, job.row)
            drop_features(config, workdir, job, context, fold)


def table_context(config: ConfigDict, workdir: Path, job: Job) -> tuple[Context, list[Fold]]:
    """The experiment of a row, whose stages lie where other rows find them."""
    reading = experiment.read_study(config, workdir)
    prepared = experiment.prepared_records(config, workdir, reading)
    context = experiment.make_context(config, workdir, prepared, reading.folder, shared=workdir / "shared")
    folds = experiment.make_folds(context, reading)
    return context, [Fold(f.index, f.train, f.test, job.folder(workdir, f.index)) for f in folds]


def run_fold(context: Context, fold: Fold, row: Row) -> None:
    """Writes the probabilities of a fold's held-out cases, and then what the row needed in this fold."""
    fold.folder.mkdir(parents=True, exist_ok=True)
    method, started = METHODS[row.method], time.monotonic()
    context = replace(context, costs=CostLog())
    costs = context.costs.stages
    train, test = experiment.split_cases(context, fold)
    bench = row_bench(context, fold, method)
    check_sentences(context, bench.tokenizers)
    found = method.predict(bench, method.fit(bench, train), test)
    np.savez(fold.folder / "probabilities.npz", allow_pickle=False, probabilities=found)
    # What another row trained took none of this row's time, but belongs to what the method costs; waiting for it does not.
    seconds = time.monotonic() - started + sum(cost.reused_seconds for cost in costs.values())
    needed = {
        "stages": {name: cost.seconds for name, cost in costs.items()},
        "parameters": {name: cost.parameters for name, cost in costs.items()},
    }
    write_done(fold.folder, seconds=seconds, **needed, **measured(context.costs.codes))


def drop_features(config: ConfigDict, workdir: Path, job: Job, context: Context, fold: Fold) -> None:
    """Deletes what stage 3 of a finished row read, once no other row waits for it."""
    if job.row.method != PRIMA.method:
        return  # the features that baselines share are others, and stay
    folder = context.place(fold, "features")
    for row in table_rows(config):
        wanted = row.method == PRIMA.method and folder.name.endswith(stage_key(row_config(config, row, job.seed), "features"))
        if wanted and read_done(Job(row, job.seed).folder(workdir, fold.index)) is None:
            return
    drop_image_tokens(folder)


def finished(workdir: Path, job: Job, folds: int) -> bool:
    """Whether all folds are there."""
    return all(read_done(job.folder(workdir, fold)) is not None for fold in range(folds))


def probabilities(workdir: Path, job: Job, fold: int) -> tuple[np.ndarray, Mapping[str, Any]]:
    """A fold's probabilities [cases, C], and what was noted beside them. Raises UserError if they are damaged."""
    folder = job.folder(workdir, fold)
    note = read_done(folder)
    assert note is not None
    return experiment.read_arrays(folder / "probabilities.npz", ("probabilities",))["probabilities"], note
