"""Paired comparison of two methods on the same units: differences, intervals and tests."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, chi2, t

from prima_jax.metrics.delong import delong_test
from prima_jax.metrics.intervals import difference_intervals
from prima_jax.metrics.metrics import scores
from prima_jax.metrics.units import per_unit

__all__ = ["FEW", "CorrectedT", "McNemar", "compare", "compare_all", "corrected_t_test", "holm", "mcnemar", "test_train_ratio"]

FEW = 25
"""Discordant units under which McNemar's test is exact; from there on the approximation is the usual one."""

_FOLD_METRICS = ("macro_f1", "accuracy", "balanced_accuracy")


@dataclass(frozen=True)
class CorrectedT:
    """The mean over folds of first minus second with its interval; `p` is two-sided."""

    difference: float
    low: float
    high: float
    statistic: float
    degrees: int
    p: float


@dataclass(frozen=True)
class McNemar:
    """McNemar's test: the numbers of units that only the first, and only the second, method got right; `p` is two-sided.

    `statistic` is the chi-squared one with continuity correction, None where the test was exact.
    """

    only_first: int
    only_second: int
    statistic: float | None
    p: float


def corrected_t_test(first: ArrayLike, second: ArrayLike, ratio: float, level: float = 0.95) -> CorrectedT:
    """The corrected resampled t-test of two methods' scores on the same J folds, `[J]`, or `[seeds, folds]` taken as J.

    Folds share training data, so their differences are not independent and their variance is too small for a plain t.
    Nadeau & Bengio 2003 (doi 10.1023/A:1024068626366): t = mean / sqrt((1 / J + n_test / n_train) * variance) with J - 1
    degrees of freedom; `ratio` is n_test / n_train, 1 / (K - 1) for K equal folds (`test_train_ratio`). For several
    seeds see Bouckaert & Frank 2004 (doi 10.1007/978-3-540-24775-3_3), who use it on repeated cross-validation.

    Where all differences are equal there is no variance: p is 1 if they are 0, else 0. Raises ValueError for shapes
    that differ, fewer than two folds, a NaN, or a ratio that is not above 0.
    """
    shapes = np.shape(first), np.shape(second)
    if shapes[0] != shapes[1] or np.size(first) < 2:
        raise ValueError(f"expected scores of the same two or more folds, found {shapes[0]} and {shapes[1]}")
    gains = np.ravel(np.subtract(first, second))
    if np.isnan(gains).any() or not ratio > 0:
        raise ValueError(f"expected scores without NaN and n_test / n_train above 0, found the ratio {ratio}")
    degrees, difference = len(gains) - 1, float(gains.mean())
    # Equal differences have no variance, and its rounding should not pass for one.
    spread = 0.0 if np.allclose(gains, gains[0], rtol=0, atol=1e-12) else gains.var(ddof=1)
    error = float(np.sqrt((1 / len(gains) + ratio) * spread))
    certain = 0.0 if abs(difference) <= 1e-12 else float(np.copysign(np.inf, difference))
    statistic = difference / error if error else certain
    margin = float(t.ppf((1 + level) / 2, degrees)) * error
    p = float(2 * t.sf(abs(statistic), degrees))
    return CorrectedT(difference, difference - margin, difference + margin, statistic, degrees, p)


def test_train_ratio(folds: np.ndarray) -> float:
    """n_test / n_train, the mean over the folds that `folds` `[N]` names; ValueError where there is but one."""
    cases = np.unique(np.asarray(folds), return_counts=True)[1]
    if len(cases) < 2:
        raise ValueError("expected at least two folds")
    return float(np.mean(cases / (cases.sum() - cases)))


test_train_ratio.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McNemar:
    """McNemar's test of whether one method gets more units right; the arguments are bool `[U]`, right or wrong.

    Exact, by the binomial distribution, for fewer than FEW discordant units; else (|b - c| - 1)^2 / (b + c) on one
    degree of freedom (McNemar 1947, doi 10.1007/BF02295996; Edwards 1948, doi 10.1007/BF02289261). The rows are taken
    to be independent: give one for each unit. Raises ValueError for shapes that differ.
    """
    first_right, second_right = np.asarray(first_right, bool), np.asarray(second_right, bool)
    if first_right.ndim != 1 or first_right.shape != second_right.shape:
        raise ValueError(f"expected two arrays [U], found {first_right.shape} and {second_right.shape}")
    only_first, only_second = int(np.sum(first_right & ~second_right)), int(np.sum(second_right & ~first_right))
    discordant = only_first + only_second
    if discordant < FEW:
        p = float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0
        return McNemar(only_first, only_second, None, p)
    # Without the maximum the correction would turn a tie into a difference of one.
    statistic = max(abs(only_first - only_second) - 1, 0) ** 2 / discordant
    return McNemar(only_first, only_second, statistic, float(chi2.sf(statistic, 1)))


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values `[M]` of the M tests of one table, in the order given.

    Holm 1979 (https://www.jstor.org/stable/4615733): the i-th smallest times M - i + 1, never below those before it,
    at most 1. A test holds at level a if its adjusted value is at most a; the chance of any false one is then at most a.
    Raises ValueError for values outside [0, 1] or NaN.
    """
    p_values = np.asarray(p_values, float)
    if p_values.ndim != 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError("expected p-values [M] from 0 to 1")
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def compare(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    units: np.ndarray,
    folds: np.ndarray,
    class_names: Sequence[str],
    *,
    subjects: np.ndarray | None = None,
    replicates: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """All tests of two methods' held-out probabilities `[N, C]`, as plain values; differences are first minus second.

    {"corrected_t": {score: CorrectedT}, "mcnemar": McNemar, "bootstrap": {score: Interval}, "delong": DeLong or None},
    the dataclasses as dicts, an infinite statistic as None, which JSON has. Scores are by case; McNemar's test and
    DeLong's (for two classes, of the second one) are by unit, whose cases' probabilities are averaged, and which they take to be
    independent. The bootstrap draws `subjects`, each with all its units, or else units. `labels`, `units`, `folds` and
    `subjects` are `[N]`.
    """
    labels, folds = np.asarray(labels), np.asarray(folds)
    by_fold = [_fold_scores(labels, np.asarray(method), folds, class_names) for method in (first, second)]
    ratio = test_train_ratio(folds)
    _, unit_labels, unit_first = per_unit(labels, first, units)
    _, _, unit_second = per_unit(labels, second, units)
    right = [probabilities.argmax(axis=1) == unit_labels for probabilities in (unit_first, unit_second)]
    drawn = units if subjects is None else subjects
    bootstrap = difference_intervals(labels, first, second, drawn, replicates=replicates, seed=seed)
    return {
        "corrected_t": {m: _plain(corrected_t_test(by_fold[0][m], by_fold[1][m], ratio)) for m in _FOLD_METRICS},
        "mcnemar": _plain(mcnemar(right[0], right[1])),
        "bootstrap": {m: _plain(interval) if interval else None for m, interval in bootstrap.items()},
        "delong": _delong(unit_labels, unit_first, unit_second) if len(class_names) == 2 else None,
    }


def compare_all(
    labels: np.ndarray,
    methods: Mapping[str, np.ndarray],
    units: np.ndarray,
    folds: np.ndarray,
    class_names: Sequence[str],
    *,
    reference: str,
    subjects: np.ndarray | None = None,
    replicates: int = 2000,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """`compare` of the reference (first) with every other method, with `p_holm` beside each `p`.

    Holm's correction is over the other methods, for each test and score apart: a table with one p-value per row is
    one family. Raises KeyError if the reference is not among the methods.
    """
    others = [method for method in methods if method != reference]
    options: dict[str, Any] = {"subjects": subjects, "replicates": replicates, "seed": seed}
    comparisons = {
        other: compare(labels, methods[reference], methods[other], units, folds, class_names, **options) for other in others
    }
    families = [[comparisons[other]["mcnemar"] for other in others]]
    families += [[comparisons[other]["corrected_t"][m] for other in others] for m in _FOLD_METRICS]
    if len(class_names) == 2:
        families.append([comparisons[other]["delong"] for other in others])
    for family in families:
        for test, adjusted in zip(family, holm([test["p"] for test in family]), strict=True):
            test["p_holm"] = float(adjusted)
    return comparisons


def _fold_scores(
    labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray, class_names: Sequence[str]
) -> dict[str, list[float]]:
    by_fold = [scores(labels[folds == fold], probabilities[folds == fold], class_names) for fold in np.unique(folds)]
    return {m: [of_fold[m] for of_fold in by_fold] for m in _FOLD_METRICS}


def _delong(unit_labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    test = _plain(delong_test(unit_labels == 1, first[:, 1], second[:, 1]))
    return {**test, "covariance": test["covariance"].tolist(), "areas": list(test["areas"])}


def _plain(test: Any) -> dict[str, Any]:
    """A dataclass as a dict that JSON takes."""
    return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in asdict(test).items()}
