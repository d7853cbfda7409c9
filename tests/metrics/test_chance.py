import numpy as np
import pytest
from scipy.stats import hypergeom

from prima_jax.metrics.chance import Chance, chance, permutation_p
from prima_jax.metrics.metrics import scores
from tests.metrics.cohorts import three_classes


def test_chance_of_accuracy_is_what_the_shares_give():
    labels, predicted = np.repeat([0, 1, 2], [60, 30, 10]), np.repeat([0, 1, 2, 0], [50, 20, 20, 10])
    found = chance(labels, predicted, 3, permutations=4000)
    expected = 0.6 * 0.6 + 0.3 * 0.2 + 0.1 * 0.2
    assert found["accuracy"].mean == pytest.approx(expected, abs=4 * found["accuracy"].draws.std() / np.sqrt(4000))
    assert found["balanced_accuracy"].mean == pytest.approx(1 / 3, abs=4 * found["balanced_accuracy"].draws.std() / np.sqrt(4000))


def test_the_observed_scores_are_the_scores():
    labels, probabilities, units = three_classes().draw(50, np.random.default_rng(0))
    expected = scores(labels, probabilities, "abc")
    for found in (chance(labels, probabilities.argmax(axis=1), 3, units=u, permutations=10) for u in (None, units)):
        assert {m: c.observed for m, c in found.items()} == pytest.approx({m: expected[m] for m in found})


def test_two_classes_follow_the_hypergeometric_distribution():
    labels, predicted = np.repeat([1, 0], [30, 50]), np.repeat([1, 0], [20, 60])
    draws = chance(labels, predicted, 2, permutations=4000)["accuracy"].draws
    # With k hits among the 20 taken for class 1, 50 - (20 - k) of class 0 are right as well.
    hits = (80 * draws - 30) / 2
    assert hits == pytest.approx(np.round(hits))
    for k in range(4, 12):
        share = hypergeom(80, 30, 20).cdf(k)
        assert np.mean(np.round(hits) <= k) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 4000))


def test_majority_has_chance_as_its_score_and_no_spread():
    found = chance(np.repeat([0, 1], [7, 3]), np.zeros(10, int), 2, permutations=50)
    assert found["accuracy"].low == found["accuracy"].high == found["accuracy"].observed == pytest.approx(0.7)
    assert found["accuracy"].consistent
    assert permutation_p(found["accuracy"]) == 1


@pytest.mark.parametrize("counts", [(400, 579), (61, 40), (169, 40, 245, 362, 146, 146), (3, 4)])
def test_what_is_the_same_under_every_deal_lies_within_chance_whatever_its_rounding(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    for always in range(len(counts)):
        found = chance(labels, np.full(len(labels), always), len(counts), permutations=50, cross_validated=True)
        assert all(one.consistent and permutation_p(one) == 1 for one in found.values())


def test_units_swap_their_labels_whole():
    # Two units of five cases each, one always taken for class 0: all right or all wrong.
    labels, predicted, units = np.repeat([0, 1], 5), np.repeat([0, 1], 5), np.repeat(["u", "v"], 5)
    draws = chance(labels, predicted, 2, units=units, permutations=200)["accuracy"].draws
    assert set(draws.tolist()) == {0.0, 1.0}
    with pytest.raises(ValueError, match="one label"):
        chance(np.array([0, 1]), np.array([0, 1]), 2, units=np.array(["u", "u"]))


def test_a_method_that_learnt_is_above_chance_and_p_is_never_zero():
    labels, probabilities, units = three_classes().draw(100, np.random.default_rng(0))
    found = chance(labels, probabilities.argmax(axis=1), 3, units=units, permutations=500)["macro_f1"]
    assert found.observed > found.high
    assert not found.consistent
    assert permutation_p(found) == pytest.approx(1 / 501)


def test_p_counts_draws_as_high():
    draws = np.array([0.1, 0.3, 0.5, 0.7])
    assert permutation_p(Chance(0.4, 0.1, 0.7, draws, 0.5)) == pytest.approx(3 / 5)


def test_shuffled_labels_give_chance_as_often_as_the_level_says():
    # 1,000 cohorts of 60 units: 95 % expected, Monte-Carlo error 0.7 points; discrete scores make intervals a little
    # wider than asked, never narrower. So between 93 (three errors below) and 99.
    generator, inside = np.random.default_rng(3), 0
    for seed in range(1000):
        labels, probabilities, units = three_classes().draw(60, generator)
        of_units = np.zeros(60, int)
        of_units[units] = labels
        shuffled = generator.permutation(of_units)[units]
        found = chance(shuffled, probabilities.argmax(axis=1), 3, units=units, permutations=300, seed=seed)
        inside += found["macro_f1"].consistent
    assert 0.93 <= inside / 1000 <= 0.99


def noise(features: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Cross-validated predictions `[N]` of ridge regression, as Fisher's discriminant, on what tells nothing of the labels."""
    predicted = np.zeros(len(labels), int)
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        X, y = features[train] - features[train].mean(axis=0), labels[train] - labels[train].mean()
        weights = np.linalg.solve(X.T @ X + 0.01 * len(X) * np.eye(X.shape[1]), X.T @ y)
        predicted[test] = (features[test] - features[train].mean(axis=0)) @ weights > 0
    return predicted


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_that_are_trained_on_each_other_stay_within_wider_chance(folds):
    """500 studies of noise: 95 % inside expected, Monte-Carlo error 1 point; the bound of SQRT_2 leaves a little more."""
    inside = {True: 0, False: 0}
    for seed in range(500):
        generator = np.random.default_rng([folds, seed])
        labels = np.repeat([0, 1], [135, 165])
        of_folds = np.concatenate([np.arange(n) % folds for n in (135, 165)])  # stratified
        predicted = noise(generator.normal(size=(300, 8)), labels, of_folds)
        for widened in inside:
            found = chance(labels, predicted, 2, cross_validated=widened, permutations=300, seed=seed)
            inside[widened] += found["macro_f1"].consistent
    assert 0.93 <= inside[True] / 500 <= 0.99, inside
    assert inside[False] / 500 < 0.92, inside  # fixed predictions would call too much surprising
