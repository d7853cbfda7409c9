"""A mask is where its sign is drawn, and nothing else in a photograph knows the organism."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from prima_jax.studies.synthetic.drawing import MASKS, draw
from prima_jax.studies.synthetic.evidence import IMAGE_TYPE_RATES, Eye, draw_eye

SIZE = 96
OPTIONAL = {"feathery_edge": "feathery_edge", "satellites": "satellites", "ring": "ring", "hypopyon": "hypopyon"}
OPTIONAL |= {"graft": "prior_keratoplasty"}  # mask -> the sign of the eye
VIEWS = tuple(IMAGE_TYPE_RATES)


def photograph(eye: Eye, view: str, size: int = SIZE, seed: int = 5) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    return draw(eye, view, np.random.default_rng(seed), size)


def having(eye: Eye, **signs: str) -> Eye:
    return replace(eye, signs=eye.signs | signs)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("mask", OPTIONAL)
def test_mask_is_where_the_sign_changes_the_photograph(mask, view):
    share = []
    for unit in range(12):
        eye = having(draw_eye(1, unit), satellites="no", hypopyon="no", prior_keratoplasty="no", ring="no")
        (with_it, masks), (without, _) = (photograph(having(eye, **{OPTIONAL[mask]: x}), view) for x in ("yes", "no"))
        changed = abs(with_it.astype(int) - without).max(axis=-1)
        near = binary_dilation(masks[mask], iterations=5)  # edges are up to 3 px wide, blur reaches 2 px further
        if mask == "feathery_edge":
            near |= binary_dilation(masks["infiltrate"], iterations=5)  # the body of a feathery infiltrate is dry too
        # Through an infiltrate (93% opaque) or spokes (90%) shines a tenth of the contrast, at a gain of up to 1.19.
        assert changed[~near].max() <= 0.1 * 255 * 1.19, unit
        assert np.mean(changed[~near] > 1) < 0.03, unit
        share.append(np.mean(changed[masks[mask]] > 8))
    # Some pixels of a sign look like what they cover (a white ring on the white of a burnt-out photograph).
    assert np.mean(share) > 0.9


def test_an_absent_sign_has_no_mask():
    for unit in range(20):
        eye = draw_eye(1, unit)
        for view in VIEWS:
            masks = photograph(eye, view)[1]
            for mask, sign in OPTIONAL.items():
                assert (mask in masks) <= (eye.signs[sign] == "yes")
            assert all(view in MASKS[mask] for mask in masks)


def test_the_infiltrate_is_where_the_eye_says():
    for unit in range(20):
        eye = having(draw_eye(2, unit), prior_keratoplasty="no", hypopyon="no", satellites="no")
        mask = photograph(eye, "scatter")[1]["infiltrate"]
        y, x = (np.argwhere(mask).mean(axis=0) + 0.5) * 2 / SIZE - 1
        # The cornea's radius is 0.68 to 0.76; its middle is off by 0.04 (SD); lids and reflex hide a part.
        assert np.hypot(x - 0.72 * eye.center[0], y - 0.72 * eye.center[1]) < 0.25
        assert mask.sum() < 1.3 * np.pi * (eye.radius * 0.76 * SIZE / 2) ** 2


def test_the_defect_glows_green_in_blue_light_and_is_large_or_small():
    for unit in range(10):
        eye = having(draw_eye(4, unit), hypopyon="no", satellites="no")
        area = {}
        for answer in ("yes", "no"):
            image, masks = photograph(having(eye, large_epithelial_defect=answer), "blue")
            red, green, blue = image[masks["epithelial_defect"]].mean(axis=0)
            assert green > 1.3 * max(red, blue)
            area[answer] = masks["epithelial_defect"].sum() / masks["infiltrate"].sum()
        assert area["yes"] > 1 > area["no"]


def test_the_defect_does_not_show_outside_blue_light():
    eye = draw_eye(4, 0)
    for view in ("white", "scatter"):
        large, small = (photograph(having(eye, large_epithelial_defect=x), view)[0] for x in ("yes", "no"))
        np.testing.assert_array_equal(large, small)


def test_a_photograph_knows_the_organism_through_its_signs_alone():
    for unit in range(6):
        eye = draw_eye(6, unit)
        other = replace(eye, organism=1 - eye.organism, history={}, fields={}, subject=99)
        for view in VIEWS:
            np.testing.assert_array_equal(photograph(eye, view)[0], photograph(other, view)[0])


def test_two_photographs_of_one_eye_differ():
    eye = draw_eye(6, 0)
    assert (photograph(eye, "white", seed=1)[0] != photograph(eye, "white", seed=2)[0]).mean() > 0.5


@pytest.mark.parametrize("size", [48, 64, 96, 160])
def test_shapes_and_the_same_scene_at_every_size(size):
    eye = having(draw_eye(7, 3), hypopyon="yes")
    image, masks = photograph(eye, "white", size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    for name, mask in photograph(eye, "white", 96)[1].items():
        assert masks[name].shape == (size, size)
        assert masks[name].mean() == pytest.approx(mask.mean(), abs=0.02), name  # a band of half a pixel at 48 px


def test_the_three_lights_look_different():
    eye = draw_eye(8, 1)
    white, blue, scatter = (photograph(eye, view)[0].mean(axis=(0, 1)) for view in VIEWS)
    assert blue[2] > 2 * blue[0]
    assert scatter.mean() < 0.6 * white.mean()
