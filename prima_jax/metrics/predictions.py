"""The lines of predictions.csv as arrays: the same cases for every method, in one order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Predictions", "predictions_of_rows"]


@dataclass(frozen=True)
class Predictions:
    """The held-out cases of all folds. Arrays are `[N]`, the probabilities of each method `[N, C]`."""

    class_names: tuple[str, ...]
    records: np.ndarray
    units: np.ndarray
    subjects: np.ndarray
    folds: np.ndarray
    labels: np.ndarray
    """Class positions."""
    probabilities: Mapping[str, np.ndarray]


def predictions_of_rows(rows: Sequence[Mapping[str, Any]]) -> Predictions:
    """Raises KeyError for a missing column and ValueError for methods that differ in their cases."""
    if not rows:
        raise ValueError("no rows")
    names = tuple(key.removeprefix("p_") for key in rows[0] if key.startswith("p_"))
    by_method: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        cases = by_method.setdefault(row["method"], {})
        if row["record"] in cases:
            raise ValueError(f"record {row['record']} stands twice for {row['method']}")
        cases[row["record"]] = row
    first = next(iter(by_method.values()))
    records = sorted(first)
    described = _described(first, records)
    for method, cases in by_method.items():
        if sorted(cases) != records or _described(cases, records) != described:
            raise ValueError(f"the cases of {method} are not those of {next(iter(by_method))}")
    units, subjects, folds, labels = zip(*described, strict=True)
    return Predictions(
        class_names=names,
        records=np.array(records),
        units=np.array(units),
        subjects=np.array(subjects),
        folds=np.array(folds),
        labels=np.array([names.index(label) for label in labels]),
        probabilities={
            method: np.array([[float(cases[r][f"p_{name}"]) for name in names] for r in records])
            for method, cases in by_method.items()
        },
    )


def _described(cases: Mapping[str, Mapping[str, Any]], records: Sequence[str]) -> list[tuple[str, str, int, str]]:
    return [(cases[r]["unit"], cases[r]["subject"], int(cases[r]["fold"]), cases[r]["label"]) for r in records]
