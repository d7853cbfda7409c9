"""Batches whose loss can be worked out by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax import losses
from tests.losses.inputs import OPTIONS, TAU, TAU_LABEL, alignment, tokens

# float32: a logit of 1 / tau = 5 carries 3e-7, and so do the logarithms that it is subtracted from, all of order 1.
CLOSE = {"rtol": 2e-6, "atol": 1e-6}
NOTHING = 1e-6  # a compiled x - log exp x with x of up to 1 / tau = 5 is 0 but for one rounding of x, 5e-7
OPTION_IDS = ["-".join(options.values()) for options in OPTIONS]


def value_and_gradients(arrays, **options):
    """The loss, its parts, and its gradients with respect to the four kinds of tokens."""
    loss = jax.jit(lambda *x: alignment(*x, *arrays[4:], **options))
    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3), has_aux=True))(*arrays[:4])


def all_equal(n, length=4, k=5, d=6):
    ones = [np.ones(shape, np.float32) for shape in ((n, 2, d), (n, 2, k, d), (n, d), (n, length, d))]
    return [*ones, np.ones((n, length), bool), np.eye(n, dtype=np.float32)]


@pytest.mark.parametrize("options", OPTIONS, ids=OPTION_IDS)
def test_equal_tokens_give_the_logarithm_of_the_number_of_candidates(options):
    n, arrays = 6, all_equal(6)
    arrays[4][0, :2] = False  # two words
    (_, parts), gradients = value_and_gradients(arrays, **options)
    soft = math.log(n) / (n if options["normalizer"] == "printed" else 1)
    local = (math.log(2) + (n - 1) * math.log(4)) / n
    expected = {"image": math.log(2 * n - 1), "global": math.log(n), "local": local, "soft": soft}
    for name, value in expected.items():
        np.testing.assert_allclose(float(parts[name]), value, **CLOSE, err_msg=name)
    # Every cosine is at its maximum, where its gradient is 0 but for rounding, 1e-7 / tau.
    assert max(float(jnp.abs(g).max()) for g in gradients) < 1e-6


@pytest.mark.parametrize("anchors", ["printed", "both"])
def test_orthonormal_patients_have_a_closed_form(anchors):
    n = 5
    p = np.repeat(np.eye(n, dtype=np.float32)[:, None], 2, axis=1)
    own = 1 / TAU
    expected = math.log(math.exp(own) + n - 1) - own
    np.testing.assert_allclose(losses.global_semantic_loss(p, p[:, 0], temperature=TAU), expected, rtol=1e-5)
    expected = math.log(math.exp(own) + 2 * (n - 1)) - own
    np.testing.assert_allclose(losses.image_consistency_loss(p, temperature=TAU, anchors=anchors), expected, rtol=1e-5)


@pytest.mark.parametrize("normalizer", ["printed", "batch"])
@pytest.mark.parametrize("classes", ["one class only", "a class for each"])
def test_orthonormal_patients_have_a_closed_form_of_soft_targets(normalizer, classes):
    n, weight = 5, 1.5
    p = np.repeat(np.eye(n, dtype=np.float32)[:, None], 2, axis=1)
    y = np.ones((n, 1), np.float32) if classes == "one class only" else weight * np.eye(n, dtype=np.float32)
    exponential = math.exp(weight**2 / TAU_LABEL)
    own = 1 / n if classes == "one class only" else exponential / (exponential + n - 1)  # s_ii
    np.testing.assert_allclose(np.diag(losses.soft_targets(y, label_temperature=TAU_LABEL)), own, rtol=1e-6)
    expected = math.log(math.exp(1 / TAU) + n - 1) - own / TAU
    options = {"temperature": TAU, "label_temperature": TAU_LABEL, "normalizer": normalizer}
    found = losses.soft_semantic_loss(p, p[:, 0], y, **options)
    np.testing.assert_allclose(found, expected / (n if normalizer == "printed" else 1), rtol=1e-5)


@pytest.mark.parametrize("negatives", ["printed", "symmetric"])
@pytest.mark.parametrize("strength", [0.0, 3.0, 1e4])
def test_words_that_are_patches_have_a_closed_form(negatives, strength):
    """q^l = strength e_l and p^k = e_k: attention puts `own` on the right patch and `other` on each of the rest."""
    k = 4
    p = np.tile(np.eye(k, dtype=np.float32), (3, 2, 1, 1))
    q = np.tile(np.float32(strength or 1) * np.eye(k, dtype=np.float32), (3, 1, 1))
    if not strength:  # words that no patch knows: attention is uniform, as in pooling="mean"
        q = np.concatenate([q, np.zeros_like(q)], axis=2)[..., ::-1].copy()
        p = np.concatenate([p, np.zeros_like(p)], axis=3)
    own = 1 / (1 + (k - 1) * math.exp(-strength / math.sqrt(k)))
    other = (1 - own) / (k - 1)
    length = math.sqrt(own**2 + (k - 1) * other**2)
    right, wrong = (own / length / TAU, other / length / TAU) if strength else (0, 0)
    expected = math.log(math.exp(right) + (k - 1) * math.exp(wrong)) - right
    found = losses.local_semantic_loss(p, q, np.ones((3, k), bool), temperature=TAU, negatives=negatives)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    attention = losses.cross_attention(p[0, 0], q[0])
    np.testing.assert_allclose(np.diag(attention), own, rtol=1e-6)


@pytest.mark.parametrize("options", OPTIONS[:2], ids=OPTION_IDS[:2])
def test_one_patient_alone_has_nothing_to_tell_apart(options):
    (_, parts), gradients = value_and_gradients([a[1:2] for a in tokens()], **options)
    assert max(abs(float(parts[name])) for name in ("image", "global", "soft")) < NOTHING
    assert max(float(jnp.abs(gradients[i]).max()) for i in (0, 2)) < NOTHING
    assert float(parts["local"]) > 0  # its words are told apart among themselves


@pytest.mark.parametrize("options", OPTIONS, ids=OPTION_IDS)
@pytest.mark.parametrize("words", [0, 1], ids=["every token masked", "one word each"])
def test_without_a_second_word_the_local_term_is_zero(options, words):
    arrays = list(tokens())
    arrays[4] = np.zeros_like(arrays[4])
    arrays[4][:, 2 : 2 + words] = True
    (_, parts), gradients = value_and_gradients(arrays, **options)
    assert abs(float(parts["local"])) < NOTHING
    assert max(float(jnp.abs(gradients[i]).max()) for i in (1, 3)) < NOTHING
    assert float(jnp.abs(gradients[0]).max()) > 0


def test_a_text_of_one_token():
    _, p, _, q, *_ = tokens(length=1)
    assert float(losses.local_semantic_loss(p, q, np.ones((8, 1), bool), temperature=TAU)) == 0


def test_mean_pooling_with_printed_negatives_is_a_constant_without_gradient():
    _, p, _, q, mask, _ = tokens()
    mask[:] = True

    def loss(p, q):
        return losses.local_semantic_loss(p, q, mask, temperature=TAU, pooling="mean")

    value, gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(p, q)
    np.testing.assert_allclose(value, math.log(q.shape[1]), rtol=1e-6)
    # All L scores of a row are the same number: their softmax is exactly uniform up to rounding.
    assert max(float(jnp.abs(g).max()) for g in gradients) < 1e-6


def test_mean_pooling_with_symmetric_negatives_is_least_where_words_are_alike():
    _, p, _, q, *_ = tokens()
    mask, options = np.ones((8, 4), bool), {"temperature": TAU, "pooling": "mean", "negatives": "symmetric"}
    assert float(losses.local_semantic_loss(p, q, mask, **options)) > math.log(4) + 0.1
    alike = np.repeat(q[:, :1], 4, axis=1)
    np.testing.assert_allclose(losses.local_semantic_loss(p, alike, mask, **options), math.log(4), **CLOSE)
