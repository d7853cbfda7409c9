"""Queries that look at image patches: DETR's transformer decoder (Carion et al. 2020, arXiv 2005.12872), pre-norm."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from prima_jax.models.layers import Dense, layer_norm, maybe_remat, split_heads

__all__ = ["Decoded", "QueryDecoder"]

_NORM_EPSILON = 1e-5


class Decoded(NamedTuple):
    """What a decoder says of B images to Q queries."""

    queries: jax.Array
    """[B, Q, d], after the final norm."""
    attention: jax.Array
    """[layers, B, heads, Q, P]: how each query spreads over the patches, a distribution."""


class QueryDecoder(nn.Module):
    """Layers of self-attention among the queries, cross-attention to the patches, and an MLP; no positional encodings.

    Without positions, the patches may come in any order. There is no dropout.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    remat: bool = False

    @nn.compact
    def __call__(self, queries: jax.Array, patches: jax.Array) -> Decoded:
        """queries [Q, d], the same for every image, and patches [B, P, d], both of the decoder's width."""
        x = jnp.broadcast_to(queries, (len(patches), *queries.shape))
        attention, layer_class = [], maybe_remat(DecoderLayer, self.remat)
        for number in range(self.layers):
            layer = layer_class(self.width, self.heads, self.hidden, name=f"layer_{number}")
            x, weights = layer(x, patches)
            attention.append(weights)
        return Decoded(layer_norm(_NORM_EPSILON, jnp.float32, name="norm")(x), jnp.stack(attention))


class DecoderLayer(nn.Module):
    """x + self(norm x), then x + cross(norm x, patches), then x + MLP(norm x)."""

    width: int
    heads: int
    hidden: int

    @nn.compact
    def __call__(self, x: jax.Array, patches: jax.Array) -> tuple[jax.Array, jax.Array]:
        """x [B, Q, d], patches [B, P, d] -> x [B, Q, d], the weights over the patches [B, heads, Q, P]."""
        normed = layer_norm(_NORM_EPSILON, jnp.float32, name="self_norm")(x)
        x += AttentionWithWeights(self.width, self.heads, name="self_attention")(normed, normed)[0]
        normed = layer_norm(_NORM_EPSILON, jnp.float32, name="cross_norm")(x)
        mixed, weights = AttentionWithWeights(self.width, self.heads, name="cross_attention")(normed, patches)
        x += mixed
        normed = layer_norm(_NORM_EPSILON, jnp.float32, name="mlp_norm")(x)
        return x + _dense(self.width, "output")(nn.relu(_dense(self.hidden, "hidden")(normed))), weights


class AttentionWithWeights(nn.Module):
    """softmax(Q K^T / sqrt(head size)) V of several heads, and the weights with which the values are mixed."""

    width: int
    heads: int

    @nn.compact
    def __call__(self, x: jax.Array, memory: jax.Array) -> tuple[jax.Array, jax.Array]:
        """x [B, T, d], memory [B, S, d] -> [B, T, d], weights [B, heads, T, S]."""
        size = self.width // self.heads
        query = split_heads(_dense(self.width, "query")(x), size)
        key, value = (split_heads(_dense(self.width, name)(memory), size) for name in ("key", "value"))
        weights = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", query, key) * size**-0.5, axis=-1)
        mixed = jnp.einsum("bhts,bshd->bthd", weights, value)
        return _dense(self.width, "output")(mixed.reshape(*x.shape[:-1], self.width)), weights


def _dense(features: int, name: str) -> Dense:
    return Dense(features, kernel_init=nn.initializers.lecun_normal(), name=name)
