"""A share of the training units: whole units, of each class, a larger share holds a smaller one, and nothing held out changes."""

import numpy as np
import pytest

from prima_jax.data.splits import some_of
from prima_jax.experiment.opening import make_folds, split_cases
from prima_jax.studies.study import Record
from tests.stages.conftest import study

__all__ = ["study"]


def records(units: int) -> list[Record]:
    """Two photographs of each unit; every tenth unit is of class 1."""
    return [Record(f"r{n}{k}", "", f"u{n}", f"s{n}", int(n % 10 == 0), "", {}) for n in range(units) for k in "ab"]


def test_shares_hold_whole_units_of_each_class_and_one_another():
    all_of_them, train = records(100), np.arange(40, 200)
    before: set[int] = set()
    for share, plain, rare in ((0.01, 1, 1), (0.25, 18, 2), (0.5, 36, 4), (1.0, 72, 8)):
        found = some_of(all_of_them, train, share, seed=3)
        assert set(found) <= set(train) and before <= set(found) and (np.diff(found) > 0).all()
        units = {all_of_them[p].unit for p in found}
        assert len(found) == 2 * len(units)
        labels = [all_of_them[p].label for p in found[::2]]
        assert (labels.count(0), labels.count(1)) == (plain, rare)
        before = set(found)
    assert set(some_of(all_of_them, train, 0.5, seed=3)) != set(some_of(all_of_them, train, 0.5, seed=4))


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_what_is_held_out_is_the_same_and_the_rest_is_nowhere(study, tmp_path, share):
    whole, part = study.context(tmp_path), study.context(tmp_path, split__train_share=share)
    for before, after in zip(make_folds(whole, study.reading), make_folds(part, study.reading), strict=True):
        assert before.test.tolist() == after.test.tolist() and set(after.train) < set(before.train)
        assert split_cases(part, after)[1] == split_cases(whole, before)[1]
        assert {case.row for case in split_cases(part, after)[0]} <= set(after.train.tolist())
    assert part.steps(10.0, 4, 400) == pytest.approx(share * whole.steps(10.0, 4, 400), abs=10)
