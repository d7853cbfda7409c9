"""The projector between the two frozen encoders and the LLM (section 2.3 of the paper).

Global tokens pass an MLP, local text tokens a 1-D and local image tokens a 2-D convolution block that downsample; the
results are laid into one sequence, fenced by learnable special tokens, that ends with `<|diagnosis|>`. The LLM's hidden
state there, scored against the class tokens alone, is the diagnosis.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

__all__ = ["Features", "Projector", "Sequence", "positions", "special_tokens"]


Array = jax.Array | np.ndarray


def special_tokens(image_types: tuple[str, ...]) -> dict[str, str]:
    """Returns the learnable special tokens, and the words whose mean LLM embedding initialises each.

    Every image type has a start token of its own.
    """
    return {
        **{f"<|img_start_{i}|>": f"start of the {image_type} image" for i, image_type in enumerate(image_types)},
        "<|img_end|>": "end of the image",
        "<|text_start|>": "start of the clinical record",
        "<|text_end|>": "end of the clinical record",
        "<|diagnosis|>": "the diagnosis is",
    }


class Features(NamedTuple):
    """The tokens of both encoders for B cases of up to S photographs."""

    image_tokens: Array
    """[B, S, 1 + K, d_image]: class token, then K = H x W patches, row by row; registers are left out."""
    scan_mask: Array
    """[B, S]: True where the case has that photograph."""
    text_tokens: Array
    """[B, 1 + L, d_text]: class token, then the others."""
    text_mask: Array
    """[B, L]: True for words."""


class Sequence(NamedTuple):
    """The LLM's input: embeddings [B, T, D] and attention mask [B, T]; the last token is always unmasked."""

    embeddings: jax.Array
    mask: jax.Array


class Projector(nn.Module):
    """Projects Features into the LLM's width and lays them out as one Sequence."""

    width: int
    """The LLM's."""
    hidden: int
    grid: tuple[int, int]
    """Rows and columns of patches."""
    image_stride: int = 2
    text_stride: int = 2
    """Stride of convolutions over three tokens; above 3, of mean pooling over non-overlapping windows."""
    standardized: bool = False
    """True: each input dimension is standardised by its mean and standard deviation over the training cases
    (stages/statistics.py), which no gradient reaches. False: LayerNorm."""

    @nn.compact
    def __call__(self, features: Features) -> Sequence:
        batch, scans = features.scan_mask.shape
        special = self.param("special_tokens", nn.initializers.normal(0.02), (scans + 4, self.width))

        def token(index: int) -> jax.Array:
            return jnp.broadcast_to(special[index], (batch, 1, self.width))

        image_global = self._global("image_global", features.image_tokens[:, :, 0])  # [B, S, D]
        image_local = self._image_local(features.image_tokens[:, :, 1:])  # [B, S, K', D]
        text_global = self._global("text_global", features.text_tokens[:, :1])  # [B, 1, D]
        text_local, text_mask = self._text_local(features.text_tokens[:, 1:], features.text_mask)

        parts, masks = [], []
        for scan in range(scans):
            block = jnp.concatenate([token(scan), image_global[:, scan : scan + 1], image_local[:, scan], token(scans)], axis=1)
            parts.append(block)
            masks.append(jnp.broadcast_to(features.scan_mask[:, scan : scan + 1], block.shape[:2]))
        seen = jnp.ones((batch, 1), bool)
        parts += [token(scans + 1), text_global, text_local, token(scans + 2), token(scans + 3)]
        masks += [seen, seen, text_mask, seen, seen]
        return Sequence(jnp.concatenate(parts, axis=1), jnp.concatenate(masks, axis=1))

    def _global(self, name: str, tokens: Array) -> jax.Array:
        x = self._normed(name, tokens)
        x = nn.gelu(nn.Dense(self.hidden, name=f"{name}_hidden")(x), approximate=False)
        return nn.Dense(self.width, name=f"{name}_output")(x)

    def _image_local(self, patches: Array) -> jax.Array:
        batch, scans, _, depth = patches.shape
        x, stride = self._normed("image_local", patches.reshape(batch * scans, *self.grid, depth)), self.image_stride
        window = 3
        if stride > 3:
            x = nn.avg_pool(x, (stride, stride), (stride, stride), "SAME", count_include_pad=False)
            window, stride = 1, 1
        x = nn.Conv(self.hidden, (window, window), strides=stride, name="image_local_hidden")(x)
        x = nn.Conv(self.width, (1, 1), name="image_local_output")(nn.gelu(x, approximate=False))
        return x.reshape(batch, scans, -1, self.width)

    def _text_local(self, tokens: Array, mask: Array) -> tuple[jax.Array, jax.Array]:
        x, stride = self._normed("text_local", tokens), self.text_stride
        x = x * mask[..., None]  # what is not a word must not reach its neighbours
        padding = (0, -mask.shape[1] % stride)
        windows = jnp.pad(mask, ((0, 0), padding)).reshape(mask.shape[0], -1, stride)
        # One on each side, not "SAME", which would shift the windows by one where the length is even.
        window, around = 3, [(1, 1) if stride < 3 else padding]
        if stride > 3:
            x = jnp.pad(x, ((0, 0), padding, (0, 0))).reshape(*windows.shape, -1).sum(axis=2)
            x = x / jnp.maximum(windows.sum(axis=2), 1)[..., None]
            window, stride, around = 1, 1, [(0, 0)]
        x = nn.Conv(self.hidden, (window,), strides=stride, padding=around, name="text_local_hidden")(x)
        x = nn.Conv(self.width, (1,), name="text_local_output")(nn.gelu(x, approximate=False))
        return x, windows.any(axis=-1)

    def _normed(self, name: str, tokens: Array) -> jax.Array:
        x = jnp.asarray(tokens, jnp.float32)
        if not self.standardized:
            return nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, name=f"{name}_norm")(x)
        mean = self.param(f"{name}_mean", nn.initializers.zeros, x.shape[-1:])
        scale = self.param(f"{name}_scale", nn.initializers.ones, x.shape[-1:])
        return (x - jax.lax.stop_gradient(mean)) * jax.lax.stop_gradient(scale)


def positions(mask: jax.Array) -> jax.Array:
    """Positions that count unmasked tokens only, so that padding or a missing photograph shifts nothing. [B, T] -> [B, T]."""
    return jnp.maximum(jnp.cumsum(mask.astype(jnp.int32), axis=1) - 1, 0)
