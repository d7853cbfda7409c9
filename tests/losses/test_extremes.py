"""Values and gradients stay finite, whatever the temperature and the length of the vectors."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax import losses
from tests.losses.inputs import OPTIONS, TAU, tokens

TEMPERATURES = (1e-4, 1e-2, 1.0, 1e4)
SCALES = (1e-30, 1e-15, 1.0, 1e15, 1e30)


def awkward_tokens():
    """Zero vectors of every kind, and tokens that are equal to each other."""
    arrays = list(tokens())
    arrays[0][2], arrays[1][3, 0, 1], arrays[3][4, 0] = 0, 0, 0
    arrays[0][3, 1], arrays[2][3], arrays[3][1, 1] = arrays[0][3, 0], arrays[0][3, 0], arrays[3][1, 0]
    return arrays


@pytest.mark.parametrize("options", OPTIONS, ids=["-".join(options.values()) for options in OPTIONS])
def test_value_and_gradient_stay_finite(options):
    *inputs, mask, y = awkward_tokens()

    def loss(p_cls, p_seq, q_cls, q_seq, y, t, label_t):
        arrays = (p_cls, p_seq, q_cls, q_seq, mask, y)
        return losses.alignment_loss(*arrays, temperature=t, label_temperature=label_t, **options)[0]

    @jax.jit
    def finite(*x):
        results = jax.tree.leaves(jax.value_and_grad(loss, argnums=range(7))(*x))
        return jnp.array([jnp.isfinite(r).all() for r in results])

    def check(inputs, *rest):
        assert finite(*(np.asarray(x, np.float32) for x in (*inputs, *rest))).all(), rest[1:]

    for t, p, q in itertools.product(TEMPERATURES, SCALES, SCALES):
        check([s * x for s, x in zip((p, p, q, q), inputs, strict=True)], y, t, 1.0)
    for label_t, scale in itertools.product(TEMPERATURES, SCALES):
        check(inputs, scale * y, TAU, label_t)
    r = np.random.default_rng(0)
    for t, _ in itertools.product(TEMPERATURES, range(10)):  # every token on a scale of its own
        # A patch's gradient has the factor |p| / (|phat| tau): one patient's patches are kept within 1e30 of each other.
        ranges = (30, 15, 30, 30)
        scaled = [x * 10.0 ** r.uniform(-s, s, (*x.shape[:-1], 1)) for s, x in zip(ranges, inputs, strict=True)]
        check(scaled, y, t, 1.0)


def test_at_the_lowest_temperature_only_the_nearest_counts():
    """tau -> 0: L_glo is the mean over anchors of the margin to the nearest candidate, over tau."""
    p, _, q, *_ = tokens()
    unit_p, unit_q = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (p.astype(np.float64), q.astype(np.float64)))
    margins = []
    for view in range(2):
        cosines = unit_p[:, view] @ unit_q.T
        margins += [cosines.max(axis) - np.diag(cosines) for axis in (0, 1)]
    t = 1e-4
    expected = np.mean(margins) / t
    # float32: cosines carry 1e-7, over tau 1e-3. The sum is of 4 N margins of order 1 / tau = 1e4.
    np.testing.assert_allclose(losses.global_semantic_loss(p, q, temperature=t), expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-15, 1e15, 1e30])
def test_the_length_of_a_class_token_changes_no_value(scale):
    p, _, q, *_ = tokens()
    small = losses.global_semantic_loss(np.float32(scale) * p, np.float32(scale) * q, temperature=TAU)
    np.testing.assert_allclose(small, losses.global_semantic_loss(p, q, temperature=TAU), rtol=1e-5)


def test_large_labels_choose_the_most_similar_patient():
    y = np.float32(1e30) * np.array([[1, 0, 2], [0, 1, 0], [1, 0, 1]], np.float32)
    targets = losses.soft_targets(y, label_temperature=1.0)
    assert targets.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]


def test_a_zero_vector_is_similar_to_nothing_and_has_no_gradient():
    zero, other = jnp.zeros((1, 3)), jnp.ones((2, 3))
    assert losses.similarity(zero, other, TAU).tolist() == [[0, 0]]
    assert jax.grad(lambda a: losses.similarity(a, other, TAU).sum())(zero).tolist() == [[0, 0, 0]]
