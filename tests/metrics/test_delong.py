import numpy as np
import pytest
from scipy.stats import norm

from prima_jax.metrics.delong import delong_test
from tests.metrics.readings import ABNORMALITY, AREA, DELONG_ERROR, RATING


def kernel(inside: float, outside: float) -> float:
    return 1.0 if inside > outside else 0.5 if inside == outside else 0.0


def by_pairs(positive: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[list[float], np.ndarray]:
    """Areas and covariance as DeLong et al. 1988 write them, eqs. 1 to 5, pair by pair."""
    areas, of_inside, of_outside = [], [], []
    for scores in (first, second):
        inside, outside = scores[positive], scores[~positive]
        of_inside.append([sum(kernel(x, y) for y in outside) / len(outside) for x in inside])
        of_outside.append([sum(kernel(x, y) for x in inside) / len(inside) for y in outside])
        areas.append(sum(of_inside[-1]) / len(inside))
    covariance = np.zeros((2, 2))
    for r in range(2):
        for s in range(2):
            for components in (of_inside, of_outside):
                pairs = zip(components[r], components[s], strict=True)
                number = len(components[r])
                total = sum((v - areas[r]) * (w - areas[s]) for v, w in pairs)
                covariance[r, s] += total / (number - 1) / number
    return areas, covariance


def drawn(seed: int, decimals: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """45 cases with correlated scores; with one decimal most are tied."""
    generator = np.random.default_rng(seed)
    positive = generator.permutation(np.arange(45) % 3 == 0)
    common = generator.normal(size=45) + positive
    first, second = common + generator.normal(size=45), common + generator.normal(size=45)
    return positive, np.round(first, decimals), np.round(second, decimals)


@pytest.mark.parametrize("decimals", [8, 1, 0])
@pytest.mark.parametrize("seed", range(3))
def test_ranks_give_what_pairs_give(seed: int, decimals: int):
    positive, first, second = drawn(seed, decimals)
    areas, covariance = by_pairs(positive, first, second)
    found = delong_test(positive, first, second)
    # Sums of at most 450 terms in double precision.
    assert found.areas == pytest.approx(areas, rel=1e-12)
    assert found.covariance == pytest.approx(covariance, rel=1e-10)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert found.statistic == pytest.approx((areas[0] - areas[1]) / error, rel=1e-9)
    assert found.p == pytest.approx(2 * norm.sf(abs(found.statistic)))
    assert found.high - found.low == pytest.approx(2 * norm.ppf(0.975) * error)


def test_published_example():
    found = delong_test(ABNORMALITY, RATING, -RATING)
    assert found.areas == pytest.approx((AREA, 1 - AREA), abs=5e-5)  # as printed
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(DELONG_ERROR, abs=5e-5)


def test_methods_that_agree_differ_by_nothing():
    positive, first, _ = drawn(0, 8)
    found = delong_test(positive, first, 2 * first)
    assert (found.difference, found.statistic, found.p) == (0, 0, 1)


def test_a_difference_without_variance_is_certain():
    # One method is always right and the other always wrong.
    positive = np.arange(10) < 5
    found = delong_test(positive, positive.astype(float), -positive.astype(float))
    assert (found.difference, found.p) == (1, 0)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="three arrays"):
        delong_test(np.array([True, False]), np.zeros(2), np.array([0, np.nan]))
    with pytest.raises(ValueError, match="at least two cases"):
        delong_test(np.array([True, False, False]), np.zeros(3), np.zeros(3))
