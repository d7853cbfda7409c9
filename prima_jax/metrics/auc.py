"""The area under the ROC curve, one class against the rest: per class, their mean, and the same under weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

__all__ = ["auc_scores", "macro_auc", "weighted_aucs", "weighted_macro_auc"]


def auc_scores(labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """Returns {"macro_auc", "auc": {class: ...}} of labels `[N]` (class positions) and probabilities `[N, C]`, in [0, 1].

    A class has no area, and stands as None, where all cases are of it or none is; then macro AUC is None as well,
    since a mean over other classes would be another figure. Macro: the plain mean over classes (Fawcett 2006, sec. 9.1,
    doi 10.1016/j.patrec.2005.10.010, but unweighted). Of two classes whose probabilities sum to 1 both areas are the
    same. Raises ValueError for shapes that do not fit, a NaN, or labels outside 0 to C - 1.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if labels.ndim != 1 or probabilities.shape != (len(labels), len(class_names)) or np.isnan(probabilities).any():
        raise ValueError(
            f"expected labels [N] and probabilities [N, {len(class_names)}] without NaN, found {labels.shape} and "
            f"{probabilities.shape}"
        )
    if not np.isin(labels, np.arange(len(class_names))).all():
        raise ValueError(f"expected labels from 0 to {len(class_names) - 1}")
    areas = {}
    for position, name in enumerate(class_names):
        of_class = labels == position
        both = 0 < of_class.sum() < len(labels)
        areas[name] = float(roc_auc_score(of_class, probabilities[:, position])) if both else None
    known = [area for area in areas.values() if area is not None]
    return {"macro_auc": float(np.mean(known)) if len(known) == len(areas) else None, "auc": areas}


def macro_auc(labels: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Returns the mean over classes of `auc_scores`; None where a class is missing."""
    names = [str(position) for position in range(np.shape(probabilities)[1])]
    return auc_scores(labels, probabilities, names)["macro_auc"]


def weighted_macro_auc(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the mean `[B]` of `weighted_aucs` over classes; NaN where a class has no weight."""
    return np.mean(weighted_aucs(labels, probabilities, weights), axis=0)


def weighted_aucs(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the AUC `[C, B]` of each class under B weightings `[B, N]` of the cases, e.g. how often a bootstrap drew each.

    The area is the weighted share of pairs (one of the class, one of the rest) in the right order, a tie counting half
    (Mann & Whitney; Hanley & McNeil 1982, doi 10.1148/radiology.143.1.7063747). NaN where a class has no weight.
    """
    classes = range(probabilities.shape[1])
    return np.stack([_weighted_auc(labels == position, probabilities[:, position], weights) for position in classes])


def _weighted_auc(of_class: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One class against the rest: for each of its cases the weight of the rest scored below it, by cumulative sums."""
    inside, outside = np.flatnonzero(of_class), np.flatnonzero(~of_class)
    outside = outside[np.argsort(score[outside], kind="stable")]
    below = np.zeros((len(weights), len(outside) + 1))
    np.cumsum(weights[:, outside], axis=1, out=below[:, 1:])
    # A case counts fully those under its score and half those at it: the mean of "under" and "up to".
    under, up_to = (np.searchsorted(score[outside], score[inside], side=side) for side in ("left", "right"))
    own = weights[:, inside]
    right = np.einsum("bi,bi->b", own, (below[:, under] + below[:, up_to]) / 2)
    pairs = own.sum(axis=1) * below[:, -1]
    return np.divide(right, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
