"""Transformer blocks whose queries read another sequence: what the query former and the fusion of views are made of."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from prima_jax.models.layers import Dense, attention, layer_norm, split_heads

__all__ = ["CrossAttentionBlock", "MultiHeadAttention"]

_INIT = nn.initializers.lecun_normal()  # layers.Dense's own default is that of the published checkpoints


class MultiHeadAttention(nn.Module):
    """softmax(Q K^T / sqrt(head size)) V over `heads` heads; the keys and values may come from another sequence."""

    width: int
    heads: int

    @nn.compact
    def __call__(self, queries: jax.Array, memory: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """queries [B, T, width], memory [B, S, any], mask [B, S] (True: may be seen) -> [B, T, width]."""
        size = self.width // self.heads
        inputs = {"query": queries, "key": memory, "value": memory}
        q, k, v = (split_heads(Dense(self.width, kernel_init=_INIT, name=n)(x), size) for n, x in inputs.items())
        mixed = attention(q, k, v, None if mask is None else mask[:, None, None])
        return Dense(self.width, kernel_init=_INIT, name="output")(mixed)


class CrossAttentionBlock(nn.Module):
    """Self-attention (if any), cross-attention to a memory, feed-forward; pre-norm, each added to its input."""

    width: int
    heads: int
    self_attention: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, memory: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """x [B, T, width], memory [B, S, any] (normed already), mask [B, S] -> [B, T, width]."""

        def normed(name: str) -> jax.Array:
            return layer_norm(1e-5, jnp.float32, name=f"{name}_norm")(x)

        if self.self_attention:
            own = normed("self_attention")
            x = x + MultiHeadAttention(self.width, self.heads, name="self_attention")(own, own)
        queries = normed("cross_attention")
        x = x + MultiHeadAttention(self.width, self.heads, name="cross_attention")(queries, memory, mask)
        hidden = Dense(4 * self.width, kernel_init=_INIT, name="feed_forward_hidden")(normed("feed_forward"))
        return x + Dense(self.width, kernel_init=_INIT, name="feed_forward_output")(nn.gelu(hidden, approximate=False))
