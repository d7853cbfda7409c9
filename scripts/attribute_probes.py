"""Which attributes can be read from a photograph, before alignment and after it, in every row of a run that trains stage 2.

    python -m scripts.attribute_probes --config=configs/aqua.py:table3,demo --workdir=runs/tables

For each attribute one logistic regression on the image encoder's class and mean tokens, on a fold's training photographs of which
the attribute is known, asked about the held-out ones. Takes the flags of a finished run, whose stage 2 it reads; prints a page.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from prima_jax.experiment.job import Job, open_job
from prima_jax.experiment.opening import Run
from prima_jax.experiment.rows import PRIMA, row_config, row_title, table_rows
from prima_jax.main import command
from prima_jax.methods.plain import logistic_regression
from prima_jax.methods.token_rows import INVERSE_PENALTY, standardised
from prima_jax.metrics.intervals import difference_intervals, intervals
from prima_jax.metrics.subgroups import UNKNOWN, group_names
from prima_jax.report.captions import conditions, title
from prima_jax.report.table import Line, Table, interval_cell, markdown
from prima_jax.stages import align
from prima_jax.stages.frozen_tokens import class_and_mean_tokens, frozen_tokens

__all__ = ["main", "probed"]

FEWEST = 20
"""Training photographs of a value under which it is left out."""


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    example = "--config=configs/aqua.py:table3,demo --workdir=runs/tables"
    return command(arguments, page, program="python -m scripts.attribute_probes", example=example)


def page(config: ConfigDict, workdir: Path) -> str:
    """Returns the page."""
    seed = config.table.seeds[0]
    methods = (PRIMA.method, "aligned_tokens")
    rows = [row for row in table_rows(config) if row.method in methods and row_config(config, row, seed).align.epochs]
    runs = {row.name: open_job(config, workdir, Job(row, seed)) for row in rows}
    first = runs[rows[0].name]
    study = first.context.prepared.study
    before = [frozen_tokens(first.context)] * len(first.folds)
    after = {name: _aligned(run) for name, run in runs.items()}
    lines = []
    for attribute in study.shown():
        values = [record.fields.get(attribute.name) for record in first.context.prepared.records]
        names = np.array(group_names(attribute, values))
        found = {name: probed(first, names, tokens) for name, tokens in {"": before, **after}.items()}
        if found[""] is not None:
            lines.append(_line(attribute.name + (" (visible)" if attribute.visual else ""), found))
    results = {
        "study": study.name,
        "title": study.title,
        "synthetic": study.synthetic,
        "random_weights": not study_weights(config),
    }
    notes = (
        *conditions(results),
        "Balanced accuracy over held-out photographs, per cent, with 95% intervals by a bootstrap over subjects, of one training "
        "each; after alignment also the difference from before. Not corrected for their number. Chance: one in so many values.",
    )
    headings = ("Attribute", "Photographs", "Chance", "Before alignment", *(row_title(row, config) for row in rows))
    shown = Table(f"{title(results)}: attributes read from photographs", headings, tuple(lines), notes)
    return f"# {shown.title}\n\n{markdown(shown)}"


def study_weights(config: ConfigDict) -> bool:
    """Returns True if all three models start from published weights."""
    return all(config.models[name].weights for name in ("image", "text", "llm"))


Probe = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Labels [N], probabilities [N, values] and subjects [N] of the held-out photographs of which the attribute is known."""


def probed(run: Run, names: np.ndarray, tokens: Sequence[np.ndarray]) -> Probe | None:
    """Asks each fold's regression; None of an attribute with one common value alone.

    names: the value of each record in words; tokens: of each fold, [R, 2d].
    """
    known = names != UNKNOWN
    values = [v for v in sorted(set(names[known])) if all((names[fold.train] == v).sum() >= FEWEST for fold in run.folds)]
    if len(values) < 2:
        return None
    records = run.context.prepared.records
    of_values = np.array([values.index(name) if name in values else -1 for name in names])
    parts = []
    for fold, of_fold in zip(run.folds, tokens, strict=True):
        train, test = (part[of_values[part] >= 0] for part in (fold.train, fold.test))
        columns, asked = standardised(of_fold[train], of_fold[test])
        found = logistic_regression(columns, of_values[train], asked, len(values), inverse_penalty=INVERSE_PENALTY)
        parts.append((of_values[test], found, np.array([records[p].subject for p in test])))
    labels, probabilities, subjects = (np.concatenate(part) for part in zip(*parts, strict=True))
    return labels, probabilities, subjects


def _aligned(run: Run) -> list[np.ndarray]:
    context = run.context
    return [class_and_mean_tokens(context, align.load(context, fold.index).image_encoder) for fold in run.folds]


def _line(name: str, found: dict[str, Probe | None]) -> Line:
    first = found[""]
    assert first is not None
    labels, before, subjects = first
    cells = [name, f"{len(labels):,}", f"{100 / before.shape[1]:.0f}", _cell(intervals(labels, before, subjects))]
    for row, probe in found.items():
        if row and probe is not None:
            less = difference_intervals(labels, probe[1], before, subjects)
            cells.append(f"{_cell(intervals(labels, probe[1], subjects), short=True)}: {_cell(less)}")
    return Line(tuple(cells))


def _cell(found, *, short: bool = False) -> str:
    one = found["balanced_accuracy"]
    if one is None:
        return "-"
    return f"{100 * one.estimate:.1f}" if short else interval_cell(vars(one))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
