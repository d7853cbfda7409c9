"""The kernels against Eq. 1-7 written as loops, against closed forms, finite differences and other device counts."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized

from prima_jax import losses
from prima_jax.training.parallel import AXIS
from tests.losses import references

TAU, TAU_LABEL = 0.2, 0.7
# float32 cosines carry about 1e-7, divided by tau = 0.2 and summed over at most 2N = 16 exponentials: below 5e-6.
FLOAT32 = {"rtol": 5e-6, "atol": 5e-6}


def tokens(n=8, k=5, length=4, d=6, columns=7, seed=0, dtype=np.float32):
    """p_cls, p_seq, q_cls, q_seq, q_mask, y of n patients; one patient has no word at all."""
    r = np.random.default_rng(seed)
    mask = r.random((n, length)) < 0.7
    mask[0] = False
    mask[1] = True
    y = (r.random((n, columns)) < 0.4) * np.array([1] * (columns - 2) + [3, 3])
    arrays = (r.normal(size=s) for s in ((n, 2, d), (n, 2, k, d), (n, d), (n, length, d)))
    return (*(a.astype(dtype) for a in arrays), mask, y.astype(dtype))


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


def alignment(*arrays, **options):
    return losses.alignment_loss(*arrays, temperature=TAU, label_temperature=TAU_LABEL, **options)


def test_alignment_is_the_weighted_sum_of_its_parts():
    loss, parts = alignment(*tokens(), weights=(0.1, 0.2, 0.3, 0.4))
    total = sum(w * float(parts[k]) for w, k in zip((0.1, 0.2, 0.3, 0.4), ("image", "global", "local", "soft"), strict=True))
    assert float(loss) == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("argument", [0, 1, 2, 3])
def test_gradients_equal_finite_differences(argument):
    with jax.enable_x64(True):
        arrays = list(tokens(n=4, dtype=np.float64))
        function = jax.jit(lambda x: alignment(*arrays[:argument], x, *arrays[argument + 1 :], negatives="symmetric")[0])
        gradient = np.asarray(jax.grad(function)(arrays[argument]))
        direction = np.random.default_rng(1).normal(size=gradient.shape)
        h = 1e-5  # central differences err by h^2 = 1e-10 and by rounding 1e-16 / h = 1e-11
        slope = (function(arrays[argument] + h * direction) - function(arrays[argument] - h * direction)) / (2 * h)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("devices", [1, 2, 4, 8])
@pytest.mark.parametrize(("kind", "anchors"), [("pmap", "printed"), ("pmap", "both"), ("shard_map", "both")])
def test_sharing_the_batch_changes_neither_value_nor_gradient(devices, kind, anchors):
    arrays = tokens()
    scale = jnp.array([1.3, 0.7, -0.4, 1.1], jnp.float32)  # stand for weights that every device holds, one for each input

    def loss(scale, arrays, **options):
        scaled = [s * a + a**2 for s, a in zip(scale, arrays[:4], strict=True)]
        return alignment(*scaled, *arrays[4:], anchors=anchors, negatives="symmetric", **options)[0]

    def whole(scale):
        return loss(scale, arrays)

    def share(scale, arrays):
        def mean(scale):
            return jax.lax.pmean(loss(scale, arrays, axis_name=AXIS), AXIS)

        value, gradient = jax.value_and_grad(mean)(scale)
        return value, jax.lax.pmean(gradient, AXIS)

    chosen = jax.devices()[:devices]
    if kind == "pmap":
        stacked = [a.reshape(devices, len(a) // devices, *a.shape[1:]) for a in arrays]
        value, gradient = jax.pmap(share, AXIS, in_axes=(None, 0), out_axes=None, devices=chosen)(scale, stacked)
    else:
        spec = jax.sharding.PartitionSpec
        mesh = jax.make_mesh((devices,), (AXIS,), devices=chosen, axis_types=(jax.sharding.AxisType.Auto,))
        value, gradient = jax.jit(
            jax.shard_map(share, mesh=mesh, in_specs=(spec(), spec(AXIS)), out_specs=spec(), check_vma=False)
        )(scale, arrays)
    expected_value, expected_gradient = jax.value_and_grad(whole)(scale)
    np.testing.assert_allclose(value, expected_value, rtol=2e-6)
    # The gradient is a small sum of larger terms of both signs: its rounding error is that of the terms.
    np.testing.assert_allclose(gradient, expected_gradient, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("temperature", [1e-4, 1e-2, 1.0, 1e4])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_value_and_gradient_stay_finite(temperature, scale):
    arrays = list(tokens())
    for i in range(4):
        arrays[i] = arrays[i] * np.float32(scale)
    arrays[0][2] = 0  # a zero vector too

    def loss(*x):
        return losses.alignment_loss(*x, *arrays[4:], temperature=temperature, label_temperature=1.0)[0]

    value, gradients = jax.value_and_grad(loss, argnums=(0, 1, 2, 3))(*arrays[:4])
    assert jnp.isfinite(value)
    assert all(bool(jnp.isfinite(g).all()) for g in gradients)


def test_a_zero_vector_is_similar_to_nothing_and_has_no_gradient():
    zero, other = jnp.zeros((1, 3)), jnp.ones((2, 3))
    assert losses.similarity(zero, other, TAU).tolist() == [[0, 0]]
    assert jax.grad(lambda a: losses.similarity(a, other, TAU).sum())(zero).tolist() == [[0, 0, 0]]


def test_the_similarity_of_two_vectors_is_their_cosine_over_tau():
    a, b = jnp.array([3.0, 4.0]), jnp.array([4.0, 3.0])
    assert float(losses.similarity(a, b, 0.5)) == pytest.approx(2 * 24 / 25, rel=1e-6)


def test_equal_tokens_give_the_logarithm_of_the_number_of_candidates():
    n, ones = 6, np.ones((6, 2, 4), np.float32)
    np.testing.assert_allclose(losses.image_consistency_loss(ones, temperature=TAU), math.log(2 * n - 1), rtol=1e-6)
    np.testing.assert_allclose(losses.global_semantic_loss(ones, ones[:, 0], temperature=TAU), math.log(n), rtol=1e-6)
    soft = losses.soft_semantic_loss(
        ones, ones[:, 0], np.eye(n, dtype=np.float32), temperature=TAU, label_temperature=1.0, normalizer="batch"
    )
    np.testing.assert_allclose(soft, math.log(n), rtol=1e-6)


def test_orthonormal_patients_have_a_closed_form():
    n = 5
    p = np.repeat(np.eye(n, dtype=np.float32)[:, None], 2, axis=1)
    own = 1 / TAU
    expected = math.log(math.exp(own) + n - 1) - own
    np.testing.assert_allclose(losses.global_semantic_loss(p, p[:, 0], temperature=TAU), expected, rtol=1e-5)
    expected = math.log(math.exp(own) + 2 * (n - 1)) - own
    np.testing.assert_allclose(losses.image_consistency_loss(p, temperature=TAU), expected, rtol=1e-5)


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


def test_mean_pooling_with_printed_negatives_is_a_constant_without_gradient():
    _, p, _, q, mask, _ = tokens()
    mask[:] = True

    def loss(p, q):
        return losses.local_semantic_loss(p, q, mask, temperature=TAU, pooling="mean")

    value, gradients = jax.value_and_grad(loss, argnums=(0, 1))(p, q)
    np.testing.assert_allclose(value, math.log(q.shape[1]), rtol=1e-6)
    # All L scores of a row are the same number: their softmax is exactly uniform up to rounding.
    assert max(float(jnp.abs(g).max()) for g in gradients) < 1e-6


def test_masking_equals_cutting():
    _, p, _, q, mask, _ = tokens()
    mask[:] = False
    mask[:, :3] = True
    masked = losses.local_semantic_loss(p, q, mask, temperature=TAU, negatives="symmetric")
    cut = losses.local_semantic_loss(p, q[:, :3], mask[:, :3], temperature=TAU, negatives="symmetric")
    np.testing.assert_allclose(masked, cut, rtol=1e-6)


def test_what_is_masked_has_no_gradient():
    _, p, _, q, mask, _ = tokens()
    gradient = jax.grad(lambda q: losses.local_semantic_loss(p, q, mask, temperature=TAU, negatives="symmetric"))(q)
    assert float(jnp.abs(gradient[~mask]).max()) == 0
    assert float(jnp.abs(gradient[mask]).max()) > 0


@pytest.mark.parametrize("change", ["permutation", "rotation", "scale", "views"])
def test_invariances(change):
    arrays = list(tokens())
    before = {k: float(v) for k, v in alignment(*arrays)[1].items()}
    r = np.random.default_rng(3)
    names = set(before)
    if change == "permutation":
        order = r.permutation(len(arrays[0]))
        arrays = [a[order] for a in arrays]
    elif change == "rotation":
        q, _ = np.linalg.qr(r.normal(size=(6, 6)))
        arrays[:4] = [(a @ q).astype(np.float32) for a in arrays[:4]]
    elif change == "scale":  # class tokens only: Eq. 4 attends with unscaled dot products
        arrays[0], arrays[2] = arrays[0] * 7, arrays[2] / 3
    else:
        arrays[0], arrays[1] = arrays[0][:, ::-1], arrays[1][:, ::-1]
        names.discard("image")  # view 1 is the only anchor of the printed Eq. 2
    after = alignment(*arrays)[1]
    for name in names:
        np.testing.assert_allclose(float(after[name]), before[name], rtol=1e-5, err_msg=name)


def test_low_precision_tokens_are_computed_in_float32():
    p, _, q, *_ = tokens()
    low = losses.global_semantic_loss(jnp.array(p, jnp.bfloat16), jnp.array(q, jnp.bfloat16), temperature=TAU)
    rounded = losses.global_semantic_loss(
        jnp.array(p, jnp.bfloat16).astype(jnp.float32), jnp.array(q, jnp.bfloat16).astype(jnp.float32), temperature=TAU
    )
    assert low.dtype == jnp.float32
    assert float(low) == float(rounded)
