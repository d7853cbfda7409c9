import statistics

import pytest

from prima_jax.metrics.seeds import over_seeds

SCORES = [[0.70, 0.80, 0.75], [0.74, 0.82, 0.78]]


def test_by_hand():
    found = over_seeds(SCORES)
    assert found.mean == pytest.approx(0.765)
    assert found.fold_sd == pytest.approx(((statistics.variance(SCORES[0]) + statistics.variance(SCORES[1])) / 2) ** 0.5)
    assert found.seed_sd == pytest.approx(statistics.stdev([0.75, 0.78]))


def test_one_seed_is_its_own_mean_and_deviation():
    found = over_seeds(SCORES[:1])
    assert (found.mean, found.fold_sd) == pytest.approx((0.75, statistics.stdev(SCORES[0])))
    assert found.seed_sd is None


def test_one_fold_has_no_spread_over_folds():
    assert over_seeds([[0.7], [0.8]]).fold_sd is None


def test_a_fold_without_a_figure_is_left_out():
    assert over_seeds([[0.7, None, 0.8], [None, None, None]]).mean == pytest.approx(0.75)
    assert over_seeds([[None], [None]]) is None
