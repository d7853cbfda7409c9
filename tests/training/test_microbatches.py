"""A contrastive batch in pieces: the same gradients, in memory that does not grow with the batch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from prima_jax.losses import image_consistency_loss
from prima_jax.training.microbatches import in_pieces

LAYERS, WIDTH = 24, 64
WEIGHTS = np.random.default_rng(0).standard_normal((LAYERS, WIDTH, WIDTH)) / np.sqrt(WIDTH)


def contrast(weights: jax.Array, views: jax.Array, pieces: int) -> jax.Array:
    """A contrastive loss of pairs of views, [N, 2, WIDTH], behind a deep encoder."""

    def encode(examples: jax.Array) -> jax.Array:
        for layer in weights:
            examples = examples + jnp.tanh(examples @ layer)
        return examples / jnp.linalg.norm(examples, axis=-1, keepdims=True)

    p = in_pieces(encode, views.reshape(-1, WIDTH), pieces).reshape(views.shape)
    return image_consistency_loss(p, temperature=0.1)


def views(pairs: int, dtype: type = np.float64) -> np.ndarray:
    return np.random.default_rng(2).standard_normal((pairs, 2, WIDTH)).astype(dtype)


@pytest.mark.parametrize("pieces", [2, 8])
def test_cached_gradients_are_those_of_the_whole_batch(pieces):
    with jax.enable_x64(True):
        whole, parts = (jax.grad(contrast)(jnp.asarray(WEIGHTS), views(8), n) for n in (1, pieces))
    assert np.abs(whole).max() > 1e-3
    assert float(optax.tree.norm(parts - whole) / optax.tree.norm(whole)) < 1e-12  # rounding of float64; measured 6e-16


def temporaries(pairs: int, pieces: int) -> int:
    """Bytes that the compiled gradient needs beside its inputs and outputs."""
    gradient = jax.jit(jax.grad(contrast), static_argnums=2)
    compiled = gradient.lower(jnp.asarray(WEIGHTS, jnp.float32), views(pairs, np.float32), pieces).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_memory_of_the_encoder_does_not_grow_with_the_batch():
    """A batch twice as large, in pieces of the same size: what is added are embeddings and similarities, and no activations."""
    embeddings = 64 * 2 * WIDTH * 4
    assert temporaries(128, 16) - temporaries(64, 8) < 2 * embeddings  # measured: once
    assert temporaries(128, 1) - temporaries(64, 1) > LAYERS * embeddings
