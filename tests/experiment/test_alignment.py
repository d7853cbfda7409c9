"""What is said of stage 2: a planted shared space is found, one of chance is not, and folds do not mix."""

import json

import numpy as np
import pytest

from prima_jax.experiment.alignment import alignment
from prima_jax.report.alignment import alignment_table
from prima_jax.report.captions import warnings
from prima_jax.report.table import markdown
from prima_jax.stages.shared_space import SharedVectors

UNITS, CLASSES = 30, ["fungal", "bacterial"]
LABELS = [n % 2 for n in range(2 * UNITS)]
SUBJECTS = [f"s{n}" for n in range(2 * UNITS)]


def fold(index: int, noise: float, *, rotated: bool = False) -> SharedVectors:
    """Vectors around a point of each unit; rotated: the whole fold's in another direction, as another training's would be."""
    generator = np.random.default_rng(index)
    rows = np.arange(index * UNITS, (index + 1) * UNITS)
    points = generator.normal(size=(UNITS, 16))
    vectors = points + noise * generator.normal(size=(2, UNITS, 16))
    if rotated:
        vectors = vectors[..., ::-1]
    classes = np.stack([points[np.array(LABELS)[rows] == label].mean(axis=0) for label in (0, 1)])
    return SharedVectors(rows, vectors[0], vectors[1], classes)


def results(**rows):
    methods = {name: {"title": name, "alignment": found} for name, found in rows.items()}
    return {"methods": methods, "synthetic": False, "study": "x", "classes": CLASSES}


def test_a_planted_space_is_found_and_one_of_chance_is_not():
    good = alignment([fold(0, 0.5), fold(1, 0.5, rotated=True)], LABELS, SUBJECTS, CLASSES)
    chance = alignment([fold(0, 1e6), fold(1, 1e6)], LABELS, SUBJECTS, CLASSES)
    assert good["learnt"] and not chance["learnt"]
    assert good["units"] == 2 * UNITS and good["candidates"] == [UNITS, UNITS]
    assert good["image_to_text"]["recall"]["1"] > 0.8 and good["image_to_text"]["median_rank"] == 1
    assert good["image_to_text"]["chance"] == pytest.approx({"1": 1 / 30, "5": 5 / 30, "10": 10 / 30})
    assert good["text_to_image"]["beyond_the_diagnosis"]["high"] < 0
    assert chance["image_to_text"]["percentile"]["low"] < 0.5 < chance["image_to_text"]["percentile"]["high"]
    told = warnings(results(good=good, chance=chance))
    (sentence,) = (one for one in told if one.startswith("NO ALIGNMENT LEARNT"))
    assert sentence.endswith(": chance.")
    json.dumps(good, allow_nan=False)


def test_a_space_of_diagnoses_alone_is_learnt_but_nothing_beyond():
    generator = np.random.default_rng(3)
    rows = np.arange(UNITS)
    points = np.eye(16)[np.array(LABELS)[rows]]
    found = alignment(
        [SharedVectors(rows, *(points + 0.1 * generator.normal(size=(2, UNITS, 16))), np.eye(16)[:2])], LABELS, SUBJECTS, CLASSES
    )
    assert found["learnt"] and found["zero_shot"]["macro_f1"] == 1
    beyond = found["image_to_text"]["beyond_the_diagnosis"]
    assert beyond["low"] < 0 < beyond["high"]


@pytest.mark.parametrize("units", [0, 1])
def test_a_fold_with_nothing_to_compare_is_left_out(units):
    few = SharedVectors(*(part[:units] for part in fold(1, 0.5)[:3]), fold(1, 0.5).classes)
    assert alignment([few], LABELS, SUBJECTS, CLASSES) is None
    assert alignment([fold(0, 0.5), few], LABELS, SUBJECTS, CLASSES)["units"] == UNITS


def test_the_table_has_both_directions_of_each_row_and_none_where_nothing_is_aligned():
    found = alignment([fold(0, 0.5)], LABELS, SUBJECTS, CLASSES)
    table = alignment_table(results(prima=found))
    assert [line.cells[0] for line in table.lines] == ["prima, photograph to sentence", "prima, sentence to photograph"]
    recall, chance = found["image_to_text"]["recall"]["5"], 100 * 5 / UNITS
    assert table.lines[0].cells[2] == f"{100 * recall:.1f} ({chance:.1f})"
    assert "30 held-out units, each among the 30 of its fold" in markdown(table)
    assert alignment_table({"methods": {"majority": {"title": "x"}}}) is None
