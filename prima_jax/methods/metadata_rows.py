"""The plain references as rows: what the metadata, or which fields are filled in, say without any neural network."""

from collections.abc import Callable
from functools import partial

import numpy as np

from prima_jax.data import metadata
from prima_jax.methods import plain
from prima_jax.methods.method import EQUAL_CLASSES, UNWEIGHTED, Bench, fitted_in_seconds
from prima_jax.stages.cases import Case

__all__ = ["METHODS", "labels", "one_hot_columns"]


def majority(bench: Bench, train: list[Case], test: list[Case]) -> np.ndarray:
    """Each class's share of the training cases."""
    return plain.majority(labels(train), len(test), _classes(bench))


def metadata_only(bench: Bench, train: list[Case], test: list[Case]) -> np.ndarray:
    """Gradient boosting on the columns."""
    study, records = bench.context.prepared.study, bench.context.prepared.records
    rows = [records[case.row] for case in (*train, *test)]
    table, _, categorical = metadata.tabular(study, rows)
    fitted, asked = table[: len(train)], table[len(train) :]
    return plain.metadata_only(fitted, labels(train), asked, _classes(bench), categorical=categorical)


def metadata_logistic(bench: Bench, train: list[Case], test: list[Case]) -> np.ndarray:
    """Logistic regression on the one-hot columns of Eq. 6, without the label."""
    columns = one_hot_columns(bench, train)
    return plain.logistic_regression(columns(train), labels(train), columns(test), _classes(bench))


def one_hot_columns(bench: Bench, train: list[Case]) -> Callable[[list[Case]], np.ndarray]:
    """The columns of cases, whose meaning is learnt from the training cases: float32 [cases, C]."""
    study, records = bench.context.prepared.study, bench.context.prepared.records
    one_hot = metadata.OneHot.fit(study, [records[case.row] for case in train])
    return lambda cases: one_hot.encode([records[case.row] for case in cases])


def missingness_only(bench: Bench, train: list[Case], test: list[Case], class_weight: str | None = None) -> np.ndarray:
    """Gradient boosting on which fields are filled in."""
    study, records = bench.context.prepared.study, bench.context.prepared.records
    filled = [metadata.filled_in(study, [records[case.row] for case in part]) for part in (train, test)]
    return plain.missingness_only(filled[0], labels(train), filled[1], _classes(bench), class_weight=class_weight)


def labels(cases: list[Case]) -> np.ndarray:
    """int [len(cases)]."""
    return np.array([case.label for case in cases])


def _classes(bench: Bench) -> int:
    return len(bench.context.prepared.study.classes)


METHODS = (
    fitted_in_seconds("majority", set(), majority),
    fitted_in_seconds("missingness_only", {"metadata"}, missingness_only, UNWEIGHTED),
    fitted_in_seconds("missingness_balanced", {"metadata"}, partial(missingness_only, class_weight="balanced"), EQUAL_CLASSES),
    fitted_in_seconds(
        "metadata_only",
        {"metadata"},
        metadata_only,
        f"{EQUAL_CLASSES}; settings chosen on held-out folds of PAD-UFES-20",
    ),
    fitted_in_seconds("metadata_logistic", {"metadata"}, metadata_logistic, EQUAL_CLASSES),
)
