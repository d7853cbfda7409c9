"""Prints the paired differences of two rows of finished tables, with 95% intervals by a bootstrap over subjects.

    python -m scripts.compare_rows runs/light/table_1 aligned_tokens frozen_tokens
    python -m scripts.compare_rows runs/light/table_4,runs/light/table_5 random_llm prima_metadata

The report compares every row with PRIMA; this is for two others. Tables of one workdir have the same cases.
"""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from prima_jax.errors import UserError
from prima_jax.metrics.intervals import difference_intervals
from prima_jax.metrics.predictions import predictions_of_rows

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Prints the differences of the first row less the second; returns 0, or 2 for bad input, told in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m scripts.compare_rows", description="Two rows of finished tables, paired.")
    parser.add_argument("tables", help="folders with a predictions.csv, with commas between")
    parser.add_argument("first", help="a row's name, as in results.json")
    parser.add_argument("second", help="the row that is taken from it")
    options = parser.parse_args(arguments)
    try:
        lines = [
            line
            for folder in options.tables.split(",")
            for line in _lines(Path(folder) / "predictions.csv", (options.first, options.second))
        ]
        for name in (options.first, options.second):
            if name not in {line["method"] for line in lines}:
                raise UserError(f"No predictions.csv of {options.tables} has a row {name}: give the name that results.json has.")
        found = predictions_of_rows(list({(line["method"], line["record"]): line for line in lines}.values()))
    except (UserError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    pair = (found.probabilities[options.first], found.probabilities[options.second])
    for score, one in difference_intervals(found.labels, *pair, found.subjects).items():
        if one is not None:
            print(f"{score}: {100 * one.estimate:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})")
    return 0


def _lines(path: Path, names: tuple[str, str]) -> list[Mapping[str, str]]:
    """Returns the first seed's lines of two rows. Raises UserError where there is no such file."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if missing := {"seed", "method", "record", "unit", "subject", "fold", "label"} - set(reader.fieldnames or ()):
                raise UserError(f"{path} has no column {sorted(missing)[0]}: give the folder of a finished table.")
            lines = [line for line in reader if line["method"] in names]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give the folder of a finished table.") from error
    first = min((line["seed"] for line in lines), key=int, default="")
    return [line for line in lines if line["seed"] == first]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
