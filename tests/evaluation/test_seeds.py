import statistics

import numpy as np
import pytest

from prima_jax.evaluation.seeds import over_seeds

SCORES = np.array([[0.70, 0.80, 0.75], [0.74, 0.82, 0.78]])


def test_by_hand():
    found = over_seeds(SCORES, same_folds=True)
    assert found.mean == pytest.approx(0.765)
    assert found.fold_means == pytest.approx((0.72, 0.81, 0.765))
    assert found.fold_sd == pytest.approx(statistics.stdev([0.72, 0.81, 0.765]))
    assert found.seed_sd == pytest.approx(statistics.stdev([0.75, 0.78]))
    assert [mean for mean, _ in found.within] == pytest.approx([0.75, 0.78])
    assert [sd for _, sd in found.within] == pytest.approx([statistics.stdev(row) for row in SCORES.tolist()])


def test_folds_of_each_seeds_own_are_not_averaged():
    found = over_seeds(SCORES, same_folds=False)
    assert found.fold_means is None
    assert found.fold_sd is None
    assert found.mean == pytest.approx(0.765)
    assert found.seed_sd == pytest.approx(statistics.stdev([0.75, 0.78]))


def test_one_seed_or_one_fold_has_no_spread():
    one_seed = over_seeds(SCORES[:1], same_folds=True)
    assert one_seed.seed_sd is None
    assert one_seed.fold_sd == pytest.approx(one_seed.within[0][1])
    one_fold = over_seeds(SCORES[:, :1], same_folds=True)
    assert one_fold.fold_sd is None
    assert one_fold.within[0][1] is None


def test_a_shift_of_one_seed_leaves_what_the_folds_say():
    moved = SCORES + np.array([[0.0], [0.1]])
    before, after = over_seeds(SCORES, same_folds=True), over_seeds(moved, same_folds=True)
    assert after.fold_sd == pytest.approx(before.fold_sd)
    assert after.seed_sd > before.seed_sd


def test_the_order_of_seeds_and_folds_does_not_matter():
    before, after = over_seeds(SCORES, same_folds=True), over_seeds(SCORES[::-1, [2, 0, 1]], same_folds=True)
    assert (after.mean, after.fold_sd, after.seed_sd) == pytest.approx((before.mean, before.fold_sd, before.seed_sd))


def test_what_is_no_table_of_scores_is_refused():
    for wrong in (np.zeros(3), np.zeros((0, 3)), np.array([[np.nan]])):
        with pytest.raises(ValueError, match="seeds, folds"):
            over_seeds(wrong, same_folds=True)
