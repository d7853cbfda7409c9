"""Each class against the rest: AUROC, and sensitivity, specificity and PPV of the most probable class, with intervals."""

from collections.abc import Sequence

import numpy as np

from prima_jax.metrics.auc import weighted_aucs
from prima_jax.metrics.intervals import Interval, figure_intervals

__all__ = ["FIGURES", "one_vs_rest"]

FIGURES = ("auroc", "sensitivity", "specificity", "ppv")


def one_vs_rest(
    labels: np.ndarray,
    probabilities: np.ndarray,
    units: np.ndarray,
    class_names: Sequence[str],
    *,
    replicates: int = 2000,
    seed: int = 0,
) -> dict[str, dict[str, Interval | None]]:
    """Returns class -> FIGURES with the intervals of `figure_intervals`; None where too many draws have no such figure.

    `labels` `[N]` are class positions, `probabilities` `[N, C]`, `units` `[N]` the names of what is drawn. A class that is
    never the most probable one has no PPV.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, float)
    classes = np.arange(len(class_names))
    true = (labels[:, None] == classes).astype(float)
    taken = (probabilities.argmax(axis=1)[:, None] == classes).astype(float)

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        hits, positives, answers = weights @ (true * taken), weights @ true, weights @ taken
        negatives = weights.sum(axis=1, keepdims=True) - positives
        found = [
            weighted_aucs(labels, probabilities, weights).T,
            _share(hits, positives),
            _share(negatives - (answers - hits), negatives),
            _share(hits, answers),
        ]
        return {f"{c} {name}": of_name[:, c] for name, of_name in zip(FIGURES, found, strict=True) for c in classes}

    within = figure_intervals(figures, units, replicates=replicates, seed=seed)
    return {name: {figure: within[f"{c} {figure}"] for figure in FIGURES} for c, name in enumerate(class_names)}


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
