"""The figures of Tables 1 and 2: F1 per class, macro F1, accuracy, balanced accuracy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, recall_score

__all__ = ["is_constant", "scores"]


def scores(labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """Scores one fold: {"macro_f1", "accuracy", "balanced_accuracy", "f1": {class: ...}}, floats in [0, 1].

    `labels` are `[N]` class positions, `probabilities` `[N, C]`; the prediction is the most probable class, the first
    of several. A class that is never predicted, or only where it is wrong, has F1 0. A class that is neither among the
    labels nor predicted has no F1: it stands as None and is left out of macro F1. Balanced accuracy is the mean recall
    of the classes among the labels. Raises ValueError for shapes that do not fit, no cases, or a NaN.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    classes = np.arange(len(class_names))
    if not len(labels) or labels.ndim != 1 or probabilities.shape != (len(labels), len(classes)):
        raise ValueError(
            f"expected labels [N] and probabilities [N, {len(classes)}] of one N above 0, found {labels.shape} and "
            f"{probabilities.shape}"
        )
    if np.isnan(probabilities).any() or not np.isin(labels, classes).all():
        raise ValueError(f"expected probabilities without NaN and labels from 0 to {len(classes) - 1}")
    predicted = probabilities.argmax(axis=1)
    f1 = f1_score(labels, predicted, labels=classes, average=None, zero_division=np.nan)
    recall = recall_score(labels, predicted, labels=np.unique(labels), average="macro")
    return {
        "macro_f1": float(np.nanmean(f1)),
        "accuracy": float(accuracy_score(labels, predicted)),
        "balanced_accuracy": float(recall),
        "f1": {name: None if np.isnan(v) else float(v) for name, v in zip(class_names, f1, strict=True)},
    }


def is_constant(probabilities: np.ndarray) -> bool:
    """Returns True if several cases `[N, C]` all have the same probabilities, but for rounding: they say nothing about a case."""
    return len(probabilities) > 1 and bool(np.ptp(probabilities, axis=0).max() <= 1e-6)
