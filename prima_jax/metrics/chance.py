"""Chance levels: scores of predictions that are independent of the labels, by permutation."""

from dataclasses import dataclass

import numpy as np

from prima_jax.metrics.confusion import confusion, confusion_by_group, scores_of_counts

__all__ = ["Chance", "chance", "permutation_p"]

SQRT_2 = 2**0.5
_ROUNDING = 1e-12
"""The tolerance within which two scores count as equal."""
_CHUNK = 2**22
"""Numbers in one array of shuffled labels (32 MiB)."""


@dataclass(frozen=True)
class Chance:
    """The scores under shuffled labels: their mean, their interval, all draws `[B]`, and what was observed."""

    mean: float
    low: float
    high: float
    draws: np.ndarray
    observed: float

    @property
    def consistent(self) -> bool:
        """True if the observed score lies within the interval of chance."""
        return self.low - _ROUNDING <= self.observed <= self.high + _ROUNDING


def chance(
    labels: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    *,
    units: np.ndarray | None = None,
    cross_validated: bool = False,
    permutations: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Chance]:
    """{"macro_f1", "accuracy", "balanced_accuracy"}: each score under randomly permuted labels.

    `labels` and `predicted` are class positions `[N]`, `units` `[N]` names. The shares of the classes among units and
    among predictions stay as they are: chance for accuracy is sum_c share_c(labels) * share_c(predicted), not 1 / C.
    With `units` whole units swap labels, as their cases share one.

    The predictions stay as they are, which is right for a model that was fitted to other data. The folds of a
    cross-validation are fitted to each other's labels: what by chance goes well where fold 1 predicts fold 2 goes well the
    other way round too, so that the scores of methods that find nothing spread more than these draws. For a score that is
    bilinear in the labels of both sides, sum_{j < k} y_j' K y_k, their variance is twice as large, whatever the number of
    folds; with `cross_validated` the draws are that much wider about their mean, SQRT_2 times. Ridge classifiers on noise
    were inside in 97.4 % (2 folds) and 96.4 % (5 folds), without it in 91.0 and 90.0 % (500 studies each, Monte-Carlo error 1
    point; tests/metrics/test_chance.py), so that it errs on the wide side. A test without that assumption trains anew for
    every permutation (Ojala & Garriga 2010, test 1, https://jmlr.org/papers/v11/ojala10a.html). Raises ValueError for shapes
    that differ, labels outside 0 to C - 1, and a unit with two labels.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    observed = scores_of_counts(confusion(labels, predicted, classes))
    positions = np.arange(len(labels)) if units is None else np.unique(np.asarray(units), return_inverse=True)[1]
    of_units = np.zeros(int(positions.max()) + 1, int)
    of_units[positions] = labels
    if (of_units[positions] != labels).any():
        raise ValueError("expected one label for all cases of a unit")
    # How often each unit was taken for each class, [U, C]; a unit's label only says in which row they count.
    taken = confusion_by_group(labels, predicted, positions, classes, len(of_units)).sum(axis=1)
    drawn = scores_of_counts(_shuffled_counts(of_units, taken, permutations, np.random.default_rng(seed)))
    chances = {}
    for metric, of_metric in drawn.items():
        mean = of_metric.mean()
        draws = mean + SQRT_2 * (of_metric - mean) if cross_validated else of_metric
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
        chances[metric] = Chance(float(draws.mean()), float(low), float(high), draws, float(observed[metric]))
    return chances


def permutation_p(chance: Chance) -> float:
    """One-sided p-value of the observed score: (1 + draws at least as high) / (1 + draws).

    Phipson & Smyth 2010, doi 10.2202/1544-6115.1585: the labels as they are count among the permutations, so that p is
    never 0.
    """
    return float((1 + np.sum(chance.draws >= chance.observed - _ROUNDING)) / (1 + len(chance.draws)))


def _shuffled_counts(of_units: np.ndarray, taken: np.ndarray, permutations: int, generator: np.random.Generator) -> np.ndarray:
    """Confusion counts `[B, C, C]` with the units' labels `[U]` shuffled B times."""
    units, classes = taken.shape
    step = max(1, _CHUNK // (units * classes))
    counts = []
    for start in range(0, permutations, step):
        many = min(step, permutations - start)
        shuffled = generator.permuted(np.tile(of_units, (many, 1)), axis=1)
        rows = shuffled[:, None, :] == np.arange(classes)[:, None]
        counts.append(rows.astype(float) @ taken)
    return np.concatenate(counts)
