"""A query former (BLIP-2, Li et al. 2023, arXiv 2301.12597): a few learnt queries read all image tokens for an LLM."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from prima_jax.methods.networks.cross_attention import CrossAttentionBlock
from prima_jax.models.layers import layer_norm, maybe_remat

__all__ = ["Bridge", "Bridged", "QueryFormer"]

_START_TEMPERATURE = 0.07


class QueryFormer(nn.Module):
    """`queries` learnt vectors attend to each other and to the image tokens, in `layers` blocks.

    From scratch, and pre-norm, where BLIP-2's starts from BERT's weights and is post-norm.
    """

    queries: int
    layers: int
    width: int
    heads: int
    remat: bool = False

    @nn.compact
    def __call__(self, image_tokens: jax.Array, scan_mask: jax.Array) -> jax.Array:
        """image_tokens [B, S, T, d], scan_mask [B, S] (True: the photograph is there) -> [B, queries, width]."""
        batch, scans, tokens, depth = image_tokens.shape
        views = self.param("view_embedding", nn.initializers.normal(0.02), (scans, depth))
        memory = layer_norm(1e-5, jnp.float32, name="image_norm")(image_tokens.astype(jnp.float32))
        memory = (memory + views[:, None]).reshape(batch, scans * tokens, depth)
        mask = jnp.repeat(scan_mask, tokens, axis=1)
        learnt = self.param("queries", nn.initializers.normal(0.02), (self.queries, self.width))
        # Normed as BERT norms its embeddings: else what all queries read alike would drown what they differ in.
        x = layer_norm(1e-5, jnp.float32, name="query_norm")(learnt)
        x = jnp.broadcast_to(x, (batch, *x.shape))
        block = maybe_remat(CrossAttentionBlock, self.remat)
        for layer in range(self.layers):
            x = block(self.width, self.heads, name=f"layer_{layer}")(x, memory, mask)
        return layer_norm(1e-5, jnp.float32, name="output_norm")(x)


class Bridged(NamedTuple):
    """What a Bridge makes of B cases: the LLM's visual tokens, and both sides of the contrast, unnormalised."""

    tokens: jax.Array
    """[B, queries, width of the LLM]."""
    images: jax.Array
    """[B, queries, shared width]."""
    texts: jax.Array
    """[B, shared width]."""
    temperature: jax.Array
    """Scalar, positive."""


class Bridge(nn.Module):
    """The query former between a frozen image encoder and an LLM, with the heads of its image-text contrast."""

    queries: int
    layers: int
    width: int
    heads: int
    shared_width: int
    llm_width: int
    remat: bool = False

    @nn.compact
    def __call__(self, image_tokens: jax.Array, scan_mask: jax.Array, text: jax.Array) -> Bridged:
        """image_tokens [B, S, T, d], scan_mask [B, S], text [B, d_text]: a sentence as one vector."""
        former = QueryFormer(self.queries, self.layers, self.width, self.heads, self.remat, name="query_former")
        read = former(image_tokens, scan_mask)
        # Its logarithm is learnt, which keeps the temperature positive.
        temperature = self.param("log_temperature", nn.initializers.constant(jnp.log(_START_TEMPERATURE)), ())
        return Bridged(
            nn.Dense(self.llm_width, name="to_llm")(read),
            nn.Dense(self.shared_width, name="image_head")(read),
            nn.Dense(self.shared_width, name="text_head")(text.astype(jnp.float32)),
            jnp.exp(temperature),
        )
