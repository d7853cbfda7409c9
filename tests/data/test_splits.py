from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from prima_jax.data.splits import assign_folds, folds_without_class, straddling_subjects
from prima_jax.errors import UserError
from tests.data.cohort import record

RECORDS = [record(f"{n}.png", unit=f"u{n // 2}", subject=f"s{n // 6}", label=n // 2 % 2) for n in range(60)]


def split(records=RECORDS, group="unit", identical=(), folds=5, seed=0, **names):
    return assign_folds(records, folds=folds, group=group, identical=identical, seed=seed, **names)


@pytest.mark.parametrize("group", ["unit", "subject"])
def test_a_group_never_straddles_folds(group):
    folds = split(group=group)
    found = defaultdict(set)
    for one, fold in zip(RECORDS, folds, strict=True):
        found[getattr(one, group)].add(fold)
    assert all(len(several) == 1 for several in found.values())
    assert sorted(set(folds)) == [0, 1, 2, 3, 4]


def test_every_fold_has_its_share_of_each_class():
    # 15 units of each class over 5 folds: three units, six records, in each.
    folds, labels = split(), np.array([r.label for r in RECORDS])
    assert [[int(np.sum((folds == f) & (labels == c))) for c in (0, 1)] for f in range(5)] == [[6, 6]] * 5


def test_identical_photographs_join_their_units_across_chains():
    # 0 is in u0, 10 in u5, 11 in u5, 40 in u20: one group of three units by way of u5.
    identical = [("0.png", "10.png"), ("11.png", "40.png", "not among these.png")]
    for seed in range(5):
        folds = split(identical=identical, seed=seed)
        assert len({folds[n] for n in (0, 1, 10, 11, 40, 41)}) == 1


def test_the_seed_alone_decides():
    assert np.array_equal(split(seed=3), split(seed=3))
    assert not np.array_equal(split(seed=3), split(seed=4))


def test_straddling_subjects_are_counted():
    records = [record("a", "u0", "s0"), record("b", "u1", "s0"), record("c", "u2", "s1"), record("d", "u3", "s1")]
    assert straddling_subjects(records, np.array([0, 1, 2, 2])) == 1
    assert straddling_subjects(RECORDS, split(group="subject")) == 0


def test_a_class_with_too_few_groups_is_named_with_its_count():
    few = [r for r in RECORDS if r.label == 0 or r.unit in ("u1", "u3", "u5")]
    with pytest.raises(UserError, match=r"The class ill has 3 units .* fewer than the 5 folds"):
        split(few, class_names=("well", "ill"))
    # Two of its units hold the same photograph, so only two groups are left.
    with pytest.raises(UserError, match="has 2 units"):
        split(few, identical=[("2.png", "6.png")], folds=3)


def test_a_fold_that_a_group_with_both_diagnoses_leaves_without_a_class_is_found():
    subjects, labels = ("A", "B", "C", "C"), (0, 1, 0, 1)
    records = [record(f"{n}", f"u{n}", s, c) for n, (s, c) in enumerate(zip(subjects, labels, strict=True))]
    found = split(records, "subject", folds=2)  # each fold has A or B, and C lies with one of them
    alone = {0: "ill", 1: "well"}[next(n for n in (0, 1) if found[n] != found[2])]
    where = int(1 - found[2])
    assert folds_without_class(records, found, 2, ("well", "ill")) == {alone: [where]}
    assert folds_without_class(RECORDS, split(), 5, ("well", "ill")) == {}


def test_each_site_is_held_out_once():
    records = [replace(one, site="CAB"[n // 20]) for n, one in enumerate(RECORDS)]
    assert split(records, "site", folds=3).tolist() == [2] * 20 + [0] * 20 + [1] * 20
    with pytest.raises(UserError, match=r"each of the 3 sites once, and folds is 5: set --config\.folds=3"):
        split(records, "site")
    with pytest.raises(UserError, match="needs two sites or more: set the study's site_columns"):
        split(RECORDS, "site")
    with pytest.raises(UserError, match="3 sites are 2 if those with the same photograph count as one"):
        split(records, "site", folds=3, identical=[("0.png", "59.png")])
    alone = [replace(one, label=2 if n < 6 else one.label) for n, one in enumerate(records)]
    with pytest.raises(UserError, match="The class rare is at 1 sites"):
        split(alone, "site", folds=3, class_names=("well", "ill", "rare"))


def test_an_unknown_group_is_refused():
    with pytest.raises(UserError, match=r"split\.group should be 'unit', 'subject' or 'site', not 'eye'"):
        split(group="eye")
