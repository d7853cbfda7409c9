"""What is diagnosed, what is shown of it, and in which order."""

import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.stages.cases import Case, all_cases, case_views, gather, training_sitting, whole_sittings
from prima_jax.stages.features import TextTokens
from tests.stages.tiny import ONE_LAYER

CASE = Case("u", "u", "s", 1, 4, ((4, 5, 6), (), (7,)))


def test_a_record_case_is_one_photograph(study, tmp_path):
    context = study.context(tmp_path, **ONE_LAYER, diagnose__case="record")
    cases = all_cases(context)
    assert [c.name for c in cases] == [r.id for r in context.prepared.records]
    assert [c.slots for c in cases] == [((n,),) for n in range(len(cases))]
    assert case_views(context) == ("clinical",)


def test_a_unit_case_holds_each_of_its_photographs_in_the_slot_of_its_view(study, tmp_path):
    context = study.context(tmp_path, **ONE_LAYER)
    records, cases = context.prepared.records, all_cases(context)
    assert [c.name for c in cases] == list(dict.fromkeys(r.unit for r in records))
    assert sorted(p for c in cases for slot in c.slots for p in slot) == list(range(len(records)))
    views = list(context.prepared.study.image_types)
    for case in cases:
        assert {records[p].unit for slot in case.slots for p in slot} == {case.unit}
        assert records[case.row].unit == case.unit and records[case.row].label == case.label
        for view, slot in zip(views, case.slots, strict=True):
            assert all(records[p].image_type == view for p in slot)
    assert case_views(context) == tuple(context.prepared.study.image_types.values())
    assert any(() in case.slots for case in cases), "the tiny study should have an eye that lacks an illumination"


def test_another_kind_of_case_is_refused(study, tmp_path):
    with pytest.raises(UserError, match="'eye'"):
        all_cases(study.context(tmp_path, **ONE_LAYER, diagnose__case="eye"))


def test_whole_sittings_show_every_photograph_at_least_once_and_unaugmented(study, tmp_path):
    for case in [*all_cases(study.context(tmp_path, **ONE_LAYER)), CASE]:
        sittings = whole_sittings(case)
        shown = {p for s in sittings for p in s.scans} - {-1}
        assert shown == {p for slot in case.slots for p in slot}
        assert len(sittings) == max(len(slot) for slot in case.slots)  # and not more often than needed
        assert {s.row for s in sittings} == {case.row}
        assert {v for s in sittings for v in s.views} == {0} and {s.text_view for s in sittings} == {0}
    assert [s.scans for s in whole_sittings(CASE)] == [(4, -1, 7), (5, -1, 7), (6, -1, 7)]
    again = whole_sittings(CASE, views=2)
    assert again[:3] == whole_sittings(CASE)
    assert [(s.scans, s.views) for s in again[3:]] == [(scans, (1, 1, 1)) for scans in ((4, -1, 7), (5, -1, 7), (6, -1, 7))]


def test_a_training_sitting_is_decided_by_its_draw():
    sittings = [training_sitting(CASE, draw, 3, 4) for draw in range(200)]
    assert sittings == [training_sitting(CASE, draw, 3, 4) for draw in range(200)]
    assert {s.scans for s in sittings} == {(4, -1, 7), (5, -1, 7), (6, -1, 7)}
    assert {v for s in sittings for v in s.views} == {0, 1, 2}
    assert {s.text_view for s in sittings} == {0, 1, 2, 3}
    assert {s.row for s in sittings} == {CASE.row}


def test_gather_reads_the_photographs_and_the_text_of_each_sitting():
    images = np.arange(8 * 3, dtype=np.float32).reshape(8, 3, 1, 1) * np.ones((8, 3, 2, 2), np.float32) + 1
    tokens = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((5, 3, 2), np.float32)
    words = np.arange(10).reshape(5, 2) % 3 == 0
    index = np.arange(16).reshape(8, 2) % 5
    sittings = [training_sitting(CASE, draw, 3, 2) for draw in range(20)]
    found = gather(images, TextTokens(tokens, words, index), sittings)
    for row, sitting in enumerate(sittings):
        for slot, (scan, view) in enumerate(zip(sitting.scans, sitting.views, strict=True)):
            assert found.scan_mask[row, slot] == (scan >= 0)
            np.testing.assert_array_equal(found.image_tokens[row, slot], 0 if scan < 0 else images[scan, view])
        sentence = index[sitting.row, sitting.text_view]
        np.testing.assert_array_equal(found.text_tokens[row], tokens[sentence])
        np.testing.assert_array_equal(found.text_mask[row], words[sentence])
    assert found.image_tokens.dtype == images.dtype
