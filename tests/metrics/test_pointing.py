"""The pointing game and its average precision, by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from prima_jax.metrics.intervals import mean_interval
from prima_jax.metrics.pointing import heat, pointing


def test_a_hit_is_a_peak_on_a_patch_that_the_sign_touches():
    mask = np.zeros((8, 8), bool)
    mask[3, 3] = True  # the last pixel of patch 0, in a grid of 2 x 2
    for patch, hit in enumerate([1.0, 0.0, 0.0, 0.0]):
        found = pointing(np.eye(4)[patch], mask)
        assert found.hit == hit
        assert found.chance_hit == 0.25
        assert found.touched.tolist() == [True, False, False, False] and found.cover.tolist() == [1, 0, 0, 0]


def test_a_mask_need_not_be_a_whole_number_of_patches_wide():
    mask = np.zeros((10, 7), bool)
    mask[4, 6] = True  # of 3 x 3 patches the one in row 1 and column 2, whichever way a pixel on an edge is counted
    assert [pointing(np.eye(9)[patch], mask).hit for patch in range(9)] == [0, 0, 0, 0, 0, 1, 0, 0, 0]


def test_chance_deals_the_same_attention_out_on_other_patches():
    """Blind attention lies in blobs as large as patches: on a sign that is one, it has more than the share of its pixels."""
    generator, mask = np.random.default_rng(0), np.zeros((24, 24), bool)
    mask[4:8, 8:12] = True  # one of 6 x 6 patches
    blind = [pointing(generator.dirichlet(np.ones(36)), mask) for _ in range(200)]
    own, dealt = (np.array([getattr(b, name) for b in blind]) for name in ("average_precision", "chance_precision"))
    error = np.hypot(own.std() / 200**0.5, dealt.std() / 200**0.5)
    assert abs(own.mean() - dealt.mean()) < 3 * error
    assert dealt.mean() > 2 * mask.mean()
    uniform = pointing(np.full(36, 1 / 36), mask)
    assert uniform.chance_precision == pytest.approx(mask.mean())


@pytest.mark.parametrize("attention", [np.random.default_rng(1).dirichlet(np.ones(9)), np.array([0, 1, 1, 2, 2, 2, 0, 0, 1]) / 9])
def test_average_precision_is_that_of_a_loop_over_thresholds(attention):
    mask = np.random.default_rng(0).random((12, 12)) < 0.3
    scores, found, before = heat(attention, (12, 12)), 0.0, 0.0
    assert len(np.unique(scores)) < scores.size  # pixels that are equal come and go together
    for threshold in np.unique(scores)[::-1]:
        chosen = scores >= threshold
        recall = (chosen & mask).sum() / mask.sum()
        found += (recall - before) * (chosen & mask).sum() / chosen.sum()
        before = recall
    assert pointing(attention, mask).average_precision == pytest.approx(found, abs=1e-12)
    assert found == pytest.approx(average_precision_score(mask.ravel(), scores.ravel()))


def test_the_picture_of_attention_keeps_its_place_and_its_largest_value():
    grid = np.zeros((4, 4))
    grid[1, 2] = 1.0  # row 1, column 2
    picture = heat(grid.ravel(), (40, 40))
    row, column = np.unravel_index(picture.argmax(), picture.shape)
    assert 10 <= row < 20 and 20 <= column < 30


def test_the_interval_of_a_mean_draws_units_and_not_cases():
    generator = np.random.default_rng(0)
    of_units = generator.normal(size=60)
    values, units = np.repeat(of_units, 10), np.repeat(np.arange(60), 10)
    by_unit, by_case = mean_interval(values, units), mean_interval(values, np.arange(600))
    assert by_unit.estimate == pytest.approx(of_units.mean())
    # Ten copies of each value tell nothing new: the interval of 60 values, not that of 600, which is sqrt(10) narrower.
    expected = 2 * 1.96 * of_units.std(ddof=1) / np.sqrt(60)
    assert by_unit.high - by_unit.low == pytest.approx(expected, rel=0.1)
    assert (by_unit.high - by_unit.low) / (by_case.high - by_case.low) == pytest.approx(np.sqrt(10), rel=0.1)
