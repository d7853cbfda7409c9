"""Two runs of one table side by side: prima compare --table=1 runs/lesions runs/patients.

For what is one field of the config: folds by unit or by subject (`--config.split.group`), a block of fields shown or hidden
(`--config.study.hide`). Both have the same cases; the rows and seeds that both hold are compared. Prints Markdown.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from prima_jax.errors import UserError
from prima_jax.experiment.rows import TABLES
from prima_jax.experiment.run import results_folder
from prima_jax.json_text import read_object
from prima_jax.metrics.intervals import Interval, difference_intervals, mean_difference_interval, mean_interval
from prima_jax.metrics.leak import straddling
from prima_jax.metrics.predictions import Predictions, predictions_of_rows
from prima_jax.metrics.seeds import by_seed
from prima_jax.report.captions import caption, figure, title
from prima_jax.workdir import different_fields, load_config

__all__ = ["Finished", "Pair", "main", "markdown", "pairs", "read_table"]

_ANEW = "run that table's command again, which writes them anew."
_SHOWN = {"macro_f1": "Macro F1", "balanced_accuracy": "Balanced acc."}


@dataclass(frozen=True)
class Finished:
    """A table that a workdir holds."""

    name: str
    config: ConfigDict
    results: Mapping[str, Any]
    predictions: Mapping[int, Predictions]
    """Of each seed."""


@dataclass(frozen=True)
class Pair:
    """A row as it is in both tables. Differences are first minus second, each with a 95% interval over subjects."""

    title: str
    figures: Mapping[str, tuple[str, str]]
    """Score -> its mean (SD) over folds in per cent, in the first table and in the second."""
    differences: Mapping[str, Interval | None]
    """Score -> of all held-out cases together, the mean over seeds."""
    by_seed: Mapping[str, list[float]]
    """Score -> the difference of the means over folds, seed by seed."""
    torn: Interval | None
    """Accuracy where the case's subject has other cases among the training cases of one table, and not of the other."""
    whole: Interval | None
    """Accuracy on the other cases."""
    torn_less_whole: Interval | None
    """Their difference: what is not torn differs for all other reasons, such as another training."""


def main(arguments: list[str]) -> int:
    """Prints the comparison; returns 0, or 2 for bad input, told in one sentence."""
    example = "prima compare --table=1 runs/lesions runs/patients"
    parser = argparse.ArgumentParser(prog="prima compare", description=__doc__, epilog=f"For example: {example}")
    parser.add_argument(
        "--table", default=0, type=int, choices=(0, 1, 2, 3), help="which of the paper's tables; a plain run if 0"
    )
    parser.add_argument("first", type=Path, help="the --workdir of a finished table")
    parser.add_argument("second", type=Path, help="that of the other")
    options = parser.parse_args(arguments[1:])
    try:
        first, second = (read_table(folder, options.table) for folder in (options.first, options.second))
        print(markdown(first, second), end="")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def read_table(workdir: Path, number: int) -> Finished:
    """Raises UserError for a table that is not there, or that cannot be read."""
    folder = results_folder(workdir, number)
    files = folder / "results.json", folder / "predictions.csv"
    for file in files:
        if not file.is_file():
            raise UserError(f"There is no {file}: give prima run that recipe with --workdir={workdir} to its end.")
    try:
        results = read_object(files[0], _ANEW)
        with files[1].open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        seeds = {int(row["seed"]) for row in rows}
        predictions = {seed: predictions_of_rows([row for row in rows if int(row["seed"]) == seed]) for seed in sorted(seeds)}
        _check_complete(results, number)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UserError(f"{files[0]} and {files[1].name} beside it cannot be read ({error}): {_ANEW}") from error
    return Finished(str(workdir), load_config(workdir), results, predictions)


def _check_complete(results: Mapping[str, Any], number: int) -> None:
    """Raises ValueError or KeyError where results.json lacks what is read of it below."""
    if results["table"] != number:
        raise ValueError(f"it holds table {results['table']}")
    caption(results), title(results)  # what they need
    for row in results["methods"].values():
        for score in _SHOWN:
            if len(row[score]) != results["folds"] * len(results["seeds"]):
                raise ValueError(f"{row['title']} has {len(row[score])} figures of {score}")


def pairs(first: Finished, second: Finished) -> list[Pair]:
    """The rows that both tables have, in the table's order. Raises UserError for tables of different cases."""
    seeds = [seed for seed in first.predictions if seed in second.predictions]
    known = (row.name for row in TABLES[first.results["table"]])
    rows = [row for row in known if row in first.results["methods"] and row in second.results["methods"]]
    if not seeds or not rows:
        raise UserError(f"{first.name} and {second.name} have no {'row' if seeds else 'seed'} in common: run one in both.")
    for seed in seeds:
        _check_same_cases(first, second, seed)
    return [_pair(first, second, row, seeds) for row in rows]


def markdown(first: Finished, second: Finished) -> str:
    """The table, a second one where a subject is torn apart by the folds of one of them, and what has to be said."""
    found = pairs(first, second)
    lines = [f"**{title(first.results)}: Table {first.results['table']}, side by side**", ""]
    sides = (first.name, second.name, "first less second", *(["seed by seed"] if len(found[0].by_seed["macro_f1"]) > 1 else []))
    heads = [f"{name}, {side}" for name in _SHOWN.values() for side in sides]
    lines += [*_head(["Method", *heads]), *(_line([pair.title, *_cells(pair)]) for pair in found), ""]
    torn = _torn_cases(first, second)
    if any(torn):
        counts = " and ".join(f"{count:,}" for count in torn)
        heads = [f"{counts} cases whose subject has others in training, in one of the two", "the other cases", "difference"]
        lines += _head(["Accuracy, first less second", *heads])
        lines += [_line([p.title, *map(_interval, (p.torn, p.whole, p.torn_less_whole))]) for p in found]
        lines.append("")
    return "\n".join([*lines, *(f"- {sentence}" for sentence in _notes(first, second))]) + "\n"


def _pair(first: Finished, second: Finished, row: str, seeds: list[int]) -> Pair:
    ours = [first.predictions[seed] for seed in seeds]
    theirs = [second.predictions[seed] for seed in seeds]
    labels, subjects = (np.concatenate([getattr(p, name) for p in ours]) for name in ("labels", "subjects"))
    probabilities = [np.concatenate([p.probabilities[row] for p in side]) for side in (ours, theirs)]
    trainings = np.repeat(np.arange(len(seeds)), [len(p.labels) for p in ours])
    right = [(p.argmax(axis=1) == labels).astype(float) for p in probabilities]
    gains = right[0] - right[1]
    torn = np.concatenate([_torn(a) ^ _torn(b) for a, b in zip(ours, theirs, strict=True)])
    return Pair(
        title=first.results["methods"][row]["title"],
        figures={score: (_figure(first, row, score, seeds), _figure(second, row, score, seeds)) for score in _SHOWN},
        differences=difference_intervals(labels, probabilities[0], probabilities[1], subjects, trainings=trainings),
        by_seed={score: _by_seed(first, second, row, score, seeds) for score in _SHOWN},
        torn=_mean(gains, subjects, torn),
        whole=_mean(gains, subjects, ~torn),
        torn_less_whole=mean_difference_interval(gains, torn, subjects) if torn.any() and not torn.all() else None,
    )


def _torn(found: Predictions) -> np.ndarray:
    """Which cases have a subject with cases in several folds: bool `[N]`."""
    several = straddling(found.subjects.tolist(), found.folds)
    return np.array([subject in several for subject in found.subjects.tolist()])


def _torn_cases(first: Finished, second: Finished) -> list[int]:
    """Of each seed."""
    seeds = [seed for seed in first.predictions if seed in second.predictions]
    return [int(np.sum(_torn(first.predictions[seed]) ^ _torn(second.predictions[seed]))) for seed in seeds]


def _mean(values: np.ndarray, subjects: np.ndarray, chosen: np.ndarray) -> Interval | None:
    return mean_interval(values[chosen], subjects[chosen]) if chosen.any() else None


def _figure(table: Finished, row: str, score: str, seeds: list[int]) -> str:
    """Mean (SD over the folds of a seed) in per cent, of these seeds alone."""
    return figure([value for scores in _of_seeds(table, row, score, seeds) for value in scores], len(seeds))


def _by_seed(first: Finished, second: Finished, row: str, score: str, seeds: list[int]) -> list[float]:
    means = [[float(np.mean(scores)) for scores in _of_seeds(table, row, score, seeds)] for table in (first, second)]
    return [a - b for a, b in zip(*means, strict=True)]


def _of_seeds(table: Finished, row: str, score: str, seeds: list[int]) -> list[Any]:
    """The folds' scores of each of these seeds."""
    everything = by_seed(table.results["methods"][row][score], len(table.results["seeds"]))
    return [everything[table.results["seeds"].index(seed)] for seed in seeds]


def _check_same_cases(first: Finished, second: Finished, seed: int) -> None:
    described = [
        dict(zip(p.records.tolist(), zip(p.subjects.tolist(), p.labels.tolist(), strict=True), strict=True))
        for p in (first.predictions[seed], second.predictions[seed])
    ]
    names = first.predictions[seed].class_names, second.predictions[seed].class_names
    if described[0] != described[1] or names[0] != names[1]:
        others = sorted(set(described[0].items()) ^ set(described[1].items()))
        which = f"one alone has {others[0][0]} as it is" if others else "their classes differ"
        raise UserError(
            f"{first.name} and {second.name} do not hold the same cases ({which}): side by side stand tables of one study, "
            "read from the same data."
        )


def _cells(pair: Pair) -> Iterator[str]:
    for score in _SHOWN:
        yield from pair.figures[score]
        yield _interval(pair.differences[score])
        if len(pair.by_seed[score]) > 1:
            yield ", ".join(f"{100 * gain:.1f}" for gain in pair.by_seed[score])


def _notes(first: Finished, second: Finished) -> list[str]:
    """What both say of themselves, what each says alone, and what a difference is."""
    said = caption(first.results), caption(second.results)
    notes = [sentence for sentence in said[0] if sentence in said[1]]
    for table, own, other in ((first, said[0], said[1]), (second, said[1], said[0])):
        notes += [f"{table.name}: {sentence}" for sentence in own if sentence not in other]
    notes += _other_settings(first, second)
    seeds = [str(seed) for seed in first.predictions if seed in second.predictions]
    if len(seeds) == 1:
        notes.append("One seed: these differences cannot be told from those of another training.")
    notes.append(
        f"Seeds {', '.join(seeds)}. First less second: of all held-out cases together, the mean over seeds, with a 95% interval "
        "by a bootstrap over subjects, each drawn with all its cases in both tables. It says how far another sample of subjects "
        "would move the difference, not another training, and is not corrected for the number of rows."
    )
    return notes


def _other_settings(first: Finished, second: Finished) -> list[str]:
    """Returns what names the fields, versions and devices in which two runs differ: a difference of scores may come from any."""
    fields = different_fields(first.config, second.config)
    ours, theirs = (table.results.get("versions", {}) for table in (first, second))
    versions = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    computed = [f"Different in what computed them: {', '.join(versions)}."] if versions else []
    return [f"Different in their configs: {', '.join(fields) if fields else 'nothing'}.", *computed]


def _head(columns: list[str]) -> list[str]:
    return [_line(columns), "| :-- |" + " --: |" * (len(columns) - 1)]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _interval(one: Interval | None) -> str:
    return "-" if one is None else f"{100 * one.estimate:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


if __name__ == "__main__":
    sys.exit(main(sys.argv))
