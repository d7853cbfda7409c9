"""One row with one seed: the method on every fold, what it costs, and its probabilities on disk."""

import sys
import time
import zipfile
import zlib
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
from prima_jax.methods.frozen_encoders import row_bench
from prima_jax.methods.registry import METHODS
from prima_jax.recipe.check import check
from prima_jax.stages.context import Context, CostLog, Fold
from prima_jax.stages.image_features import drop_image_tokens
from prima_jax.stages.pipeline import check_sentences
from prima_jax.stages.places import stage_key
from prima_jax.stages.stage import read_done, write_done

__all__ = ["Job", "finished", "open_job", "probabilities", "run_job"]


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
    run = open_job(config, workdir, job)
    title = row_title(job.row, config)
    for fold in run.folds:
        if read_done(job.folder(workdir, fold.index)) is None:
            print(f"{title}, seed {job.seed}, fold {fold.index + 1} of {len(run.folds)}", file=sys.stderr)
            run_fold(run.context, fold, job)
            drop_features(config, workdir, job, run.context, fold)


def open_job(config: ConfigDict, workdir: Path, job: Job) -> Run:
    """The run of a row, with its own settings."""
    changed = row_config(config, job.row, job.seed)
    check(changed)
    return open_run(changed, workdir)


def run_fold(context: Context, fold: Fold, job: Job) -> None:
    """Writes the probabilities of a fold's held-out cases, and then what the row needed in this fold."""
    folder = job.folder(context.folder, fold.index)
    folder.mkdir(parents=True, exist_ok=True)
    method, started = METHODS[job.row.method], time.monotonic()
    context = replace(context, costs=CostLog())
    costs = context.costs.stages
    train, test = split_cases(context, fold)
    bench = row_bench(context, fold, method)
    check_sentences(context, bench.tokenizers)
    found = method.predict(bench, method.fit(bench, train), test)
    np.savez(folder / "probabilities.npz", allow_pickle=False, probabilities=found)
    # What another row trained took none of this row's time, but belongs to what the method costs; waiting for it does not.
    seconds = time.monotonic() - started + sum(cost.reused_seconds for cost in costs.values())
    needed = {
        "stages": {name: cost.seconds for name, cost in costs.items()},
        "parameters": {name: cost.parameters for name, cost in costs.items()},
        "folders": {name: str(cost.folder.relative_to(context.folder)) for name, cost in costs.items()},
    }
    write_done(folder, seconds=seconds, **needed, **measured(context.costs.made_with))


def drop_features(config: ConfigDict, workdir: Path, job: Job, context: Context, fold: Fold) -> None:
    """Deletes what stage 3 of a finished row read, once no other row waits for it."""
    if job.row.method != PRIMA.method:
        return  # the features that baselines share are others, and stay
    folder = context.place("features", fold.index)
    for row in table_rows(config):
        wanted = row.method == PRIMA.method and folder.name.endswith(stage_key(row_config(config, row, job.seed), "features"))
        if wanted and read_done(Job(row, job.seed).folder(workdir, fold.index)) is None:
            return
    drop_image_tokens(folder)


def finished(workdir: Path, job: Job, folds: int) -> bool:
    """Returns True if all folds are finished. Raises UserError for those of an earlier version of this package."""
    notes = [read_done(job.folder(workdir, fold)) for fold in range(folds)]
    if any(note is not None and "folders" not in note for note in notes):
        raise UserError(f"{workdir} holds rows of an earlier version of this package: choose another --workdir.")
    return None not in notes


def probabilities(workdir: Path, job: Job, fold: int) -> tuple[np.ndarray, Mapping[str, Any]]:
    """A fold's probabilities [cases, C], and what was noted beside them. Raises UserError if they are damaged."""
    folder = job.folder(workdir, fold)
    path, note = folder / "probabilities.npz", read_done(folder)
    assert note is not None
    try:
        with np.load(path) as stored:
            return stored["probabilities"], note
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path} is damaged ({error}): delete {folder / 'done.json'} and run the same command again, which computes it anew "
            "from the fold's trained models."
        ) from error
