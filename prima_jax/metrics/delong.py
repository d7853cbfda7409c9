"""DeLong's test: two areas under the ROC curve on the same cases, two classes."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

__all__ = ["DeLong", "delong_test"]


@dataclass(frozen=True)
class DeLong:
    """Areas in [0, 1]; `difference` is first minus second, with its interval; `p` is two-sided."""

    areas: tuple[float, float]
    covariance: np.ndarray
    """The covariance of the two areas, `[2, 2]`."""
    difference: float
    low: float
    high: float
    statistic: float
    p: float


def delong_test(positive: np.ndarray, first: np.ndarray, second: np.ndarray, level: float = 0.95) -> DeLong:
    """Compares the areas of two methods' scores `[N]`; `positive` `[N]` says which cases are of the class in question.

    DeLong, DeLong & Clarke-Pearson 1988 (doi 10.2307/2531595), by the ranks of Sun & Xu 2014, algorithm 2 (doi
    10.1109/LSP.2014.2337313). The rows are taken to be independent: give one for each unit (`units.per_unit`). Scores
    of several folds come from several models, and the test takes them for one scale. Where the difference has no
    variance, p is 1 for equal areas and else 0.

    Raises ValueError for shapes that differ, a NaN, or fewer than two cases on either side.
    """
    positive, scores = np.asarray(positive, bool), np.stack([np.asarray(first, float), np.asarray(second, float)])
    if positive.ndim != 1 or scores.shape != (2, len(positive)) or np.isnan(scores).any():
        raise ValueError(f"expected three arrays [N] without NaN, found {positive.shape} and {scores.shape[1:]}")
    if min(positive.sum(), (~positive).sum()) < 2:
        raise ValueError("expected at least two cases of the class and two of the rest")
    inside, outside = _components(scores[:, positive], scores[:, ~positive])
    areas = inside.mean(axis=1)
    covariance = np.cov(inside) / inside.shape[1] + np.cov(outside) / outside.shape[1]
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    # Equal scores leave rounding, which is far under what one case can move: (1 / cases)^2 at least over cases.
    error = np.sqrt(variance) if variance > 1e-14 else 0.0
    statistic = difference / error if error else np.sign(difference) * (np.inf if abs(difference) > 1e-12 else 0.0)
    margin = norm.ppf((1 + level) / 2) * error
    return DeLong(
        areas=(float(areas[0]), float(areas[1])),
        covariance=covariance,
        difference=difference,
        low=difference - margin,
        high=difference + margin,
        statistic=float(statistic),
        p=float(2 * norm.sf(abs(statistic))),
    )


def _components(inside: np.ndarray, outside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The structural components of both methods, `[2, m]` and `[2, n]`, from scores of the class and of the rest.

    A case's component is the share of the other side that it is in the right order with, ties counting half: its rank
    among all, less its rank on its own side.
    """
    m, n = inside.shape[1], outside.shape[1]
    among_all = rankdata(np.concatenate([inside, outside], axis=1), axis=1)
    return (
        (among_all[:, :m] - rankdata(inside, axis=1)) / n,
        1 - (among_all[:, m:] - rankdata(outside, axis=1)) / m,
    )
