"""Several seeds: how much of a figure's spread is the folds', and how far it moves with the seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["SeedSummary", "by_seed", "over_seeds"]


@dataclass(frozen=True)
class SeedSummary:
    """One score of one method. Standard deviations are those of a sample (ddof = 1)."""

    mean: float
    """Of the seeds' means."""
    fold_sd: float | None
    """Over the folds of one seed: the root mean square of the seeds' own. None where no seed has two folds."""
    seed_sd: float | None
    """Over the seeds' means: what training and the drawing of folds decide by chance. None for one seed."""


def by_seed(values: Sequence[float | None], seeds: int) -> list[Sequence[float | None]]:
    """The folds of each of `seeds` seeds, of values that stand seed after seed."""
    folds = len(values) // seeds
    return [values[k * folds : (k + 1) * folds] for k in range(seeds)]


def over_seeds(scores: Sequence[Sequence[float | None]]) -> SeedSummary | None:
    """Combines the scores of S seeds, each on K folds of its own; a None is a fold without a figure. None without any.

    The S * K scores are no independent sample whose SD could be taken: those of one seed share its folds' data with
    those of the others (Bouthillier et al. 2021, arXiv:2103.03098, on sources of variance).
    """
    known = [np.array([value for value in seed if value is not None], float) for seed in scores]
    known = [values for values in known if len(values)]
    if not known:
        return None
    means = np.array([values.mean() for values in known])
    variances = [values.var(ddof=1) for values in known if len(values) > 1]
    return SeedSummary(
        mean=float(means.mean()),
        fold_sd=float(np.sqrt(np.mean(variances))) if variances else None,
        seed_sd=float(means.std(ddof=1)) if len(means) > 1 else None,
    )
