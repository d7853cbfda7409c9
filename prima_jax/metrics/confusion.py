"""Confusion counts: over all folds, per unit and as shares; and the scores that follow from counts alone."""

import numpy as np

__all__ = ["confusion", "confusion_by_group", "row_shares", "scores_of_counts"]


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Returns the counts of predictions (second axis) per class (first axis): int `[C, C]` from class positions `[N]`.

    Give the held-out cases of all folds: each case is held out once, so the matrix counts every case once. Raises
    ValueError for shapes that differ and for positions outside 0 to C - 1.
    """
    return confusion_by_group(labels, predicted, np.zeros(len(labels), int), classes, 1)[0]


def confusion_by_group(
    labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray, classes: int, number: int | None = None
) -> np.ndarray:
    """Returns the same for each group of cases: int `[G, C, C]` from class positions and group positions `[N]`, 0 to G - 1.

    G is `number`, else one more than the largest group position.
    """
    labels, predicted, groups = np.asarray(labels), np.asarray(predicted), np.asarray(groups)
    if labels.ndim != 1 or not labels.shape == predicted.shape == groups.shape:
        raise ValueError(f"expected three arrays [N], found {labels.shape}, {predicted.shape} and {groups.shape}")
    for positions in (labels, predicted):
        if not np.isin(positions, np.arange(classes)).all():
            raise ValueError(f"expected class positions from 0 to {classes - 1}")
    number = number if number is not None else int(groups.max(initial=-1)) + 1
    cells = (groups * classes + labels) * classes + predicted
    return np.bincount(cells.astype(int), minlength=number * classes * classes).reshape(number, classes, classes)


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Returns `[C, C]` with each row divided by its sum, so that the diagonal is recall; a class without cases has NaN."""
    cases = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, cases, out=np.full(counts.shape, np.nan), where=cases > 0)


def scores_of_counts(counts: np.ndarray) -> dict[str, np.ndarray]:
    """{"macro_f1", "accuracy", "balanced_accuracy"} of confusion counts `[..., C, C]`, each `[...]`, in [0, 1].

    By the rules of `metrics.scores`, which the tests compare it with: F1 = 2 TP / (2 TP + FP + FN), a class neither
    among the labels nor predicted is left out of macro F1, and balanced accuracy is the mean recall of the classes
    among the labels. Counts need not be whole. NaN where there is no case at all.
    """
    counts = np.asarray(counts, float)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    true, taken = counts.sum(axis=-1), counts.sum(axis=-2)
    return {
        "macro_f1": _mean_where(2 * hits, true + taken),
        "accuracy": _ratio(hits.sum(axis=-1), true.sum(axis=-1)),
        "balanced_accuracy": _mean_where(hits, true),
    }


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator > 0)


def _mean_where(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The mean of the ratios over the last axis, without those that have no denominator."""
    known = denominator > 0
    ratios = np.divide(numerator, denominator, out=np.zeros(np.shape(numerator)), where=known)
    return _ratio(ratios.sum(axis=-1), known.sum(axis=-1))
