import numpy as np
import pytest

from prima_jax.metrics.selective import aurc, aurc_interval, risk_coverage


def area(right: np.ndarray, confidence: np.ndarray) -> float:
    return float(aurc(right, confidence, np.ones((1, len(right))))[0])


def test_a_perfect_ranking_errs_in_its_last_cases_alone():
    right = np.array([True, False, True, True, False])
    confidence = np.where(right, 0.9, 0.6) + np.linspace(0, 0.01, 5)
    shares, errors = risk_coverage(right, confidence)
    assert shares.tolist() == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert errors.tolist() == [0, 0, 0, 1 / 4, 2 / 5]
    assert area(right, confidence) == pytest.approx((1 / 4 + 2 / 5) / 5, rel=1e-12)


def test_confidences_that_say_nothing_give_the_error_rate():
    right = np.arange(10) >= 3
    assert risk_coverage(right, np.full(10, 0.5))[1] == pytest.approx(np.full(10, 0.3), rel=1e-12)
    assert area(right, np.full(10, 0.5)) == pytest.approx(0.3, rel=1e-12)
    generator = np.random.default_rng(0)  # the standard deviation of one shuffle is about 0.15
    shuffled = [area(right, generator.permutation(10)) for _ in range(2000)]
    assert np.mean(shuffled) == pytest.approx(0.3, abs=4 * np.std(shuffled) / 2000**0.5)


def test_ties_count_as_the_mean_over_their_orders():
    right, confidence = np.array([True, False, True, False, False]), np.array([0.9, 0.7, 0.7, 0.7, 0.2])
    _, errors = risk_coverage(right, confidence)
    assert errors == pytest.approx([0, (2 / 3) / 2, (4 / 3) / 3, 2 / 4, 3 / 5], rel=1e-12)
    assert area(right, confidence) == pytest.approx(errors.mean(), rel=1e-12)


def test_a_weight_counts_as_so_many_copies():
    generator = np.random.default_rng(3)
    right, confidence = generator.random(40) < 0.7, np.round(generator.random(40), 1)
    weights = generator.integers(0, 4, (5, 40))
    copied = [area(np.repeat(right, row), np.repeat(confidence, row)) for row in weights]
    assert aurc(right, confidence, weights) == pytest.approx(copied, rel=1e-12)


def test_the_interval_holds_the_area():
    generator = np.random.default_rng(4)
    confidence = generator.uniform(0.5, 1, 200)
    right = generator.random(200) < confidence
    found = aurc_interval(right, confidence, np.arange(200) // 2, replicates=300)
    assert found.estimate == pytest.approx(area(right, confidence), rel=1e-12)
    assert found.low < found.estimate < found.high < 0.5


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="expected two arrays"):
        risk_coverage(np.ones(3, bool), np.ones(2))
