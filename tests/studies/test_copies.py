"""Copies are looked for among photographs whose coarse thumbnails are near, and none of all pairs is missed."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from prima_jax.problems import Problems
from prima_jax.studies import copies


def photographs(count: int) -> list[np.ndarray]:
    """Smooth ones, 32 px; of three in a row the second and third are the first with noise, ever more: up to 6 and 12 levels."""
    r, drawn = np.random.default_rng(0), []
    for number in range(count // 3):
        colours = np.clip(r.normal(150, 15, 3) + r.normal(0, 12, (3, 3, 3)), 0, 255).astype(np.uint8)
        smooth = np.asarray(Image.fromarray(colours).resize((32, 32), Image.Resampling.BICUBIC), float)
        drawn += [
            smooth,
            smooth + r.normal(0, 18 * number / count, smooth.shape),
            smooth + r.normal(0, 36 * number / count, smooth.shape),
        ]
    return [np.clip(image, 0, 255).astype(np.uint8) for image in drawn]


def copies_in_plain_loops(images: list[np.ndarray]) -> list[list[int]]:
    """What two thumbnails of one photograph are, pair by pair."""
    rows = np.stack([image.ravel() for image in images]).astype(float)
    residual = rows - rows.mean(axis=0)
    groups = [{n} for n in range(len(images))]
    for i, j in combinations(range(len(images)), 2):
        near = np.sqrt(np.mean((rows[i] - rows[j]) ** 2)) < copies.LARGEST_DIFFERENCE
        if near and np.corrcoef(residual[i], residual[j])[0, 1] > copies.LEAST_CORRELATION:
            together = groups[i] | groups[j]
            for n in together:
                groups[n] = together
    return sorted(sorted(group) for group in {frozenset(group) for group in groups} if len(group) > 1)


@pytest.mark.parametrize("at_once", [7, 1024])
def test_the_pairs_are_those_of_all_pairs(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(copies, "ROWS_AT_ONCE", at_once)
    images = photographs(150)
    images += images[:2]  # the same pixels again
    paths = [str(tmp_path / f"{n}.png") for n in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    expected = copies_in_plain_loops(images)
    assert {2, 3} <= set(map(len, expected)) and 0.2 * len(images) < sum(map(len, expected)) < 0.8 * len(images)
    assert copies.compare(paths, paths, Problems()).identical == expected


@pytest.mark.parametrize("count", [0, 1, 2])
def test_one_photograph_or_the_same_twice(tmp_path, count):
    Image.new("RGB", (40, 30), "green").save(tmp_path / "a.png")
    paths = [str(tmp_path / "a.png")] * count
    assert copies.compare(paths, paths, Problems(), cache=tmp_path).identical == ([[0, 1]] if count == 2 else [])
    assert len(list(tmp_path.iterdir())) == 2  # the photograph and the note: thumbnails are gone
