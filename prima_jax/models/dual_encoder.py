"""Projection heads that take image and text tokens into one shared space (section 2.2 of the paper)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

__all__ = ["ClassifierHead", "ProjectionHead", "SharedSpace"]


class ProjectionHead(nn.Module):
    """LayerNorm, Linear, GELU, Linear: tokens [..., d] -> [..., width], in float32."""

    width: int

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, name="norm")(tokens.astype(jnp.float32))
        x = nn.gelu(nn.Dense(self.width, name="hidden")(x), approximate=False)
        return nn.Dense(self.width, name="output")(x)


class SharedSpace(nn.Module):
    """One head for each modality, the same for its class token and its sequence tokens."""

    width: int

    def setup(self) -> None:
        self.image = ProjectionHead(self.width)
        self.text = ProjectionHead(self.width)

    def __call__(self, image_tokens: jax.Array, text_tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        """image_tokens [N, 2, 1 + K, d_image], text_tokens [N, 1 + L, d_text] -> p [N, 2, 1 + K, D], q [N, 1 + L, D]."""
        return self.image(image_tokens), self.text(text_tokens)


class ClassifierHead(nn.Module):
    """LayerNorm and Linear over the class token and the mean patch: tokens [B, 1 + K, d] -> logits [B, classes]."""

    classes: int

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        tokens = tokens.astype(jnp.float32)
        summary = jnp.concatenate([tokens[:, 0], tokens[:, 1:].mean(axis=1)], axis=-1)
        summary = nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, name="norm")(summary)
        return nn.Dense(self.classes, kernel_init=nn.initializers.zeros, name="output")(summary)
