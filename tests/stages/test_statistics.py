"""The standardising projectors start from the training cases, and from nothing else."""

import jax
import numpy as np
import pytest

from prima_jax.models.diagnoser import Features, Projector
from prima_jax.stages.cases import Case
from prima_jax.stages.statistics import standardisation
from prima_jax.stages.text_features import TextTokens


@pytest.fixture
def tokens():
    """Eight records, two views, four patches; five sentences of up to six words; half precision, as they are stored."""
    r = np.random.default_rng(0)
    images = (5 + r.standard_normal((8, 2, 5, 3)) * [1, 10, 0]).astype(np.float16)
    words = np.arange(6) < r.integers(1, 7, size=(6, 1))
    return images, TextTokens(r.standard_normal((6, 7, 4)).astype(np.float16), words, r.integers(5, size=(8, 3)))


def cases():
    return [
        Case("a", "a", "a", 0, 0, ((0, 1), (2,))),
        Case("b", "b", "b", 1, 3, ((3,), ())),
        Case("c", "c", "c", 1, 5, ((5,), (0,))),
    ]


def test_means_and_deviations_are_those_of_loops_over_the_training_cases(tokens):
    images, texts = tokens
    found = standardisation(images, texts, cases())
    seen = images[[0, 1, 2, 3, 5], 0].astype(np.float64)
    said = [texts.index[row, 0] for row in (0, 3, 5)]
    expected = {
        "image_global": seen[:, 0],
        "image_local": seen[:, 1:].reshape(-1, 3),
        "text_global": np.array([texts.tokens[s, 0] for s in said], np.float64),
        "text_local": np.array([texts.tokens[s, 1 + w] for s in said for w in range(6) if texts.words[s, w]], np.float64),
    }
    assert found.keys() == {f"{name}_{kind}" for name in expected for kind in ("mean", "scale")}
    for name, rows in expected.items():
        # float32 of what is exact in float64, but for the cancellation in the variance
        np.testing.assert_allclose(found[f"{name}_mean"], rows.mean(axis=0), rtol=1e-6)
        deviation = rows.std(axis=0)
        np.testing.assert_allclose(found[f"{name}_scale"], 1 / np.where(deviation == 0, 1, deviation), rtol=1e-4)
    assert found["image_local_scale"][2] == 1  # a constant dimension is moved to zero


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_dimension_that_is_constant_but_for_rounding_is_not_scaled(dtype):
    """Scaled by a million, such a one of MiniLM's had a gradient that clipping left nothing of the others beside."""
    r = np.random.default_rng(0)
    images = np.zeros((6, 1, 5, 3), dtype)
    images[..., 0] = np.nextafter(dtype(5.4), np.where(r.random((6, 1, 5)) < 0.5, 0, 9).astype(dtype))
    images[..., 1] = 1e-8 * r.standard_normal((6, 1, 5))
    images[..., 2] = 5.4 + 0.03 * r.standard_normal((6, 1, 5))
    texts = TextTokens(np.zeros((2, 3, 4), dtype), np.zeros((2, 2), bool), np.zeros((6, 1), int))
    scale = standardisation(images, texts, cases())["image_local_scale"]
    assert scale[0] == scale[1] == 1 and scale[2] > 20


def test_records_that_are_held_out_change_nothing(tokens):
    images, texts = tokens
    before = standardisation(images, texts, cases())
    changed = images.copy()
    changed[[4, 6, 7]] = 99
    changed[:, 1] = 99
    after = standardisation(changed, texts, cases())
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(("image_stride", "text_stride"), [(2, 2), (3, 3), (4, 8)])
def test_every_patch_and_every_word_reaches_the_sequence(image_stride, text_stride):
    """Also with strides beyond the three neighbours of the published kernels; words that are padding reach nothing."""
    projector = Projector(8, 8, (6, 6), image_stride, text_stride, standardized=True)
    r = np.random.default_rng(0)
    mask = np.arange(12)[None] < 11
    features = Features(r.standard_normal((1, 1, 37, 4)), np.ones((1, 1), bool), r.standard_normal((1, 13, 4)), mask)
    variables = projector.init(jax.random.key(0), features)

    def total(image, text):
        sequence = projector.apply(variables, features._replace(image_tokens=image, text_tokens=text))
        weights = np.random.default_rng(1).standard_normal(sequence.embeddings.shape)
        return (sequence.embeddings * weights * sequence.mask[..., None]).sum()

    pooled = {
        name: variables["params"][f"{name}_hidden"]["kernel"].shape[:-2] == (1,) * axes
        for name, axes in (("image_local", 2), ("text_local", 1))
    }
    assert pooled == {"image_local": image_stride > 3, "text_local": text_stride > 3}
    image, text = (np.asarray(g) for g in jax.grad(total, (0, 1))(features.image_tokens, features.text_tokens))
    assert (np.abs(image[0, 0]).max(axis=1) > 0).all()
    assert (np.abs(text[0, :12]).max(axis=1) > 0).all() and (text[0, 12] == 0).all()


def test_beyond_a_stride_of_three_a_window_is_its_mean():
    """Without the other layers: tokens that differ within windows alone, by noise that sums to nothing, give one sequence."""
    projector = Projector(8, 8, (8, 8), 4, 4, standardized=True)
    r = np.random.default_rng(0)
    mask = np.arange(8)[None] < 6  # the second window has two words

    def features(image_noise, text_noise):
        image = np.zeros((1, 1, 65, 4))
        quarters = np.kron(np.arange(4).reshape(2, 2), np.ones((4, 4)))
        image[0, 0, 1:] = (quarters[..., None] * np.ones(4) + image_noise).reshape(64, 4)
        text = np.ones((1, 9, 4))
        text[0, 1:] += text_noise
        return Features(image, np.ones((1, 1), bool), text, mask)

    image_noise = r.standard_normal((2, 4, 2, 4, 4))
    image_noise = (image_noise - image_noise.mean(axis=(1, 3), keepdims=True)).reshape(8, 8, 4)
    text_noise = r.standard_normal((8, 4))
    for window in (slice(0, 4), slice(4, 6)):
        text_noise[window] -= text_noise[window].mean(axis=0)
    plain, noisy = features(0, 0), features(image_noise, text_noise)
    variables = projector.init(jax.random.key(0), plain)
    first, second = (projector.apply(variables, f).embeddings for f in (plain, noisy))
    np.testing.assert_allclose(first, second, atol=2e-6)  # means of 16 in float32
    assert np.abs(first[0, 2] - first[0, 3]).max() > 1e-3  # two windows of the photograph are two tokens
