"""Asks the finished rows of a run about their held-out cases again, with something missing; trains nothing but scikit-learn's."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from prima_jax.errors import UserError
from prima_jax.experiment.job import Job, finished_fold, open_job
from prima_jax.experiment.opening import Run, split_cases
from prima_jax.experiment.rows import PRIMA, Row, row_title, table_rows
from prima_jax.files import digest, whole_file
from prima_jax.methods.frozen_encoders import row_bench
from prima_jax.methods.registry import METHODS
from prima_jax.metrics.intervals import difference_intervals, intervals
from prima_jax.progress import progress_bar
from prima_jax.recipe.check import check
from prima_jax.report.captions import title
from prima_jax.robustness import pages
from prima_jax.robustness.conditions import INTACT, Condition, conditions, without_fields, without_photographs
from prima_jax.stages.cases import all_cases
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.fold_model import class_probabilities, load_fold, photograph_tokens
from prima_jax.stages.stage import read_done, write_done
from prima_jax.workdir import config_hash, open_workdir

__all__ = ["run"]

VERSION = 1
"""Rises whenever a condition would remove something else, so that older answers are not read back."""


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Answers whatever is not answered yet and writes the pages; returns what robustness.json holds.

    Raises UserError where a row of the config is not finished in the workdir.
    """
    check(config)
    seed, rows = config.table.seeds[0], [row for row in table_rows(config) if METHODS[row.method].sees]
    for row in rows:
        if any(finished_fold(config, workdir, Job(row, seed), fold) is None for fold in range(config.folds)):
            raise UserError(f"{row_title(row, config)} is not finished in {workdir}: give prima run the same flags first.")
    with open_workdir(workdir, config):
        opened = open_job(config, workdir, Job(PRIMA, seed))
        study, by_unit = opened.context.prepared.study, config.diagnose.case == "unit"
        asked = conditions(study, seed=seed, by_unit=by_unit)
        answers = {row.name: _row_answers(config, workdir, Job(row, seed), asked) for row in rows}
        results = {
            "title": title({"study": study.name, "title": study.title, "synthetic": study.synthetic}),
            "synthetic": study.synthetic,
            "shuffled": config.study.shuffle,
            "hidden_block": config.study.hide,
            "without_fold": config.split.without_fold,
            "seed": seed,
            "folds": config.folds,
            "conditions": {condition.name: condition.title for condition in asked},
            "rows": {row.name: row_title(row, config) for row in rows},
            "figures": {name: _figures(opened, of_row) for name, of_row in answers.items()},
        }
        pages.write(workdir, results)
        return results


Answers = Mapping[str, np.ndarray]
"""Condition -> the class probabilities of the held-out cases, [N, C]."""


def _row_answers(config: ConfigDict, workdir: Path, job: Job, asked: Sequence[Condition]) -> Answers:
    """The answers of a row, fold after fold, to the conditions that reach what it sees."""
    sees = METHODS[job.row.method].sees
    reached = [one for one in asked if one is INTACT or ("images" if one.image_type >= 0 else "metadata") in sees]
    opened, parts = open_job(config, workdir, job), list[Answers]()
    for fold in opened.folds:
        folder = workdir / "robustness" / job.row.name / f"seed_{job.seed}" / f"fold_{fold.index}"
        whose = [VERSION, config_hash(config), job.seed, *(one.name for one in reached)]
        answers = _kept(folder, whose)
        if answers is None:
            print(f"{row_title(job.row, config)}, fold {fold.index + 1} of {len(opened.folds)}", file=sys.stderr)
            answers = _fold_answers(opened.context, fold, job.row, reached)
            _keep(folder, whose, answers)
        parts.append(answers)
    return {one.name: np.concatenate([part[one.name] for part in parts]) for one in reached}


def _fold_answers(context: Context, fold: Fold, row: Row, reached: Sequence[Condition]) -> Answers:
    answer = _prima if row.method == PRIMA.method else _other
    with progress_bar(len(reached), "asking", "condition") as bar:
        return answer(context, fold, row, reached, bar)


def _prima(context: Context, fold: Fold, row: Row, reached: Sequence[Condition], bar: Any) -> Answers:
    """Photographs are encoded once, and sentences of held-out records alone."""
    model, held_out = load_fold(context, fold.index), context.prepared.only(fold.test)
    images = photograph_tokens(replace(context, prepared=held_out), model, views=context.config.features.test_views)
    answers = {}
    for condition in reached:
        prepared = without_fields(held_out, set(range(len(fold.test))), condition)
        there = replace(context, prepared=prepared)
        cases = [without_photographs(case, condition) for case in all_cases(there)]
        answers[condition.name] = class_probabilities(there, model, cases, images)
        bar.update(1)
    return answers


def _other(context: Context, fold: Fold, row: Row, reached: Sequence[Condition], bar: Any) -> Answers:
    """Any other method, whose trained stages are read back: it is fitted on training cases that are the same."""
    method, answers = METHODS[row.method], {}
    for condition in reached:
        there = replace(context, prepared=without_fields(context.prepared, set(fold.test.tolist()), condition))
        train, test = split_cases(there, fold)
        bench = row_bench(there, fold, method)
        shown = [without_photographs(case, condition) for case in test]
        answers[condition.name] = method.predict(bench, method.fit(bench, train), shown)
        bar.update(1)
    return answers


def _figures(opened: Run, answers: Answers) -> dict[str, Any]:
    """Condition -> scores over all held-out cases, and less the intact ones, with intervals by a bootstrap over subjects."""
    cases = [case for fold in opened.folds for case in split_cases(opened.context, fold)[1]]
    labels, subjects = np.array([case.label for case in cases]), np.array([case.subject for case in cases])
    whole, found = answers[INTACT.name], {}
    for name, probabilities in answers.items():
        scored = intervals(labels, probabilities, subjects)
        less = difference_intervals(labels, probabilities, whole, subjects) if name != INTACT.name else {}
        found[name] = {
            "scores": {key: asdict(one) if one else None for key, one in scored.items()},
            "less_intact": {key: asdict(one) if one else None for key, one in less.items()},
        }
    return found


def _kept(folder: Path, whose: list[Any]) -> Answers | None:
    """What an earlier call kept of the same; None where there is nothing, or something else or damaged."""
    try:
        note = read_done(folder)
        if note is None or note.get("whose") != whose or note.get("answers") != digest(folder / "answers.npz"):
            return None
        with np.load(folder / "answers.npz") as stored:
            return {name: stored[name] for name in stored}
    except (UserError, OSError):
        return None


def _keep(folder: Path, whose: list[Any], answers: Answers) -> None:
    path = folder / "answers.npz"
    with whole_file(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **answers)
    write_done(folder, whose=whose, answers=digest(path))
