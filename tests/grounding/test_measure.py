"""What a hit is worth: signs have their usual places, and attention may know these without looking."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from prima_jax.grounding.attention import AttentionMap
from prima_jax.grounding.measure import match_masks, summary, usual_places
from prima_jax.studies.study import Record

SIDE, PATCHES = 24, 9
PLACES = (4, 4, 4, 0, 4, 8)
"""The patch on which each eye's infiltrate lies."""
FOLDS = np.arange(len(PLACES)) % 2
SIGN = "infiltrate"


@pytest.fixture
def records(tmp_path):
    for number, place in enumerate(PLACES):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        row, column = divmod(place, 3)
        mask[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255
        folder = tmp_path / "masks" / f"eye_{number}"
        folder.mkdir(parents=True)
        Image.fromarray(mask).save(folder / f"{SIGN}.png")
    names = [f"eye_{number}" for number in range(len(PLACES))]
    return [Record(id=n, image=f"images/{n}.png", label=0, unit=n, subject=n, image_type="", fields={}) for n in names]


def maps(patches, attribute="infiltrate_location"):
    return [AttentionMap(number, attribute, "There.", np.eye(PATCHES)[patch]) for number, patch in enumerate(patches)]


def test_a_map_that_always_looks_at_the_usual_place_hits_other_eyes_as_often(records, tmp_path):
    fixed = match_masks(maps([4] * 6), records, tmp_path)
    assert [match.figures.hit for match in fixed] == [1, 1, 1, 0, 1, 0]
    # Of the five others, three or four have their sign in the middle: an eye's own does not count.
    assert [match.elsewhere for match in fixed] == pytest.approx([3 / 5, 3 / 5, 3 / 5, 4 / 5, 3 / 5, 4 / 5])
    found = summary({"prima": fixed}, "prima")["prima"]["all"]
    assert found["hit"]["estimate"] == pytest.approx(found["elsewhere"]["estimate"]) == pytest.approx(4 / 6)


def test_a_fellow_eye_is_no_other_one(records, tmp_path):
    fellows = [replace(record, subject=f"subject {number // 2}") for number, record in enumerate(records)]
    found = match_masks(maps([4] * 6), fellows, tmp_path)
    # Of the four eyes of others, those with their sign in the middle.
    middle = [place == 4 for place in PLACES]
    expected = [(sum(middle) - sum(middle[2 * (n // 2) : 2 * (n // 2) + 2])) / 4 for n in range(6)]
    assert [match.elsewhere for match in found] == pytest.approx(expected)
    assert summary({"prima": found}, "prima")["prima"]["all"]["subjects"] == 3


def test_every_look_has_deals_of_its_own(records, tmp_path):
    """Two eyes with the same sign and the same attention: the same deals would give the same average precision by chance."""
    first, second = (match.figures.chance_precision for match in match_masks(maps([4] * 6), records, tmp_path)[:3:2])
    assert PLACES[0] == PLACES[2] and first != second


def test_a_map_that_looks_at_the_photograph_hits_its_own_sign_alone(records, tmp_path):
    seeing = match_masks(maps(PLACES), records, tmp_path)
    found = summary({"prima": seeing}, "prima")["prima"]["all"]
    assert found["hit"]["estimate"] == 1 and found["elsewhere"]["estimate"] == pytest.approx((4 * 3 / 5) / 6)


def test_the_usual_places_are_those_of_the_other_folds(records, tmp_path):
    seeing = match_masks(maps(PLACES), records, tmp_path)
    found = [look.attention for look in usual_places(seeing, FOLDS)]
    # Fold 0 holds the eyes 0, 2 and 4, all in the middle; fold 1 the eyes 1, 3 and 5.
    others = {0: np.eye(PATCHES)[[4, 0, 8]].mean(axis=0), 1: np.eye(PATCHES)[4]}
    for record, attention in enumerate(found):
        np.testing.assert_allclose(attention, others[FOLDS[record]])


def test_a_photograph_that_two_attributes_speak_of_counts_once_among_the_places(records, tmp_path):
    twice = [*maps(PLACES), *maps(PLACES, "infiltrate_size_mm")]
    once, double = (match_masks(part, records, tmp_path) for part in (maps(PLACES), twice))
    assert [match.elsewhere for match in double[:6]] == [match.elsewhere for match in once]
    for first, second in zip(usual_places(once, FOLDS), usual_places(double, FOLDS), strict=False):
        np.testing.assert_array_equal(first.attention, second.attention)
