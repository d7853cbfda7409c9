"""Agreement over seeds: what of a figure's spread is the folds', and what the seeds'."""

from dataclasses import dataclass

import numpy as np

__all__ = ["SeedSummary", "over_seeds"]


@dataclass(frozen=True)
class SeedSummary:
    """One score of one method, over S seeds and K folds. Standard deviations are those of a sample (ddof = 1)."""

    mean: float
    within: tuple[tuple[float, float | None], ...]
    """Of each seed its mean and SD over folds, as a table of one run shows them."""
    fold_means: tuple[float, ...] | None
    """Of each fold its mean over seeds, `[K]`; None where each seed drew folds of its own."""
    fold_sd: float | None
    """SD over folds of `fold_means`: how much the data decide. None for one fold, or folds of each seed's own."""
    seed_sd: float | None
    """SD over seeds of the seeds' means: how much chance in training decides (and in drawing folds, where each seed
    drew its own). None for one seed."""


def over_seeds(scores: np.ndarray, *, same_folds: bool) -> SeedSummary:
    """Combines the scores `[S, K]` of S seeds on K folds.

    Report mean (fold_sd) beside one-run rows, and `seed_sd` apart: averaging over seeds first takes most of training's
    chance out of each fold's score, and the S * K scores are no independent sample whose SD could be taken (Bouthillier
    et al. 2021, arXiv:2103.03098, on sources of variance). `same_folds` says whether fold k holds the same cases under
    every seed. It does not where the folds are drawn from the seed (`config.seed`): then a mean over "the same" fold
    means nothing, and only each seed's own figures and `seed_sd` are given. Raises ValueError for another shape or a NaN.
    """
    scores = np.asarray(scores, float)
    if scores.ndim != 2 or not scores.size or np.isnan(scores).any():
        raise ValueError(f"expected scores [seeds, folds] without NaN, found {scores.shape}")
    fold_means = scores.mean(axis=0)
    return SeedSummary(
        mean=float(scores.mean()),
        within=tuple((float(row.mean()), _deviation(row)) for row in scores),
        fold_means=tuple(float(value) for value in fold_means) if same_folds else None,
        fold_sd=_deviation(fold_means) if same_folds else None,
        seed_sd=_deviation(scores.mean(axis=1)),
    )


def _deviation(values: np.ndarray) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None
