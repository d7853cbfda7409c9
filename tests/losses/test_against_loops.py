"""The kernels against Eqs. 1-7 written as loops."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized

from prima_jax import losses
from tests.losses import references
from tests.losses.inputs import FLOAT32, OPTIONS, TAU, TAU_LABEL, alignment, tokens


class AgainstLoops(chex.TestCase):
    """With and without jit, every option of every term."""

    @chex.variants(with_jit=True, without_jit=True)
    @parameterized.product(anchors=["printed", "both"])
    def test_image_consistency(self, anchors):
        p = tokens()[0]
        kernel = self.variant(lambda p: losses.image_consistency_loss(p, temperature=TAU, anchors=anchors))
        np.testing.assert_allclose(kernel(p), references.image_consistency(p.astype(np.float64), TAU, anchors), **FLOAT32)

    @chex.variants(with_jit=True, without_jit=True)
    def test_global_semantic(self):
        p, _, q, *_ = tokens()
        kernel = self.variant(lambda p, q: losses.global_semantic_loss(p, q, temperature=TAU))
        expected = references.global_semantic(p.astype(np.float64), q.astype(np.float64), TAU)
        np.testing.assert_allclose(kernel(p, q), expected, **FLOAT32)

    @chex.variants(with_jit=True, without_jit=True)
    @parameterized.product(negatives=["printed", "symmetric"], pooling=["attention", "mean"])
    def test_local_semantic(self, negatives, pooling):
        _, p, _, q, mask, _ = tokens()
        options = {"negatives": negatives, "pooling": pooling}
        kernel = self.variant(lambda p, q, m: losses.local_semantic_loss(p, q, m, temperature=TAU, **options))
        expected = references.local_semantic(p.astype(np.float64), q.astype(np.float64), mask, TAU, **options)
        np.testing.assert_allclose(kernel(p, q, mask), expected, **FLOAT32)

    @chex.variants(with_jit=True, without_jit=True)
    @parameterized.product(normalizer=["printed", "batch"])
    def test_soft_semantic(self, normalizer):
        p, _, q, _, _, y = tokens()
        options = {"temperature": TAU, "label_temperature": TAU_LABEL, "normalizer": normalizer}
        kernel = self.variant(lambda p, q, y: losses.soft_semantic_loss(p, q, y, **options))
        p64, q64, y64 = (a.astype(np.float64) for a in (p, q, y))
        np.testing.assert_allclose(
            kernel(p, q, y), references.soft_semantic(p64, q64, y64, TAU, TAU_LABEL, normalizer), **FLOAT32
        )

    @chex.variants(with_jit=True, without_jit=True)
    def test_soft_targets(self):
        y = tokens()[5]
        targets = self.variant(lambda y: losses.soft_targets(y, label_temperature=TAU_LABEL))(y)
        np.testing.assert_allclose(targets, references.soft_target_matrix(y.astype(np.float64), TAU_LABEL), **FLOAT32)


def test_the_weights_of_equation_7():
    loss, parts = alignment(*tokens())
    expected = 0.2 * parts["image"] + 0.3 * parts["global"] + 0.2 * parts["local"] + 0.3 * parts["soft"]
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)


def test_alignment_is_the_weighted_sum_of_its_parts():
    loss, parts = alignment(*tokens(), weights=(0.1, 0.2, 0.3, 0.4))
    total = sum(w * float(parts[k]) for w, k in zip((0.1, 0.2, 0.3, 0.4), ("image", "global", "local", "soft"), strict=True))
    assert float(loss) == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("options", OPTIONS, ids=["-".join(options.values()) for options in OPTIONS])
def test_every_option_and_both_temperatures_reach_their_term(options):
    p, p_seq, q, q_seq, mask, y = arrays = tokens()
    parts = jax.jit(lambda *x: alignment(*x, **options)[1])(*arrays)
    p, p_seq, q, q_seq, y = (a.astype(np.float64) for a in (p, p_seq, q, q_seq, y))
    expected = {
        "image": references.image_consistency(p, TAU, options["anchors"]),
        "global": references.global_semantic(p, q, TAU),
        "local": references.local_semantic(p_seq, q_seq, mask, TAU, options["negatives"], options["pooling"]),
        "soft": references.soft_semantic(p, q, y, TAU, TAU_LABEL, options["normalizer"]),
    }
    assert parts.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(parts[name], value, **FLOAT32, err_msg=name)


def test_the_similarity_of_two_vectors_is_their_cosine_over_tau():
    a, b = jnp.array([3.0, 4.0]), jnp.array([4.0, 3.0])
    assert float(losses.similarity(a, b, 0.5)) == pytest.approx(2 * 24 / 25, rel=1e-6)


def test_printed_equation_5_has_two_equal_terms():
    _, p, _, q, mask, _ = (a.astype(np.float64) if a.dtype != bool else a for a in tokens())
    printed = references.local_semantic(p, q, mask, TAU)
    words = mask.sum(1)
    first = 0.0
    for i in np.flatnonzero(words):
        for j in range(2):
            alpha = np.asarray(losses.cross_attention(jnp.array(p[i, j]), jnp.array(q[i][mask[i]])), np.float64)
            hats = alpha @ p[i, j]
            for l, word in enumerate(q[i][mask[i]]):
                scores = np.array([references.sim(word, hat, TAU) for hat in hats])
                first -= (scores[l] - np.log(np.exp(scores).sum())) / words[i]
    np.testing.assert_allclose(printed, 2 * first / (4 * len(p)), rtol=1e-5)
    kernel = losses.local_semantic_loss(*(jnp.array(a, jnp.float32) for a in (p, q)), mask, temperature=TAU)
    np.testing.assert_allclose(kernel, 2 * first / (4 * len(p)), rtol=1e-5)


def test_low_precision_tokens_are_computed_in_float32():
    p, _, q, *_ = tokens()
    low = losses.global_semantic_loss(jnp.array(p, jnp.bfloat16), jnp.array(q, jnp.bfloat16), temperature=TAU)
    rounded = losses.global_semantic_loss(
        jnp.array(p, jnp.bfloat16).astype(jnp.float32), jnp.array(q, jnp.bfloat16).astype(jnp.float32), temperature=TAU
    )
    assert low.dtype == jnp.float32
    assert float(low) == float(rounded)
