import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from prima_jax.metrics.auc import auc_scores
from prima_jax.metrics.intervals import intervals
from prima_jax.metrics.one_vs_rest import one_vs_rest
from tests.metrics.cohorts import three_classes


def test_the_figures_are_those_of_scikit_learn_and_lie_within_their_intervals():
    labels, probabilities, units = three_classes().draw(80, np.random.default_rng(0))
    found = one_vs_rest(labels, probabilities, units, "abc", replicates=200)
    areas = auc_scores(labels, probabilities, "abc")["auc"]
    for position, name in enumerate("abc"):
        true, taken = labels == position, probabilities.argmax(axis=1) == position
        (negatives, false), (missed, hits) = confusion_matrix(true, taken)
        expected = {"auroc": areas[name], "sensitivity": hits / (hits + missed)}
        expected |= {"specificity": negatives / (negatives + false), "ppv": hits / (hits + false)}
        assert {figure: one.estimate for figure, one in found[name].items()} == pytest.approx(expected, rel=1e-12)
        assert all(one.low < one.estimate < one.high for one in found[name].values())


def test_the_area_of_two_classes_has_the_interval_of_their_macro_auc():
    generator = np.random.default_rng(1)
    labels, p = np.arange(120) % 2, generator.random(120)
    probabilities, units = np.stack([p, 1 - p], axis=1), np.arange(120) // 3
    expected = intervals(labels, probabilities, units, replicates=100)["macro_auc"]
    found = one_vs_rest(labels, probabilities, units, "ab", replicates=100)
    for name in "ab":
        of_class = found[name]["auroc"]
        assert (of_class.low, of_class.high) == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_a_class_that_is_never_answered_has_no_ppv_and_an_absent_one_no_sensitivity():
    probabilities = np.tile([0.7, 0.2, 0.1], (30, 1))
    found = one_vs_rest(np.arange(30) % 2, probabilities, np.arange(30), "abc", replicates=50)
    assert found["b"]["ppv"] is None and found["b"]["sensitivity"].estimate == 0 and found["b"]["specificity"].estimate == 1
    assert found["c"]["sensitivity"] is None and found["c"]["auroc"] is None
