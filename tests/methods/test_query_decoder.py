"""DETR's decoder: its formula written as loops, and what its attention is."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.methods.networks.query_decoder import QueryDecoder

B, Q, P, WIDTH, HEADS, HIDDEN = 2, 3, 5, 8, 2, 16
DECODER = QueryDecoder(WIDTH, 2, HEADS, HIDDEN)


def drawn():
    generator = np.random.default_rng(0)
    queries, patches = generator.standard_normal((Q, WIDTH)), generator.standard_normal((B, P, WIDTH))
    queries, patches = queries.astype(np.float32), patches.astype(np.float32)
    params = DECODER.init(jax.random.key(0), queries, patches)["params"]
    # Biases start at zero and scales at one, where a swapped or forgotten one would not be noticed.
    leaves, tree = jax.tree.flatten(params)
    params = jax.tree.unflatten(tree, [leaf + 0.1 * generator.standard_normal(leaf.shape).astype(np.float32) for leaf in leaves])
    return params, queries, patches


def norm(p, x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * p["scale"] + p["bias"]


def dense(p, x):
    return x @ p["kernel"] + p["bias"]


def attend(p, x, memory):
    """One image, heads and queries by loops: the mixed values [T, d] and the weights [heads, T, S]."""
    query, key, value = dense(p["query"], x), dense(p["key"], memory), dense(p["value"], memory)
    size, mixed, weights = WIDTH // HEADS, np.zeros_like(x), np.zeros((HEADS, len(x), len(memory)))
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        for t in range(len(x)):
            scores = np.array([query[t, part] @ key[s, part] / np.sqrt(size) for s in range(len(memory))])
            weights[head, t] = np.exp(scores) / np.exp(scores).sum()
            mixed[t, part] = sum(w * v for w, v in zip(weights[head, t], value[:, part], strict=True))
    return dense(p["output"], mixed), weights


def reference(params, queries, patches):
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    found, attention = [], []
    for memory in patches.astype(np.float64):
        x, weights = queries.astype(np.float64), []
        for number in range(DECODER.layers):
            p = params[f"layer_{number}"]
            normed = norm(p["self_norm"], x)
            x = x + attend(p["self_attention"], normed, normed)[0]
            mixed, layer_weights = attend(p["cross_attention"], norm(p["cross_norm"], x), memory)
            x = x + mixed
            x = x + dense(p["output"], np.maximum(dense(p["hidden"], norm(p["mlp_norm"], x)), 0))
            weights.append(layer_weights)
        found.append(norm(params["norm"], x))
        attention.append(np.stack(weights))
    return np.stack(found), np.stack(attention, axis=1)


class AgainstLoops(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_queries_and_attention(self):
        params, queries, patches = drawn()
        decode = self.variant(lambda *arrays: DECODER.apply({"params": arrays[0]}, *arrays[1:]))
        decoded, (expected, attention) = decode(params, queries, patches), reference(params, queries, patches)
        np.testing.assert_allclose(decoded.queries, expected, rtol=2e-5, atol=2e-5)
        np.testing.assert_allclose(decoded.attention, attention, rtol=2e-5, atol=2e-6)


def test_attention_is_a_distribution_over_patches_that_differs_between_queries():
    params, queries, patches = drawn()
    attention = np.asarray(DECODER.apply({"params": params}, queries, patches).attention)
    assert attention.shape == (2, B, HEADS, Q, P)
    assert (attention >= 0).all()
    np.testing.assert_allclose(attention.sum(axis=-1), 1, rtol=1e-6)
    assert min(np.abs(attention[..., a, :] - attention[..., b, :]).max() for a in range(Q) for b in range(a)) > 1e-3


def test_patches_may_come_in_any_order_and_attention_goes_with_them():
    params, queries, patches = drawn()
    order = np.array([3, 0, 4, 1, 2])
    as_it_is, moved = (DECODER.apply({"params": params}, queries, x) for x in (patches, patches[:, order]))
    np.testing.assert_allclose(moved.queries, as_it_is.queries, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(moved.attention, jnp.take(as_it_is.attention, order, axis=-1), rtol=1e-5, atol=1e-6)
