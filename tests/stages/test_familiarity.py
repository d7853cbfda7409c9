import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from prima_jax.stages.familiarity import Familiarity


def tokens(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Photographs of two classes and two image types, each group at a place of its own, and one constant dimension."""
    generator = np.random.default_rng(seed)
    labels, types = generator.integers(2, size=count), [("white", "blue")[n] for n in generator.integers(2, size=count)]
    places = 5.0 * labels[:, None] * np.eye(1, 6) + np.array([[9.0 * (t == "blue")] for t in types]) * np.eye(1, 6, 1)
    found = generator.normal(size=(count, 6)) * [1, 2, 3, 1, 1, 1] + places
    found[:, 5] = 7.0
    return found, labels, types


def test_distances_are_those_of_scikit_learn_and_scipy():
    known, labels, types = tokens(0, 400)
    model = Familiarity.fit(known, labels, types, range(400))
    groups = sorted({*zip(types, labels.tolist(), strict=True)})
    means = {g: known[[pair == g for pair in zip(types, labels.tolist(), strict=True)]].mean(axis=0) for g in groups}
    within = np.stack([row - means[g] for row, g in zip(known, zip(types, labels.tolist(), strict=True), strict=True)])
    covariance = LedoitWolf(assume_centered=True).fit(within).covariance_
    new, _, new_types = tokens(1, 20)
    expected = [
        min(mahalanobis(row, means[g], np.linalg.inv(covariance)) for g in groups if g[0] == image_type)
        for row, image_type in zip(new, new_types, strict=True)
    ]
    # The ridge is a millionth of the mean variance; the constant dimension's own is the smallest, by Ledoit and Wolf's shrinkage.
    assert model.distances(new, new_types) == pytest.approx(expected, rel=1e-3)
    assert model.distances(new[:1], ["green"])[0] == pytest.approx(
        model.distances(np.repeat(new[:1], 2, 0), ["white", "blue"]).min()
    )


def test_what_is_far_away_is_farther_than_all_that_were_held_out():
    known, labels, types = tokens(0, 400)
    model = Familiarity.fit(known, labels, types, range(400))
    held_out, _, held_out_types = tokens(1, 100)
    model = Familiarity(model.image_types, model.means, model.precision, np.sort(model.distances(held_out, held_out_types)))
    assert model.nearer(held_out + 100, held_out_types).min() == 1
    assert sorted(model.nearer(held_out, held_out_types)) == pytest.approx(np.arange(100) / 100)


def test_no_mean_is_one_of_a_few_subjects():
    known, labels, types = tokens(0, 400)
    labels[:4] = 2
    subjects = [min(n, 3) if label == 2 else n for n, label in enumerate(labels)]
    model = Familiarity.fit(known, labels, types, subjects)
    assert len(model.means) == 4 and np.isfinite(model.distances(known[:4], types[:4])).all()
    alone = Familiarity.fit(known[:4], labels[:4], types[:4], subjects[:4])
    assert alone.means == pytest.approx(known[:4].mean(axis=0)[None])
    assert np.isfinite(alone.distances(known, types)).all()
