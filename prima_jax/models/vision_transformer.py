"""The transformer of DINOv2 and DINOv3: patches and pre-norm blocks with layer scale, run whole or in two parts.

Positions and configs differ and are in dinov2.py and dinov3.py.
"""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import linen as nn

from prima_jax.errors import UserError
from prima_jax.models.layers import (
    ACTIVATIONS,
    Dense,
    EncoderOutput,
    GatedMLP,
    Rotation,
    attention,
    layer_norm,
    maybe_remat,
    rotate,
    split_heads,
)

__all__ = ["VisionConfig", "VisionTransformer", "check_heads"]


class VisionConfig(Protocol):
    """The fields and derived values that the shared transformer reads from a config."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    patch_size: int
    num_channels: int
    layerscale_value: float
    layer_norm_eps: float
    initializer_range: float

    @property
    def num_register_tokens(self) -> int: ...
    @property
    def intermediate_size(self) -> int: ...
    @property
    def activation(self) -> str: ...
    @property
    def use_gated_mlp(self) -> bool: ...
    @property
    def mlp_name(self) -> str: ...
    @property
    def query_bias(self) -> bool: ...
    @property
    def key_bias(self) -> bool: ...
    @property
    def value_bias(self) -> bool: ...
    @property
    def proj_bias(self) -> bool: ...
    @property
    def mlp_bias(self) -> bool: ...


class VisionTransformer(nn.Module):
    """Normalised images [B, H, W, C] -> tokens [B, 1 + R + (H / patch) * (W / patch), d].

    The class token comes first, then R = `config.num_register_tokens` registers, then the patches row by row.
    """

    config: Any
    dtype: Any = jnp.float32
    remat: bool = False

    def setup(self) -> None:
        config = self.config
        init = nn.initializers.normal(config.initializer_range)
        self.patch_embeddings = PatchEmbedding(config, self.dtype)
        self.cls_token = self.param("cls_token", init, (1, 1, config.hidden_size))
        if self._mask_token_shape():
            # Only pre-training uses the mask token; it is kept so that a checkpoint is read and written whole.
            self.mask_token = self.param("mask_token", nn.initializers.zeros, self._mask_token_shape())
        if config.num_register_tokens:
            self.register_tokens = self.param("register_tokens", init, (1, config.num_register_tokens, config.hidden_size))
        self.positions = self._make_positions()
        layer = maybe_remat(Layer, self.remat)
        self.layers = [layer(config, self.dtype) for _ in range(config.num_hidden_layers)]
        self.norm = layer_norm(config.layer_norm_eps, self.dtype)

    def __call__(self, images: jax.Array, *, output_hidden_states: bool = False) -> EncoderOutput:
        """H and W may differ; raises UserError unless both are multiples of the patch size."""
        grid = self._grid(images)
        return self.suffix(self.prefix(images, 0), 0, grid=grid, output_hidden_states=output_hidden_states)

    def prefix(self, images: jax.Array, blocks: int) -> jax.Array:
        """Images -> tokens [B, T, d] after the first `blocks` layers, before the final norm.

        Raises UserError as a call does, and for more layers than there are.
        """
        rows, columns = self._grid(images)
        self._check_blocks(blocks)
        patches = self._place(self.patch_embeddings(images), rows, columns)
        tokens = [self._place_class(self.cls_token)]
        if self.config.num_register_tokens:
            tokens.append(self.register_tokens)
        tokens = [jnp.broadcast_to(t, (len(images), *t.shape[1:])).astype(self.dtype) for t in tokens]
        x, rotation = jnp.concatenate([*tokens, patches], axis=1), self._rotation(rows, columns)
        for layer in self.layers[:blocks]:
            x = layer(x, rotation)
        return x

    def suffix(
        self, tokens: jax.Array, blocks: int, *, grid: tuple[int, int], output_hidden_states: bool = False
    ) -> EncoderOutput:
        """Returns the model's output for `tokens` [B, T, d], which `prefix` computed with the same `blocks`.

        `grid` is (H / patch, W / patch); hidden states begin with `tokens`. Raises UserError where it does not fit them, and
        for more layers than there are.
        """
        self._check_blocks(blocks)
        expected = 1 + self.config.num_register_tokens + grid[0] * grid[1]
        if tokens.shape[1] != expected:
            raise UserError(
                f"{tokens.shape[1]} tokens are not those of {grid[0]} x {grid[1]} patches (expected {expected}); give the "
                "grid of the images from which they were made."
            )
        rotation = self._rotation(*grid)
        x = tokens.astype(self.dtype)
        states = [x]
        for layer in self.layers[blocks:]:
            x = layer(x, rotation)
            states.append(x)
        return EncoderOutput(self.norm(x), tuple(states) if output_hidden_states else None)

    def _make_positions(self) -> Any:
        """Returns the parameter of learnt positions, if there is one."""
        return None

    def _mask_token_shape(self) -> tuple[int, ...]:
        """Returns the shape of the mask token, () if there is none."""
        return (1, 1, self.config.hidden_size)

    def _place(self, patches: jax.Array, rows: int, columns: int) -> jax.Array:
        """Adds positions to patches [B, rows * columns, d]."""
        return patches

    def _place_class(self, token: jax.Array) -> jax.Array:
        """Adds its position to the class token [1, 1, d]."""
        return token

    def _rotation(self, rows: int, columns: int) -> Rotation | None:
        """Returns the rotation of queries and keys in every layer, if there is one."""
        return None

    def _grid(self, images: jax.Array) -> tuple[int, int]:
        height, width, size = *images.shape[1:3], self.config.patch_size
        if height % size or width % size or not height * width:
            raise UserError(
                f"Images of {height} x {width} pixels cannot be cut into patches of {size}; "
                "choose an image size that is a multiple of the patch size."
            )
        return height // size, width // size

    def _check_blocks(self, blocks: int) -> None:
        if not 0 <= blocks <= self.config.num_hidden_layers:
            raise UserError(
                f"A cut after {blocks} blocks was asked for of an encoder that has {self.config.num_hidden_layers}; "
                f"choose 0 to {self.config.num_hidden_layers}."
            )


class PatchEmbedding(nn.Module):
    """A convolution whose stride is its size, as one matrix product: [B, H, W, C] -> [B, patches, d]."""

    config: VisionConfig
    dtype: Any

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        size, channels, width = self.config.patch_size, self.config.num_channels, self.config.hidden_size
        init = nn.initializers.normal(self.config.initializer_range)
        kernel = self.param("kernel", init, (size, size, channels, width)).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (width,)).astype(self.dtype)
        batch, rows, columns = len(images), images.shape[1] // size, images.shape[2] // size
        patches = images.astype(self.dtype).reshape(batch, rows, size, columns, size, channels)
        patches = patches.transpose(0, 1, 3, 2, 4, 5).reshape(batch * rows * columns, -1)
        return (patches @ kernel.reshape(-1, width) + bias).reshape(batch, rows * columns, width)


class Layer(nn.Module):
    """Pre-norm attention and MLP, each scaled per channel before it is added."""

    config: VisionConfig
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, rotation: Rotation | None) -> jax.Array:
        attended = Attention(self.config, self.dtype, name="attention")(self._norm("norm1", x), rotation)
        x = x + self._scale("layer_scale1") * attended
        return x + self._scale("layer_scale2") * self._mlp(self._norm("norm2", x))

    def _norm(self, name: str, x: jax.Array) -> jax.Array:
        return layer_norm(self.config.layer_norm_eps, self.dtype, name=name)(x)

    def _scale(self, name: str) -> jax.Array:
        initial = nn.initializers.constant(self.config.layerscale_value)
        return self.param(name, initial, (self.config.hidden_size,)).astype(self.dtype)

    def _mlp(self, x: jax.Array) -> jax.Array:
        config = self.config
        mlp = GatedMLP if config.use_gated_mlp else PlainMLP
        init = nn.initializers.normal(config.initializer_range)
        layer = mlp(config.intermediate_size, config.activation, config.mlp_bias, self.dtype, init, name=config.mlp_name)
        return layer(x)


class PlainMLP(nn.Module):
    """down(activation(up(x)))."""

    hidden: int
    activation: str
    use_bias: bool
    dtype: Any
    kernel_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        hidden = Dense(self.hidden, self.use_bias, self.dtype, self.kernel_init, name="up_proj")(x)
        hidden = ACTIVATIONS[self.activation](hidden)
        return Dense(x.shape[-1], self.use_bias, self.dtype, self.kernel_init, name="down_proj")(hidden)


class Attention(nn.Module):
    """Self-attention of every token with every other, with rotary positions if `rotation` is given."""

    config: VisionConfig
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, rotation: Rotation | None) -> jax.Array:
        config = self.config
        size = config.hidden_size // config.num_attention_heads
        init = nn.initializers.normal(config.initializer_range)

        def project(name: str, use_bias: bool, tokens: jax.Array) -> jax.Array:
            return Dense(config.hidden_size, use_bias, self.dtype, init, name=name)(tokens)

        def turned(x: jax.Array) -> jax.Array:
            return x if rotation is None else rotate(x, rotation)

        query = turned(split_heads(project("q_proj", config.query_bias, x), size))
        key = turned(split_heads(project("k_proj", config.key_bias, x), size))
        value = split_heads(project("v_proj", config.value_bias, x), size)
        return project("o_proj", config.proj_bias, attention(query, key, value))


def check_heads(hidden_size: int, heads: int, multiple: int, problems: list[str]) -> None:
    """Adds to `problems` a width that is not a multiple of `multiple` times the number of heads."""
    if hidden_size % (multiple * heads):
        times = "four times the " if multiple == 4 else "the "
        problems.append(f"hidden_size = {hidden_size} (expected a multiple of {times}{heads} attention heads)")
