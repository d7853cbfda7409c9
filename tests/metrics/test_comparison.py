import json
import math

import numpy as np
import pytest
from scipy.stats import chi2, t

from prima_jax.metrics.comparison import compare, compare_all, corrected_t_test, holm, mcnemar, test_train_ratio
from prima_jax.metrics.delong import delong_test
from prima_jax.metrics.metrics import scores
from prima_jax.metrics.units import per_unit
from tests.metrics.cohorts import three_classes


def rights(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Two methods' verdicts with these numbers of units right."""
    numbers = [both, only_first, only_second, neither]
    return np.repeat([1, 1, 0, 0], numbers), np.repeat([1, 0, 1, 0], numbers)


def test_corrected_t_by_hand():
    found = corrected_t_test([0.80, 0.84, 0.79, 0.83, 0.84], [0.78, 0.80, 0.78, 0.80, 0.79], 1 / 4)
    # Differences 2, 4, 1, 3, 5 points: mean 3, variance 10 / 4 = 2.5; (1 / 5 + 1 / 4) * 2.5 = 1.125.
    assert found.difference == pytest.approx(0.03)
    assert found.statistic == pytest.approx(3 / math.sqrt(1.125))
    assert found.degrees == 4
    assert found.p == pytest.approx(2 * t.sf(3 / math.sqrt(1.125), 4))
    # 2.776445 is the 97.5 % point of t with four degrees, as printed in tables: half its last digit times 0.0106 is 5e-9.
    margin = 2.776445 * math.sqrt(1.125) / 100
    assert (found.low, found.high) == pytest.approx((0.03 - margin, 0.03 + margin), abs=6e-9)


def test_corrected_t_of_several_seeds_takes_every_fold():
    first, second = np.random.default_rng(0).random((2, 3, 5))
    found = corrected_t_test(first, second, 1 / 4)
    assert found == corrected_t_test(first.ravel(), second.ravel(), 1 / 4)
    assert found.degrees == 14


def test_corrected_t_of_equal_differences():
    assert corrected_t_test([0.5, 0.6], [0.5, 0.6], 1).p == 1
    found = corrected_t_test([0.3, 0.6, 0.7], [0.2, 0.5, 0.6], 0.5)
    assert (found.statistic, found.p) == (math.inf, 0)


def test_corrected_t_refuses_what_is_no_pair_of_folds():
    for first, second, ratio in (([1], [2], 1), ([1, 2], [1], 1), ([1, math.nan], [1, 2], 1), ([1, 2], [2, 4], 0)):
        with pytest.raises(ValueError, match="expected scores"):
            corrected_t_test(first, second, ratio)


def test_ratio_of_equal_folds_is_one_over_the_others():
    assert test_train_ratio(np.arange(50) % 5) == pytest.approx(1 / 4)
    assert test_train_ratio(np.array([0, 0, 0, 1])) == pytest.approx((3 / 1 + 1 / 3) / 2)
    with pytest.raises(ValueError, match="two folds"):
        test_train_ratio(np.zeros(3))


def test_mcnemar_on_a_published_table():
    # https://en.wikipedia.org/wiki/McNemar's_test, first example: 121 and 59 discordant pairs. With the continuity
    # correction (121 - 59 - 1)^2 / 180.
    found = mcnemar(*rights(101, 121, 59, 33))
    assert (found.only_first, found.only_second) == (121, 59)
    assert found.statistic == pytest.approx(61**2 / 180)
    assert found.p == pytest.approx(chi2.sf(61**2 / 180, 1))
    assert found.p < 0.001


def test_mcnemar_is_exact_for_few():
    # The same page, second example: 6 and 16 discordant pairs, exact p = 0.053 (0.0525).
    found = mcnemar(*rights(59, 6, 16, 80))
    assert found.statistic is None
    by_hand = 2 * sum(math.comb(22, k) for k in range(7)) / 2**22
    assert found.p == pytest.approx(by_hand)
    assert found.p == pytest.approx(0.0525, abs=5e-5)


def test_mcnemar_of_a_tie_is_one():
    assert mcnemar(*rights(3, 0, 0, 3)).p == 1
    assert mcnemar(*rights(0, 4, 4, 0)).p == 1
    assert mcnemar(*rights(0, 40, 40, 0)).p == 1
    with pytest.raises(ValueError, match="two arrays"):
        mcnemar(np.ones(2), np.ones(3))


def test_holm_by_hand():
    # In order 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, and 0.04, which is raised to 0.06. These are
    # also the numbers of R's p.adjust and of statsmodels' multipletests with method "holm", by their definitions.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_rejects_what_the_steps_of_the_paper_reject():
    generator = np.random.default_rng(0)
    for _ in range(200):
        p_values = generator.random(6) ** 3
        rejected = set()
        for step, test in enumerate(np.argsort(p_values)):
            if p_values[test] > 0.05 / (6 - step):
                break
            rejected.add(int(test))
        assert set(np.flatnonzero(holm(p_values) <= 0.05).tolist()) == rejected


def test_holm_of_one_or_no_test_and_of_what_is_none():
    assert holm([0.3]).tolist() == [0.3]
    assert holm([]).tolist() == []
    for wrong in ([1.2], [-0.1], [np.nan]):
        with pytest.raises(ValueError, match="p-values"):
            holm(wrong)


def cohort() -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    labels, good, units = three_classes().draw(150, np.random.default_rng(0))
    bad = np.random.default_rng(1).dirichlet(np.ones(3), len(labels))
    return labels, {"good": good, "same": good.copy(), "bad": bad}, units, units % 5


def test_compare_says_what_its_parts_say():
    labels, methods, units, folds = cohort()
    found = compare(labels, methods["good"], methods["bad"], units, folds, "abc", replicates=100)
    json.dumps(found, allow_nan=False)
    by_fold = [[scores(labels[folds == k], methods[m][folds == k], "abc")["macro_f1"] for k in range(5)] for m in ("good", "bad")]
    expected = corrected_t_test(*by_fold, test_train_ratio(folds))
    assert found["corrected_t"]["macro_f1"]["p"] == pytest.approx(expected.p)
    _, of_units, good = per_unit(labels, methods["good"], units)
    _, _, bad = per_unit(labels, methods["bad"], units)
    only_good = np.sum((good.argmax(axis=1) == of_units) & (bad.argmax(axis=1) != of_units))
    assert found["mcnemar"]["only_first"] == only_good
    assert found["bootstrap"]["macro_f1"]["low"] > 0
    assert found["delong"] is None


def test_compare_of_two_classes_has_delongs_test_on_units():
    labels, methods, units, folds = cohort()
    two = {m: np.stack([1 - p[:, 0], p[:, 0]], axis=1) for m, p in methods.items()}
    labels = (labels == 0).astype(int)
    found = compare(labels, two["good"], two["bad"], units, folds, "ab", replicates=50)
    json.dumps(found, allow_nan=False)
    _, of_units, good = per_unit(labels, two["good"], units)
    _, _, bad = per_unit(labels, two["bad"], units)
    assert found["delong"]["p"] == delong_test(of_units == 1, good[:, 1], bad[:, 1]).p


def test_a_certain_difference_can_be_written_down():
    # One method is always right and the other always wrong, in every fold.
    labels = np.arange(40) // 2 % 2
    found = compare(labels, np.eye(2)[labels], np.eye(2)[1 - labels], np.arange(40), np.arange(40) // 20, "ab", replicates=20)
    json.dumps(found, allow_nan=False)
    assert found["corrected_t"]["accuracy"]["statistic"] is found["delong"]["statistic"] is None
    assert found["corrected_t"]["accuracy"]["p"] == found["delong"]["p"] == 0


def test_a_table_is_corrected_row_by_row():
    labels, methods, units, folds = cohort()
    found = compare_all(labels, methods, units, folds, "abc", reference="good", replicates=50)
    assert set(found) == {"same", "bad"}
    assert found["same"]["mcnemar"]["p"] == found["same"]["mcnemar"]["p_holm"] == 1
    for test in (lambda row: row["mcnemar"], lambda row: row["corrected_t"]["accuracy"]):
        tests = [test(found[m]) for m in ("same", "bad")]
        assert [row["p_holm"] for row in tests] == pytest.approx(holm([row["p"] for row in tests]))
    with pytest.raises(KeyError):
        compare_all(labels, methods, units, folds, "abc", reference="absent")
