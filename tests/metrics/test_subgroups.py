import numpy as np
import pytest

from prima_jax.metrics.auc import macro_auc
from prima_jax.metrics.intervals import mean_difference_interval
from prima_jax.metrics.metrics import scores
from prima_jax.metrics.subgroups import (
    FEWEST,
    UNKNOWN,
    form_groups,
    group_names,
    number_bands,
    subgroup_scores,
)
from prima_jax.studies.study import Attribute
from tests.metrics.cohorts import three_classes


def cohort() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    labels, probabilities, units = three_classes().draw(120, np.random.default_rng(0))
    return labels, probabilities, units, np.array(["woman", "man", "man"])[units % 3]


def test_a_groups_figures_are_those_of_its_cases():
    labels, probabilities, units, groups = cohort()
    found = subgroup_scores(labels, probabilities, groups, "abc", units=units)
    assert [group.name for group in found] == ["man", "woman"]
    for group in found:
        inside = groups == group.name
        expected = scores(labels[inside], probabilities[inside], "abc")
        assert (group.macro_f1, group.accuracy) == (expected["macro_f1"], expected["accuracy"])
        assert group.macro_auc == macro_auc(labels[inside], probabilities[inside])
        assert (group.cases, group.units) == (inside.sum(), len(np.unique(units[inside])))
        assert group.by_class == tuple(np.sum(labels[inside] == c) for c in range(3))
        right = probabilities.argmax(axis=1) == labels
        assert group.less_others == mean_difference_interval(right, inside, units)
        assert group.less_others.estimate == pytest.approx(right[inside].mean() - right[~inside].mean())
        kept = probabilities.max(axis=1) >= np.sort(probabilities.max(axis=1))[-round(0.8 * len(labels))]
        assert (group.kept, group.kept_accuracy) == (kept[inside].mean(), right[inside & kept].mean())
    assert sum(group.cases for group in found) == len(labels)


def test_too_few_units_have_counts_and_no_figures():
    cases = 2 * FEWEST
    labels, probabilities = np.arange(cases) % 2, np.full((cases, 2), 0.5)
    groups = np.array(["x"] * FEWEST + ["y"] * (FEWEST - 1) + [UNKNOWN])
    found = subgroup_scores(labels, probabilities, groups, "ab")
    assert [(group.name, group.accuracy is None, group.cases) for group in found] == [
        ("x", False, FEWEST),
        ("y", True, FEWEST - 1),
        (UNKNOWN, True, 1),
    ]
    assert (found[1].macro_auc, found[1].less_others, found[1].kept) == (None, None, None)
    assert found[0].less_others is not None  # the others together are enough
    # Units count, not cases: the same twenty cases of two lesions are too few.
    assert subgroup_scores(labels, probabilities, groups, "ab", units=np.arange(cases) // 10)[0].accuracy is None


def test_bands_have_words_and_an_edge_belongs_to_the_band_above():
    assert number_bands([39.9, 40, 59, 60, np.nan], (40, 60)) == ["below 40", "40 to 60", "40 to 60", "60 or more", UNKNOWN]
    assert number_bands([1, 2], (1.5,)) == ["below 1.5", "1.5 or more"]


def test_bands_come_in_their_order_and_the_unknown_last():
    names = number_bands([np.nan, 100, 7, 50, 5], (6, 40, 90))
    found = subgroup_scores(np.zeros(5, int), np.ones((5, 1)), names, "a")
    assert [group.name for group in found] == ["below 6", "6 to 40", "40 to 90", "90 or more", UNKNOWN]


def test_groups_of_an_attribute():
    age = Attribute("age", "age", "number", "", bins=(50.0,))
    assert group_names(age, [30.0, None, 50.0]) == ["below 50", UNKNOWN, "50 or more"]
    assert group_names(age, [30.0], edges=(20, 40)) == ["20 to 40"]
    assert group_names(Attribute("itch", "itch", "yes_no", ""), [True, False, None]) == ["yes", "no", UNKNOWN]
    assert group_names(Attribute("skin", "skin", "category", ""), ["II", None]) == ["II", UNKNOWN]
    with pytest.raises(ValueError, match="bands of age"):
        group_names(Attribute("age", "age", "number", ""), [30.0])


def test_a_form_is_filled_in_where_any_of_its_fields_is():
    assert form_groups([{"age": 3.0}, {"age": 3.0, "smoke": False}, {}], ["smoke", "drink"]) == ["empty", "filled in", "empty"]


def test_a_group_too_many_is_refused():
    with pytest.raises(ValueError, match="one group and unit per case"):
        subgroup_scores(np.zeros(2, int), np.ones((2, 1)), ["x"] * 3, "a")
