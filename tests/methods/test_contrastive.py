"""The contrastive losses of MedBLIP and MLRG: loops, closed forms, what they ignore, and several devices."""

import functools
import math

import chex
import jax
import numpy as np
import pytest

from prima_jax.methods import contrastive
from prima_jax.training.parallel import AXIS
from tests.methods import contrast_references as references

TAU = 0.3
# float32 cosines carry about 1e-7, divided by tau and summed over at most eight exponentials: below 5e-6.
FLOAT32 = {"rtol": 5e-6, "atol": 5e-6}
UNITS = np.array([0, 0, 1, 2, 2, 2, 3, 3])
PRESENT = np.array([True, True, True, True, True, False, True, False])
"""A pair, a single, a triple of which one is not there, and a pair of which one is not there."""


def arrays(seed=0):
    r = np.random.default_rng(seed)
    queries, images, texts = (r.normal(size=s).astype(np.float32) for s in ((8, 3, 6), (8, 6), (8, 6)))
    patches, tokens = (r.normal(size=s).astype(np.float32) for s in ((8, 5, 6), (8, 4, 6)))
    mask = r.random((8, 4)) < 0.7
    mask[0], mask[1] = False, True
    return queries, images, texts, patches, tokens, mask


def losses(queries, images, texts, patches, tokens, mask, units, present, axis_name=None):
    """All four, by name."""
    options = {"temperature": TAU, "axis_name": axis_name}
    return {
        "query_text": contrastive.query_text_loss(queries, texts, smoothing=0.1, **options),
        "view": contrastive.view_loss(images, units, present, **options),
        "image_text": contrastive.image_text_loss(images, texts, units, present, **options),
        "token": contrastive.token_loss(patches, tokens, mask, **options),
    }


class AgainstLoops(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_every_loss_equals_its_loops(self):
        queries, images, texts, patches, tokens, mask = arrays()
        found = self.variant(losses)(*arrays(), UNITS, PRESENT)
        wide = [a.astype(np.float64) for a in (queries, images, texts, patches, tokens)]
        expected = {
            "query_text": references.query_text(wide[0], wide[2], TAU, 0.1),
            "view": references.view(wide[1], UNITS, PRESENT, TAU),
            "image_text": references.image_text(wide[1], wide[2], UNITS, PRESENT, TAU),
            "token": references.token(wide[3], wide[4], mask, TAU),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, **FLOAT32, err_msg=name)


def test_closed_forms_where_all_are_alike():
    queries, images, texts, patches, tokens, mask = (np.ones_like(a) for a in arrays())
    present = np.ones(8, bool)
    found = losses(queries, images, texts, patches, tokens, mask, np.repeat(np.arange(4), 2), present)
    assert found["query_text"] == pytest.approx(math.log(8), rel=1e-6)
    assert found["view"] == pytest.approx(math.log(7), rel=1e-6)
    assert found["image_text"] == pytest.approx(math.log(8), rel=1e-6)
    assert found["token"] == pytest.approx(math.log(4), rel=1e-6)


def test_only_the_best_query_counts():
    queries, _, texts, *_ = arrays()
    worse = np.concatenate([queries, np.zeros_like(queries)], axis=1)
    for i, text in enumerate(texts):  # a query that is further from its own text, and from every other, than the best
        worse[i, 3:] = queries[i, np.argmin(queries[i] @ text)]
    losses = [contrastive.query_text_loss(q, texts, temperature=TAU, smoothing=0.1) for q in (queries, worse, queries[:, ::-1])]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-6)
    gradient = jax.jit(jax.grad(contrastive.query_text_loss))(queries[:2], texts[:2], temperature=TAU, smoothing=0.0)
    assert (np.abs(gradient).max(axis=2) == 0).any(), "every query has a gradient, so more than the best one counts"


def test_singles_and_what_is_not_there_change_no_view_loss():
    _, images, *_ = arrays()
    function = functools.partial(contrastive.view_loss, units=UNITS, present=PRESENT, temperature=TAU)
    changed = images.copy()
    changed[[2, 5, 6, 7]] = 100.0 * np.random.default_rng(1).normal(size=(4, 6))
    np.testing.assert_array_equal(function(images), function(changed))
    gradient = jax.grad(function)(images)
    assert (gradient[np.array([2, 5, 6, 7])] == 0).all()
    assert (np.abs(gradient[np.array([0, 1, 3, 4])]).max(axis=1) > 0).all()


def test_what_is_not_there_changes_no_image_text_and_no_token_loss():
    _, images, texts, patches, tokens, mask = arrays()
    noise = np.random.default_rng(1).normal(size=(8, 6)).astype(np.float32)
    gone = ~PRESENT[:, None]
    expected = contrastive.image_text_loss(images, texts, UNITS, PRESENT, temperature=TAU)
    found = contrastive.image_text_loss(
        np.where(gone, noise, images), np.where(gone, -noise, texts), UNITS, PRESENT, temperature=TAU
    )
    np.testing.assert_array_equal(found, expected)
    other = np.where(mask[..., None], tokens, 7.0).astype(np.float32)
    found = contrastive.token_loss(patches, other, mask, temperature=TAU)
    np.testing.assert_allclose(found, contrastive.token_loss(patches, tokens, mask, temperature=TAU), rtol=1e-6)


def test_nothing_to_contrast_is_zero_and_so_is_its_gradient():
    _, images, texts, patches, tokens, mask = arrays()
    alone = np.arange(8)

    def compiled(loss, *arrays):
        return jax.jit(jax.value_and_grad(loss))(*arrays, temperature=TAU)

    value, gradient = compiled(contrastive.view_loss, images, alone, np.ones(8, bool))
    assert value == 0 and (gradient == 0).all()
    nothing = np.zeros(8, bool)
    value, gradient = compiled(contrastive.image_text_loss, images, texts, alone, nothing)
    assert value == 0 and (gradient == 0).all()
    value, gradient = compiled(contrastive.token_loss, patches, tokens, np.zeros_like(mask))
    assert value == 0 and (gradient == 0).all()


@pytest.mark.parametrize("devices", [1, 2])
def test_sharing_the_batch_changes_neither_value_nor_gradient(devices):
    *values, mask = arrays()
    scale = np.array([1.3, 0.7, -0.4, 1.1, 0.9], np.float32)
    """Stand for weights, one for each kind of array."""

    def total(scale, values, others, axis_name=None):
        scaled = [s * a + a**2 for s, a in zip(scale, values, strict=True)]
        return sum(losses(*scaled, *others, axis_name=axis_name).values())

    def of_share(scale, values, others):
        def mean(scale):
            return jax.lax.pmean(total(scale, values, others, AXIS), AXIS)

        value, gradient = jax.value_and_grad(mean)(scale)
        return value, jax.lax.pmean(gradient, AXIS)

    def shared(trees):
        return [a.reshape(devices, len(a) // devices, *a.shape[1:]) for a in trees]

    others = (mask, UNITS, PRESENT)
    mapped = jax.pmap(of_share, AXIS, in_axes=(None, 0, 0), out_axes=None, devices=jax.devices()[:devices])
    found = mapped(scale, shared(values), shared(others))
    expected = jax.jit(jax.value_and_grad(total))(scale, values, others)
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-6)
    np.testing.assert_allclose(found[1], expected[1], rtol=2e-5, atol=2e-6)
