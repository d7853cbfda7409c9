import numpy as np
import pytest
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from prima_jax.metrics.calibration import (
    SMALLEST,
    apply_temperature,
    brier_score,
    calibration_error,
    cross_fitted_temperatures,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)


def drawn(cases: int, temperature: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from honest probabilities, and these as a method gives them that is `temperature` times too sure."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=1.5, size=(cases, 3))
    honest = softmax(logits, axis=1)
    labels = np.minimum((generator.random((cases, 1)) > honest.cumsum(axis=1)).sum(axis=1), 2)
    return labels, softmax(temperature * logits, axis=1)


def test_error_by_hand():
    # Two bins. (0, 0.5]: confidences 0.5 and 0.4, one right: |1/2 - 0.45| = 0.05. (0.5, 1]: 0.9, 0.7 and 0.8, two right:
    # |2/3 - 0.8|. Weighted by 2/5 and 3/5: 0.02 + 0.08.
    probabilities = np.array(
        [[0.5, 0.3, 0.2], [0.3, 0.4, 0.3], [0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.1, 0.8, 0.1]],
    )
    assert calibration_error(np.array([0, 0, 0, 0, 0]), probabilities, bins=2) == pytest.approx(0.02 + 0.08)


def test_edges_belong_to_the_bin_below_and_zero_to_the_first():
    cases, _, _ = reliability(np.ones(5), np.array([0.0, 0.2, 0.2000001, 0.4, 1.0]), bins=5)
    assert cases.tolist() == [2, 2, 0, 0, 1]


def test_diagram_is_that_of_scikit_learn():
    labels, probabilities = drawn(500)
    right, confidence = (labels == 1).astype(int), probabilities[:, 1]
    cases, means, shares = reliability(right, confidence, bins=10)
    # scikit-learn leaves empty bins out; no drawn number stands on an edge.
    expected = calibration_curve(right, confidence, n_bins=10)
    assert shares[cases > 0] == pytest.approx(expected[0])
    assert means[cases > 0] == pytest.approx(expected[1])
    assert cases.sum() == 500


def test_bins_of_equal_counts():
    cases, means, _ = reliability(np.ones(31), np.linspace(0.1, 0.9, 31), bins=15, spacing="count")
    assert (cases.min(), cases.max(), cases.sum()) == (2, 3, 31)
    assert (np.diff(means) > 0).all()


def test_the_error_that_chance_gives_is_that_of_honest_probabilities():
    """Over 200 cohorts of 300 cases, within four Monte-Carlo errors of the mean (0.0010, measured)."""
    cohorts = [drawn(300, seed=seed) for seed in range(200)]
    found = np.mean([calibration_error(*cohort) for cohort in cohorts])
    expected = np.mean([expected_calibration_error(probabilities, draws=20) for _, probabilities in cohorts])
    assert found == pytest.approx(expected, abs=0.004)
    labels, probabilities = drawn(300, 2.0)
    assert calibration_error(labels, probabilities) > expected_calibration_error(probabilities) + 0.03


def test_units_have_one_label_so_that_chance_gives_more():
    """Of an honest model whose ten cases of a unit are all as sure; the mean over 100 cohorts, 0.0825 (0.0025)."""
    generator, units = np.random.default_rng(0), np.repeat(np.arange(150), 10)
    found, expected = [], []
    for _ in range(100):
        first = generator.random(150)
        probabilities = np.stack([first, 1 - first], axis=1)[units]
        labels = (generator.random(150) >= first).astype(int)[units]
        found.append(calibration_error(labels, probabilities))
        expected.append(expected_calibration_error(probabilities, units, draws=20))
    assert np.mean(expected) == pytest.approx(np.mean(found), abs=0.01)  # four Monte-Carlo errors
    assert expected_calibration_error(probabilities) < 0.5 * np.mean(found)


def test_losses_are_those_of_scikit_learn():
    labels, probabilities = drawn(200)
    assert negative_log_likelihood(labels, probabilities) == pytest.approx(log_loss(labels, probabilities))
    assert brier_score(labels, probabilities) == pytest.approx(
        brier_score_loss(labels, probabilities, labels=[0, 1, 2], scale_by_half=False)
    )


def test_a_probability_of_zero_costs_what_the_smallest_does():
    found = negative_log_likelihood(np.array([1]), np.array([[1.0, 0.0]]))
    assert found == pytest.approx(-np.log(SMALLEST / (1 + SMALLEST)))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_sharpened_is_found(temperature: float):
    cases = 20_000
    labels, probabilities = drawn(cases, temperature)
    found = fit_temperature(labels, probabilities)
    # The standard error of 1 / T is 1 / sqrt(N * information), the information being the mean variance of the logits
    # under the honest probabilities, which is that of log(p) at the true 1 / T.
    honest, logits = apply_temperature(probabilities, temperature), np.log(probabilities)
    information = np.mean(np.sum(honest * logits**2, axis=1) - np.sum(honest * logits, axis=1) ** 2)
    assert 1 / found == pytest.approx(1 / temperature, abs=4 / np.sqrt(cases * information))


def test_no_temperature_near_the_one_found_is_better():
    labels, probabilities = drawn(400, 2.0)
    found = fit_temperature(labels, probabilities)
    least = negative_log_likelihood(labels, apply_temperature(probabilities, found))
    for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2):
        assert negative_log_likelihood(labels, apply_temperature(probabilities, found * factor)) > least


def test_temperature_keeps_the_order_of_the_classes_and_one_changes_nothing():
    _, probabilities = drawn(100)
    for temperature in (0.1, 1.0, 10.0):
        calibrated = apply_temperature(probabilities, temperature)
        assert calibrated.sum(axis=1) == pytest.approx(1)
        assert (calibrated.argsort(axis=1) == probabilities.argsort(axis=1)).all()
    assert apply_temperature(probabilities, 1.0) == pytest.approx(probabilities, rel=1e-12)
    halved = apply_temperature(probabilities, 2.0)
    assert (halved.max(axis=1) < probabilities.max(axis=1)).all()


def test_all_right_and_all_wrong_go_to_the_edges():
    # All right: near 1/100 the likelihood is flat to the last digit, so any small T is as good.
    sure = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert fit_temperature(np.array([0, 1]), sure) < 0.1
    assert fit_temperature(np.array([1, 0]), sure) > 99


def test_a_folds_own_cases_do_not_bear_on_its_temperature():
    labels, probabilities = drawn(500, 2.0)
    folds = np.arange(500) % 5
    before, calibrated = cross_fitted_temperatures(labels, probabilities, folds)
    own = folds == 3
    changed = labels.copy(), probabilities.copy()
    changed[0][own] = (labels[own] + 1) % 3
    changed[1][own] = np.random.default_rng(1).dirichlet(np.ones(3), own.sum())
    after, _ = cross_fitted_temperatures(*changed, folds)
    assert after[3] == before[3]
    assert (np.delete(after, 3) != np.delete(before, 3)).all()
    assert before[3] == fit_temperature(labels[~own], probabilities[~own])
    assert calibrated[own] == pytest.approx(apply_temperature(probabilities[own], before[3]))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="two folds"):
        cross_fitted_temperatures(np.array([0]), np.array([[0.5, 0.5]]), np.array([0]))
    with pytest.raises(ValueError, match="from 0 to 1"):
        reliability(np.array([1]), np.array([1.1]))
    with pytest.raises(ValueError, match="two arrays"):
        reliability(np.array([1]), np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match="expected labels"):
        calibration_error(np.array([], int), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="labels from 0 to 1"):
        fit_temperature(np.array([2]), np.array([[0.5, 0.5]]))
