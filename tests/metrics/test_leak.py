from dataclasses import replace

import numpy as np
import pytest

from prima_jax.metrics.leak import find_leaks, straddling
from prima_jax.studies.study import Record


def records(count: int = 8) -> list[Record]:
    """Two photographs for each lesion, two lesions for each subject."""
    return [Record(f"r{n}", f"{n}.png", f"u{n // 2}", f"s{n // 4}", 0, "", {}) for n in range(count)]


FOLDS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
"""Whole subjects."""


def test_a_clean_split_has_no_leak():
    assert find_leaks(records(), FOLDS, [("r0", "r1"), ("r4", "r7")]) == []


def test_a_planted_unit_is_found():
    # One photograph of lesion u1 lies in the other fold, and with it its subject.
    planted = FOLDS.copy()
    planted[3] = 1
    found = find_leaks(records(), planted)
    assert [(leak.kind, leak.name, leak.folds) for leak in found] == [("unit", "u1", (0, 1)), ("subject", "s0", (0, 1))]
    assert found[0].records == ("r2", "r3")


def test_a_planted_subject_is_found_where_units_are_whole():
    found = find_leaks(records(), np.array([0, 0, 1, 1, 1, 1, 1, 1]))
    assert [(leak.kind, leak.name) for leak in found] == [("subject", "s0")]


def test_planted_identical_photographs_are_found():
    found = find_leaks(records(), FOLDS, [("r0", "r1"), ("r1", "r6"), ("r2", "left out")])
    assert [(leak.kind, leak.records, leak.folds) for leak in found] == [("identical photographs", ("r1", "r6"), (0, 1))]


def test_one_file_named_by_records_of_two_folds_is_found():
    planted = records()
    planted[5] = replace(planted[5], image="0.png")
    assert [(leak.kind, leak.name, leak.records) for leak in find_leaks(planted, FOLDS)] == [
        ("photograph", "0.png", ("r0", "r5"))
    ]


def test_a_record_that_stands_twice_is_found():
    planted = records()
    planted[5] = replace(planted[5], id="r0")
    assert ("record", "r0", (0, 1)) in [(leak.kind, leak.name, leak.folds) for leak in find_leaks(planted, FOLDS)]


def test_straddling_names_and_their_folds():
    assert straddling(["a", "b", "a", "b"], np.array([2, 1, 0, 1])) == {"a": (0, 2)}


def test_folds_of_another_number_are_refused():
    with pytest.raises(ValueError, match="8 records"):
        find_leaks(records(), FOLDS[:7])
