"""Heads that join the tokens of a photograph with a vector of metadata, and say the class."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from prima_jax.models.dual_encoder import ClassifierHead

__all__ = ["MetaBlock", "MetadataMLP"]


class MetadataMLP(nn.Module):
    """z = [LayerNorm(class token); LayerNorm(vector)], logits = W2 GELU(W1 z), in float32."""

    classes: int
    width: int

    @nn.compact
    def __call__(self, tokens: jax.Array, vector: jax.Array) -> jax.Array:
        """Tokens [B, 1 + K, d], class token first, vector [B, m] -> logits [B, classes]."""
        parts = {"image": tokens[:, 0], "metadata": vector}
        normed = [_norm(f"{name}_norm", part.astype(jnp.float32)) for name, part in parts.items()]
        hidden = nn.Dense(self.width, name="hidden")(jnp.concatenate(normed, axis=-1))
        return nn.Dense(self.classes, kernel_init=nn.initializers.zeros, name="output")(nn.gelu(hidden, approximate=False))


class MetaBlock(nn.Module):
    """V' = sigmoid(tanh(V * f(m)) + g(m)), channel by channel, then a linear layer over class token and mean patch.

    V is a feature map, m the metadata; f and g are each a linear layer and a norm
    (https://github.com/paaatcha/MetaBlock, my_models/metablock.py). There the norm is BatchNorm; here it is LayerNorm, which
    needs no statistics of the batch, and f starts around 1: without metadata, where LayerNorm is all bias, the image comes
    through.
    """

    classes: int

    @nn.compact
    def __call__(self, tokens: jax.Array, vector: jax.Array) -> jax.Array:
        """Tokens [B, 1 + K, d], class token first, vector [B, m] -> logits [B, classes]."""
        tokens, vector = tokens.astype(jnp.float32), vector.astype(jnp.float32)
        width = tokens.shape[-1]
        scale = _norm("scale_norm", nn.Dense(width, name="scale")(vector), nn.initializers.ones)
        shift = _norm("shift_norm", nn.Dense(width, name="shift")(vector))
        gated = nn.sigmoid(jnp.tanh(tokens * scale[:, None]) + shift[:, None])
        return ClassifierHead(self.classes, name="classifier")(gated)


def _norm(name: str, x: jax.Array, bias_init: nn.initializers.Initializer = nn.initializers.zeros) -> jax.Array:
    return nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, bias_init=bias_init, name=name)(x)
