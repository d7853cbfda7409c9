"""Answers for the most confident share of the cases alone: the error among them, and the area under its curve (AURC)."""

import numpy as np
from scipy.special import digamma

from prima_jax.metrics.intervals import Interval, figure_intervals

__all__ = ["aurc", "aurc_interval", "risk_coverage"]


def risk_coverage(right: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the shares of the cases `[N]`, k / N, and the error among so many of the most confident ones `[N]`.

    `right` `[N]` is bool, `confidence` `[N]`. Cases of one confidence stand in no order, so that the error among some of them
    is that of all of them (Geifman & El-Yaniv 2017, arXiv:1705.08500, for the curve). Raises ValueError for shapes that differ
    and for no cases.
    """
    order, starts = _blocks(right, confidence)
    wrong = ~np.asarray(right, bool)[order]
    sizes = np.diff(np.append(starts, len(wrong)))
    errors = np.cumsum(np.repeat(np.add.reduceat(wrong, starts, dtype=float) / sizes, sizes))
    taken = np.arange(1, len(wrong) + 1)
    return taken / len(wrong), errors / taken


def aurc(right: np.ndarray, confidence: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the mean `[B]` of the errors of `risk_coverage` under B weightings `[B, N]`, how often a bootstrap drew each case.

    Geifman et al. 2019, arXiv:1805.08206, sec. 3: from 0, where all are right, to 1; the error rate itself, on average, where
    the confidences say nothing. Of a block of equal confidences, W cases with the error r after n cases with e errors, the
    errors (e + k r) / (n + k), k = 1 ... W, add up to r W + (e - n r) (H(n + W) - H(n)), H being the harmonic numbers.
    """
    order, starts = _blocks(right, confidence)
    drawn = np.asarray(weights, float)[:, order]
    sizes = np.add.reduceat(drawn, starts, axis=1)
    wrong = np.add.reduceat(drawn * ~np.asarray(right, bool)[order], starts, axis=1)
    after = np.cumsum(sizes, axis=1)
    before, earlier = after - sizes, np.cumsum(wrong, axis=1) - wrong
    rate = np.divide(wrong, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    total = wrong + (earlier - before * rate) * (digamma(after + 1) - digamma(before + 1))
    return total.sum(axis=1) / after[:, -1]


def aurc_interval(
    right: np.ndarray, confidence: np.ndarray, units: np.ndarray, *, replicates: int = 2000, seed: int = 0
) -> Interval | None:
    """Returns AURC with the interval of `figure_intervals`; `units` `[N]` are the names of what is drawn."""
    found = figure_intervals(lambda w: {"aurc": aurc(right, confidence, w)}, units, replicates=replicates, seed=seed)
    return found["aurc"]


def _blocks(right: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the order of the cases, the most confident first, and in it where each block of equal confidences begins."""
    right, confidence = np.asarray(right), np.asarray(confidence, float)
    if right.ndim != 1 or right.shape != confidence.shape or not len(right):
        raise ValueError(f"expected two arrays [N], N above 0, found {right.shape} and {confidence.shape}")
    order = np.argsort(-confidence, kind="stable")
    return order, np.flatnonzero(np.diff(confidence[order], prepend=np.inf) != 0)
