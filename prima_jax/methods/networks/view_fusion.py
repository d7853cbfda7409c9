"""Several views of one unit: each photograph's tokens read those of the others, and then the indication (MLRG, stage 2)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from prima_jax.methods.networks.cross_attention import CrossAttentionBlock
from prima_jax.models.dual_encoder import ProjectionHead
from prima_jax.models.layers import layer_norm, maybe_remat

__all__ = ["IndicationReader", "ViewEncoder", "ViewFusion"]


class ViewFusion(nn.Module):
    """Cross-attention from each photograph's tokens to those of the unit's other photographs, `layers` times."""

    layers: int
    heads: int
    remat: bool = False

    @nn.compact
    def __call__(self, tokens: jax.Array, present: jax.Array, anchors: int | None = None) -> jax.Array:
        """tokens [N, V, T, w], present [N, V] -> [N, A, T, w], for the first A of the photographs (None: all).

        A photograph without others passes unchanged, bit for bit.
        """
        units, views, length, width = tokens.shape
        anchors = views if anchors is None else anchors
        own = tokens[:, :anchors].reshape(units * anchors, length, width)
        memory = jnp.repeat(tokens.reshape(units, views * length, width), anchors, axis=0)
        others = present[:, None] & ~jnp.eye(anchors, views, dtype=bool)  # [N, A, V]
        others = others.reshape(units * anchors, views)
        x, block_class = own, maybe_remat(CrossAttentionBlock, self.remat)
        for layer in range(self.layers):
            block = block_class(width, self.heads, self_attention=False, name=f"layer_{layer}")
            x = block(x, memory, jnp.repeat(others, length, axis=1))
        fused = jnp.where(others.any(axis=1)[:, None, None], x, own)
        return fused.reshape(units, anchors, length, width)


class ViewEncoder(nn.Module):
    """What both stages of MLRG have in common: projections of both encoders' tokens to one width, and the fusion."""

    width: int
    layers: int
    heads: int
    kinds: int
    """How many kinds of view there are."""
    remat: bool = False

    @nn.compact
    def __call__(
        self, tokens: jax.Array, kinds: jax.Array, present: jax.Array, text: jax.Array, anchors: int | None = None
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """tokens [N, V, T, d], kinds int and present bool [N, V], text [..., 1 + L, d_text].

        Returns each photograph's own tokens and those fused with the unit's others, [N, A, T, w], and the text's
        [..., 1 + L, w], where A is `anchors`, by default V.
        """
        kind = nn.Embed(self.kinds, tokens.shape[-1], embedding_init=nn.initializers.normal(0.02), name="kind_embedding")
        own = ProjectionHead(self.width, name="image")(tokens.astype(jnp.float32) + kind(kinds)[:, :, None])
        own = layer_norm(1e-5, jnp.float32, name="norm")(own)
        fused = ViewFusion(self.layers, self.heads, self.remat, name="fusion")(own, present, anchors)
        return own[:, : fused.shape[1]], fused, ProjectionHead(self.width, name="text")(text)


class IndicationReader(nn.Module):
    """[own ; fused] + type embeddings, LayerNorm, one block that reads the indication, and a linear to the LLM's width."""

    heads: int
    llm_width: int
    remat: bool = False

    @nn.compact
    def __call__(self, own: jax.Array, fused: jax.Array, indication: jax.Array, mask: jax.Array) -> jax.Array:
        """own and fused [B, T, w], indication [B, 1 + L, w], mask [B, 1 + L] -> [B, 2 T, llm_width]."""
        width = own.shape[-1]
        types = self.param("type_embedding", nn.initializers.normal(0.02), (2, width))
        x = jnp.concatenate([own + types[0], fused + types[1]], axis=1)
        x = layer_norm(1e-5, jnp.float32, name="norm")(x)
        memory = layer_norm(1e-5, jnp.float32, name="indication_norm")(indication)
        block = maybe_remat(CrossAttentionBlock, self.remat)
        x = block(width, self.heads, name="indication")(x, memory, mask)
        return nn.Dense(self.llm_width, name="to_llm")(layer_norm(1e-5, jnp.float32, name="output_norm")(x))
