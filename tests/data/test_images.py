import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.data.images import Augmentation, center_view, normalize, random_view

STILL = Augmentation(scale=(1, 1), ratio=(1, 1), horizontal_flip=False, brightness=0, contrast=0, saturation=0)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
SQUARE = NOISE[:, :40]


def test_the_center_view_shows_the_whole_photograph():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 40:] = 200
    view = center_view(image, 20)
    assert view.shape == (20, 20, 3) and view.dtype == np.uint8
    # Squashed, not cropped: the border stays in the middle.
    assert (view[:, :9] == 0).all() and (view[:, 11:] == 200).all()
    # Antialiased: a chequerboard averages out instead of turning into one of its colours.
    board = np.uint8(255 * (np.indices((64, 64)).sum(0) % 2))[..., None].repeat(3, 2)
    assert abs(center_view(board, 16).astype(int) - 127).max() <= 2


def test_normalize_is_that_of_imagenet():
    images = jnp.array([[[0, 128, 255]]], jnp.uint8)
    expected = [(0 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    np.testing.assert_allclose(normalize(images)[0, 0], expected, rtol=1e-6)
    assert normalize(images).dtype == jnp.float32


def test_a_random_view_without_changes_is_the_photograph():
    assert np.array_equal(random_view(SQUARE, 40, np.random.default_rng(0), STILL), SQUARE)


def test_a_random_view_follows_its_generator_alone():
    views = [random_view(NOISE, 16, np.random.default_rng(seed), Augmentation()) for seed in (1, 1, 2)]
    assert views[0].shape == (16, 16, 3) and views[0].dtype == np.uint8
    assert np.array_equal(views[0], views[1]) and not np.array_equal(views[0], views[2])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"horizontal_flip": True}, [SQUARE, SQUARE[:, ::-1]]),
        ({"vertical_flip": True}, [SQUARE, SQUARE[::-1]]),
        ({"quarter_turns": True}, [np.rot90(SQUARE, turns) for turns in range(4)]),
    ],
)
def test_flips_and_turns_give_each_of_their_outcomes_and_no_other(changes, expected):
    augmentation = Augmentation(**{**vars(STILL), **changes})
    seen = {random_view(SQUARE, 40, np.random.default_rng(seed), augmentation).tobytes() for seed in range(40)}
    # 40 draws miss one of four outcomes with a chance of 4 * 0.75^40 < 1e-4, and the seeds are fixed.
    assert seen == {np.ascontiguousarray(image).tobytes() for image in expected}


def test_switching_one_change_off_leaves_the_others_as_they_were():
    both = Augmentation(**{**vars(STILL), "horizontal_flip": True, "brightness": 0.5})
    bright = Augmentation(**{**vars(STILL), "brightness": 0.5})
    for seed in range(8):
        one = random_view(SQUARE, 40, np.random.default_rng(seed), both)
        other = random_view(SQUARE, 40, np.random.default_rng(seed), bright)
        assert np.array_equal(one, other) or np.array_equal(one, other[:, ::-1])


def test_rotation_turns_as_far_as_asked():
    turned = Augmentation(**{**vars(STILL), "rotation": 30.0})
    disc = np.hypot(*(np.indices((65, 65)) - 32)) < 30
    ramp = np.where(disc, np.indices((65, 65))[1] * 3, 0).astype(np.uint8)[..., None].repeat(3, 2)
    inner = np.hypot(*(np.indices((65, 65)) - 32)) < 20
    angles = []
    for seed in range(60):
        view = random_view(ramp, 65, np.random.default_rng(seed), turned)[..., 0].astype(float)
        down, right = (np.diff(view, axis=axis)[:64, :64][inner[:64, :64]].mean() for axis in (0, 1))
        angles.append(np.degrees(np.arctan2(down, right)))
    assert -30.5 < min(angles) < -25 and 25 < max(angles) < 30.5 and abs(np.mean(angles)) < 6  # 17.3 / sqrt(60) is an SD


def test_a_view_takes_as_many_draws_as_it_always_did():
    """Else every earlier run would see other photographs."""
    generator, counted = np.random.default_rng(3), np.random.default_rng(3)
    random_view(NOISE, 16, generator, Augmentation(rotation=30.0))
    counted.random(4 + 2), counted.integers(4), counted.random(3)  # the cut, flips, turn, colours
    assert generator.random() == counted.random()


def test_the_cut_has_the_area_asked_for_and_stays_inside():
    # Columns count up, so the range of values tells the width of the cut; a ratio of 1 tells its area.
    image = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (200, 200, 3))
    augmentation = Augmentation(**{**vars(STILL), "scale": (0.25, 0.25)})
    starts = []
    for seed in range(20):
        view = random_view(image, 100, np.random.default_rng(seed), augmentation).astype(int)
        assert abs((view.max() - view.min()) - 99) <= 2
        starts.append(view.min())
    assert min(starts) < 30 and max(starts) > 70


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colours_change_as_named(name):
    image = np.clip(SQUARE, 60, 180)  # far enough from 0 and 255 that a fifth more or less is not clipped
    augmentation = Augmentation(**{**vars(STILL), name: 0.2})
    changed = random_view(image, 40, np.random.default_rng(5), augmentation).astype(float)
    luma = np.array([0.299, 0.587, 0.114])
    grey = {
        "brightness": np.zeros(1),
        "contrast": (image.reshape(-1, 3).mean(0) @ luma)[None, None, None],
        "saturation": (image @ luma)[..., None],
    }[name]
    away = image - grey
    factor = float((away * (changed - grey)).sum() / (away**2).sum())
    assert 0.8 <= factor <= 1.2 and abs(factor - 1) > 0.01
    # Half a level for rounding, half for the mean grey, which is rounded too.
    assert np.abs(changed - (grey + factor * away)).max() <= 1.0
