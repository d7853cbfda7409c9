import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.models import layers


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize("groups", (4, 2, 1))
def test_attention_on_a_cpu_equals_that_on_other_devices(groups):
    """The two implementations agree where every query sees something, also with shared key and value heads."""
    query, key, value = normal(0, 2, 5, 4, 8), normal(1, 2, 7, groups, 8), normal(2, 2, 7, groups, 8)
    mask = jax.random.bernoulli(jax.random.key(3), 0.5, (2, 1, 5, 7)).at[..., 0].set(True)
    expected = jax.nn.dot_product_attention(query, key, value, mask=mask)
    found = layers.attention(query, key, value, mask)
    assert found.shape == (2, 5, 32)
    np.testing.assert_allclose(found, expected.reshape(2, 5, 32), atol=2e-6)  # sums of 7 terms of order 1 in float32


def test_attention_ignores_what_is_masked_and_stays_finite_where_nothing_is_seen():
    query, key, value = normal(0, 1, 3, 2, 4), normal(1, 1, 3, 2, 4), normal(2, 1, 3, 2, 4)
    mask = jnp.array([[True, True, False], [True, True, False], [False, False, False]])[None, None]
    first = layers.attention(query, key, value, mask)
    second = layers.attention(query, key.at[:, 2].set(9.0), value.at[:, 2].set(9.0), mask)
    np.testing.assert_array_equal(first[:, :2], second[:, :2])
    assert np.isfinite(first).all()


def test_softmax_is_float32_in_a_bfloat16_model():
    """Scores of 256 and 257 are one number in bfloat16, which would weigh them equally; 1 / (1 + e^-1) = 0.731."""
    query = jnp.array([32, 2, 0, 0], jnp.bfloat16).reshape(1, 1, 1, 4)
    key = jnp.array([[16, 0, 0, 0], [16, 1, 0, 0]], jnp.bfloat16).reshape(1, 2, 1, 4)
    value = jnp.array([[0, 0, 0, 0], [1, 1, 1, 1]], jnp.bfloat16).reshape(1, 2, 1, 4)
    found = layers.attention(query, key, value)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(found.astype(jnp.float32), 0.731, atol=0.004)


def test_rotary_positions_are_relative():
    """The product of a turned query and a turned key depends on their distance alone, and turning keeps lengths."""
    query, key = normal(0, 1, 1, 1, 8), normal(1, 1, 1, 1, 8)

    def turned(x, position):
        return layers.rotate(x, layers.rotary_embedding(jnp.array([[position]]), 100.0, 8))

    near = jnp.vdot(turned(query, 3), turned(key, 1))
    np.testing.assert_allclose(near, jnp.vdot(turned(query, 12), turned(key, 10)), rtol=1e-5)
    assert abs(near - jnp.vdot(turned(query, 3), turned(key, 2))) > 1e-3
    np.testing.assert_allclose(jnp.linalg.norm(turned(query, 7)), jnp.linalg.norm(query), rtol=1e-6)
    np.testing.assert_array_equal(turned(query, 0), query)


def test_gelu_is_the_exact_one():
    """Φ(1) = 0.8413447; the tanh approximation gives 0.8411920."""
    assert abs(float(layers.ACTIVATIONS["gelu"](jnp.float32(1.0))) - 0.8413447) < 1e-6


def test_layer_norm_of_a_large_mean():
    """The fast variance, mean(x²) - mean(x)², has nothing left of it in float32 at a mean of 10,000."""
    x = 1e4 + jnp.array([[-1.0, 1.0, -1.0, 1.0]])
    norm = layers.layer_norm(1e-5, jnp.float32)
    found = norm.apply(norm.init(jax.random.key(0), x), x)
    np.testing.assert_allclose(found, [[-1, 1, -1, 1]], atol=1e-3)


@pytest.mark.torch
@pytest.mark.parametrize(("theta", "size"), ((1e4, 64), (1e5, 64), (1.6e5, 64), (1e6, 128), (134351.36, 8)))
def test_rotary_frequencies_are_those_of_torch(theta, size):
    """A frequency one unit of the last place away turns the 4,096th token by up to 2e-4 radians more; 2e-7 is float32's own."""
    torch = pytest.importorskip("torch")
    frequencies = 1.0 / theta ** (torch.arange(0, size, 2).float() / size)  # as transformers' "default" rope
    angles = 4095 * frequencies.numpy()
    cos, sin = layers.rotary_embedding(jnp.array([[4095]]), theta, size)
    np.testing.assert_allclose(cos[0, 0, : size // 2], np.cos(angles.astype(np.float64)), atol=2e-7)
    np.testing.assert_allclose(sin[0, 0, : size // 2], np.sin(angles.astype(np.float64)), atol=2e-7)
