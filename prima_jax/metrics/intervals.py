"""95% intervals by a bootstrap over units: whole units are drawn, with all their cases.

Cases of one unit (photographs of one lesion) resemble each other, so drawing cases would give intervals that are too
narrow (Field & Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x). The models are fixed: an interval covers
the sampling of units, not of training sets or seeds; for those see
`comparison.corrected_t_test` and `seeds.over_seeds`. Units of one subject count as independent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from prima_jax.metrics.auc import weighted_macro_auc
from prima_jax.metrics.confusion import confusion_by_group, scores_of_counts

__all__ = [
    "METRICS",
    "Interval",
    "bootstrap_interval",
    "difference_intervals",
    "draw_units",
    "figure_intervals",
    "intervals",
    "mean_difference_interval",
    "mean_interval",
]

METRICS = ("macro_f1", "accuracy", "balanced_accuracy", "macro_auc")

_CHUNK = 2**22
"""Elements of one array of case weights (32 MiB), small beside the memory of a run."""

_ROUNDING = 1e-24
"""A variance of shares under this is rounding: one case in a million, right or wrong, adds 1e-12."""

Statistic = Callable[[np.ndarray], dict[str, np.ndarray]]
"""A function from weights, of units `[B, U]` or of cases `[B, N]`, to figures, `[B]` each; NaN where a draw has none."""


@dataclass(frozen=True)
class Interval:
    """A figure over all cases with its interval, all as shares (or their difference) rather than per cent."""

    estimate: float
    low: float
    high: float


def intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    units: np.ndarray,
    *,
    folds: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    replicates: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """An interval for each of METRICS, None where a class is missing (macro AUC) or a draw can tell nothing.

    `labels` `[N]` are class positions, `probabilities` `[N, C]`, `units` `[N]` names. Without `folds` the figures are
    those of all held-out cases together, which is how F1 should be taken over folds (Forman & Scholz 2010, doi
    10.1145/1882471.1882479). With `folds` `[N]` they are the means over folds that the tables show: every unit is drawn
    within its fold. `strata` `[N]` names further groups within which units are drawn, constant within a unit. None is
    needed for F1 or accuracy: whoever samples patients does not fix the diagnoses, and drawing within classes would hide
    that part of the variance. Use it where a rare class would be missing from many draws.

    BCa (Efron 1987, doi 10.1080/01621459.1987.10478410) with the acceleration from leaving out one unit at a time, and
    quantiles of t for the degrees of freedom that the rarest class leaves. Measured on simulated cohorts of 200 units
    with 1 to 4 cases, 24 units of the rarest class (2,000 cohorts, Monte-Carlo error 0.5): macro F1, accuracy, balanced
    accuracy and macro AUC were covered in 95.1, 95.0, 95.1 and 95.0 %; plain percentiles in 94.0, 94.1, 93.3 and 93.8 %.
    With half the units: 95.8, 95.4, 94.5 and 93.8 %, percentiles 94.2, 94.8, 92.3 and 91.6 %. Means over `folds` cover
    less where folds are small, since F1 of a few cases is biased; report the pooled interval. Where all draws are equal,
    as when all cases are right, the interval has no width.
    """
    statistic, positions = _statistic(labels, [probabilities], units, [folds])
    drawn_within = _strata_of_units(positions, [folds, strata])
    return _all_intervals(statistic, drawn_within, replicates, level, seed)


def difference_intervals(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    units: np.ndarray,
    *,
    folds: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    trainings: np.ndarray | None = None,
    replicates: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Intervals of the difference, first minus second, of two methods' probabilities `[N, C]` on the same cases.

    Paired: a draw of units counts for both methods. `trainings` `[N]` names the training, its seed say, that a row of
    probabilities comes from where every case stands once for each: the figures are means over them, and a unit is drawn
    with its cases of all. Otherwise as `intervals`.
    """
    statistic, positions = _statistic(labels, [first, second], units, [folds, trainings])
    drawn_within = _strata_of_units(positions, [folds, strata])
    return _all_intervals(statistic, drawn_within, replicates, level, seed)


def figure_intervals(
    figures: Statistic, units: np.ndarray, *, replicates: int = 2000, level: float = 0.95, seed: int = 0
) -> dict[str, Interval | None]:
    """An interval, as those of `intervals`, for each of any figures that are a function of how often each case counts."""
    names, positions = np.unique(np.asarray(units), return_inverse=True)

    def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
        return _in_chunks(figures, weights, positions)

    return _all_intervals(statistic, np.zeros(len(names), int), replicates, level, seed)


def mean_interval(
    values: np.ndarray, units: np.ndarray, *, replicates: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval | None:
    """The interval of a mean over cases: `values` and `units` are `[N]`; None for fewer than two units.

    Give differences for a paired comparison.
    """
    names, positions = np.unique(np.asarray(units), return_inverse=True)
    if len(names) < 2:
        return None
    sums, counts = np.bincount(positions, np.asarray(values, float)), np.bincount(positions).astype(float)
    strata = np.zeros(len(names), int)
    weights = draw_units(strata, replicates, seed)
    left_out = (sums.sum() - sums) / np.maximum(counts.sum() - counts, 1)
    return bootstrap_interval(sums.sum() / counts.sum(), weights @ sums / (weights @ counts), left_out, strata, level)


def mean_difference_interval(
    values: np.ndarray, chosen: np.ndarray, units: np.ndarray, *, replicates: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval | None:
    """The interval of the mean over the `chosen` cases, bool `[N]`, less that over the others; otherwise as `mean_interval`.

    A unit may have cases on both sides.
    """
    names, positions = np.unique(np.asarray(units), return_inverse=True)
    if len(names) < 2:
        return None
    sides = [np.asarray(chosen, bool), ~np.asarray(chosen, bool)]
    sums = np.stack([np.bincount(positions, np.where(side, values, 0.0)) for side in sides])
    counts = np.stack([np.bincount(positions, side.astype(float)) for side in sides])

    def difference(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            first, second = (weights @ s / (weights @ c) for s, c in zip(sums, counts, strict=True))
        return np.asarray(first - second)  # NaN where a draw has no case of one side

    strata = np.zeros(len(names), int)
    left_out = difference(1.0 - np.eye(len(names)))
    return bootstrap_interval(
        float(difference(np.ones(len(names)))), difference(draw_units(strata, replicates, seed)), left_out, strata, level
    )


def draw_units(strata: np.ndarray, replicates: int, seed: int) -> np.ndarray:
    """Draws units with replacement within strata; returns the counts int `[B, U]` from stratum positions `[U]`."""
    generator = np.random.default_rng(seed)
    drawn = np.zeros((replicates, len(strata)), np.int64)
    rows = np.arange(replicates)[:, None]
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        cells = rows * len(members) + generator.integers(len(members), size=(replicates, len(members)))
        drawn[:, members] = np.bincount(cells.ravel(), minlength=replicates * len(members)).reshape(replicates, -1)
    return drawn


def bootstrap_interval(
    estimate: float, drawn: np.ndarray, left_out: np.ndarray, strata: np.ndarray, level: float = 0.95
) -> Interval | None:
    """BCa from the figure, its draws `[B]`, and its values with each unit left out `[U]`, of strata `[U]`.

    Efron 1987, with the normal quantiles replaced by those of t, as in the expanded percentile interval of Hesterberg
    2015 (doi 10.1080/00031305.2015.1089789), here for the degrees of freedom that the variance of this figure has. A
    draw without a figure (NaN) is left out; None where more than one in ten is, or where the figure is NaN.
    """
    known = drawn[~np.isnan(drawn)]
    if np.isnan(estimate) or len(known) < 0.9 * len(drawn):
        return None
    # Ties count half: counts give few distinct values, and without this the bias of a symmetric figure would not be 0.
    below = (np.sum(known < estimate) + np.sum(known == estimate) / 2) / len(known)
    bias = norm.ppf(np.clip(below, 0.5 / len(known), 1 - 0.5 / len(known)))
    acceleration, degrees = _skewness_and_degrees(left_out, strata)
    shifted = bias + t.ppf([(1 - level) / 2, (1 + level) / 2], degrees)
    # Far from 0 the denominator would change its sign; a skewness like that comes from a handful of units.
    shares = norm.cdf(bias + shifted / np.maximum(1 - acceleration * shifted, 0.1))
    low, high = np.quantile(known, shares)
    return Interval(float(estimate), float(low), float(high))


def _skewness_and_degrees(left_out: np.ndarray, strata: np.ndarray) -> tuple[float, float]:
    """The acceleration, and the degrees of freedom of the variance, from what each unit adds to the figure.

    The variance V is the sum of the squares of these parts. By Satterthwaite (1946, doi 10.2307/3002019) it has
    2 V^2 / Var(V) degrees of freedom: all units' if their parts are normal, and about as many as the rarest class has
    units if that class decides. The acceleration in several strata is that of Davison & Hinkley 1997, sec. 5.3.2.
    """
    parts = np.zeros(len(strata))
    for stratum in np.unique(strata):
        inside = (strata == stratum) & ~np.isnan(left_out)
        number = np.sum(inside)
        if number:
            parts[inside] = (number - 1) / number * (np.mean(left_out[inside]) - left_out[inside])
    variance = np.sum(parts**2)
    if variance < _ROUNDING:
        return 0.0, np.inf
    of_variance = np.sum(parts**4) - variance**2 / len(parts)
    degrees = 2 * variance**2 / of_variance if of_variance > 0 else np.inf
    return float(np.sum(parts**3) / (6 * variance**1.5)), float(degrees)


def _all_intervals(
    statistic: Statistic, strata: np.ndarray, replicates: int, level: float, seed: int
) -> dict[str, Interval | None]:
    units = len(strata)
    estimates = statistic(np.ones((1, units)))
    drawn = statistic(draw_units(strata, replicates, seed).astype(float))
    step = max(1, _CHUNK // units)
    parts = [statistic(1.0 - np.eye(min(step, units - start), units, start)) for start in range(0, units, step)]
    left_out = {m: np.concatenate([part[m] for part in parts]) for m in estimates}
    return {m: bootstrap_interval(float(estimates[m][0]), drawn[m], left_out[m], strata, level) for m in estimates}


def _statistic(
    labels: np.ndarray, methods: list[np.ndarray], units: np.ndarray, averaged: list[np.ndarray | None]
) -> tuple[Statistic, np.ndarray]:
    """The figures as a function of how often each unit counts, and the unit position of each case.

    The figures are those of the first method, minus those of the second if there are two; means over the groups of
    cases, folds say, that `averaged` forms.
    """
    labels, units = np.asarray(labels), np.asarray(units)
    methods = [np.asarray(probabilities, float) for probabilities in methods]
    _check(labels, methods, units)
    names, positions = np.unique(units, return_inverse=True)
    groups = _combined(averaged, len(labels))
    parts = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    pieces = [
        [_of_cases(labels[part], probabilities[part], positions[part], len(names)) for part in parts] for probabilities in methods
    ]

    def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
        parts = [[piece(weights) for piece in of_method] for of_method in pieces]
        means = [{m: np.mean([part[m] for part in method], axis=0) for m in METRICS} for method in parts]
        return means[0] if len(means) == 1 else {m: means[0][m] - means[1][m] for m in METRICS}

    return statistic, positions


def _of_cases(labels: np.ndarray, probabilities: np.ndarray, positions: np.ndarray, units: int) -> Statistic:
    """The figures of some cases as a function of how often each unit counts."""
    classes = probabilities.shape[1]
    counts = confusion_by_group(labels, probabilities.argmax(axis=1), positions, classes, units)
    flat = counts.reshape(units, classes * classes).astype(float)

    def area(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"macro_auc": weighted_macro_auc(labels, probabilities, weights)}

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        by_counts = scores_of_counts((weights @ flat).reshape(len(weights), classes, classes))
        return {**by_counts, **_in_chunks(area, weights, positions)}

    return figures


def _in_chunks(figures: Statistic, weights: np.ndarray, positions: np.ndarray) -> dict[str, np.ndarray]:
    """The figures of cases from the weights `[B, U]` of their units, whose `positions` are `[N]`, some draws at a time."""
    step = max(1, _CHUNK // len(positions))
    parts = [figures(weights[start : start + step, positions]) for start in range(0, len(weights), step)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _strata_of_units(positions: np.ndarray, groupings: list[np.ndarray | None]) -> np.ndarray:
    """A stratum position for each unit; raises ValueError where a unit has cases in two."""
    of_cases = _combined(groupings, len(positions))
    of_units = np.zeros(int(positions.max()) + 1, int)
    of_units[positions] = of_cases
    if (of_units[positions] != of_cases).any():
        raise ValueError("expected every unit in one fold and one stratum, found one in two")
    return of_units


def _combined(groupings: list[np.ndarray | None], cases: int) -> np.ndarray:
    """One number `[N]` for the groups, in all groupings at once, that a case is in; 0 where there is no grouping."""
    columns = [np.unique(np.asarray(g), return_inverse=True)[1] for g in groupings if g is not None]
    if not columns:
        return np.zeros(cases, int)
    return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1)


def _check(labels: np.ndarray, methods: list[np.ndarray], units: np.ndarray) -> None:
    shapes: Mapping[str, tuple[int, ...]] = {"labels": labels.shape, "units": units.shape}
    first = methods[0].shape
    if not len(labels) or labels.ndim != 1 or units.shape != labels.shape or len(first) != 2 or first[0] != len(labels):
        raise ValueError(f"expected labels [N], probabilities [N, C] and units [N], found {shapes} and {first}")
    if any(probabilities.shape != first or np.isnan(probabilities).any() for probabilities in methods):
        raise ValueError("expected the same cases for both methods, and probabilities without NaN")
