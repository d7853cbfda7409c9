"""DINOv3 vision transformer (Siméoni et al. 2025, arXiv 2508.10104): registers, 2-D RoPE on patches, layer scale."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from prima_jax.errors import UserError
from prima_jax.models.config import read_fields, refuse, require, rope_theta
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

__all__ = ["DinoV3", "DinoV3Config"]


@dataclass(frozen=True)
class DinoV3Config:
    """Field names and defaults of the checkpoints' config.json (`model_type` "dinov3_vit"); the defaults are ViT-S/16.

    Dropout, stochastic depth and the training-time jitter of positions are not applied.
    """

    hidden_size: int = 384
    intermediate_size: int = 1536
    num_hidden_layers: int = 12
    num_attention_heads: int = 6
    patch_size: int = 16
    num_channels: int = 3
    num_register_tokens: int = 0
    hidden_act: str = "gelu"
    use_gated_mlp: bool = False
    query_bias: bool = True
    key_bias: bool = False
    value_bias: bool = True
    proj_bias: bool = True
    mlp_bias: bool = True
    layerscale_value: float = 1.0
    layer_norm_eps: float = 1e-5
    rope_theta: float = 100.0
    initializer_range: float = 0.02

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DinoV3Config":
        """From the content of a config.json; raises UserError that lists all that is not implemented."""
        problems: list[str] = []
        require(values, problems, model_type="dinov3_vit", hidden_act=tuple(ACTIVATIONS))
        theta = rope_theta(values, problems, default=cls.rope_theta)
        config = read_fields(cls, values, problems, rope_theta=theta)
        if config.hidden_size % (4 * config.num_attention_heads):
            problems.append(
                f"hidden_size = {config.hidden_size} (expected a multiple of four times the "
                f"{config.num_attention_heads} attention heads)"
            )
        refuse("dinov3_vit", problems)
        return config

    def to_dict(self) -> dict[str, Any]:
        """The content of a config.json that transformers reads."""
        return {"model_type": "dinov3_vit", "architectures": ["DINOv3ViTModel"], **asdict(self)}

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def kernel_init(self) -> nn.initializers.Initializer:
        return nn.initializers.normal(self.initializer_range)


class DinoV3(nn.Module):
    """Normalised images [B, H, W, 3] -> tokens [B, 1 + R + (H / patch) * (W / patch), d].

    The class token comes first, then R = `config.num_register_tokens` registers, then the patches row by row.
    """

    config: DinoV3Config
    dtype: Any = jnp.float32
    remat: bool = False

    @nn.compact
    def __call__(self, images: jax.Array, *, output_hidden_states: bool = False) -> EncoderOutput:
        """H and W may differ; raises UserError unless both are multiples of the patch size."""
        config = self.config
        height, width = images.shape[1:3]
        if height % config.patch_size or width % config.patch_size or not height * width:
            raise UserError(
                f"Images of {height} x {width} pixels cannot be cut into patches of {config.patch_size}; "
                "choose an image size that is a multiple of the patch size."
            )
        patches = PatchEmbedding(config, self.dtype, name="patch_embeddings")(images)
        x = jnp.concatenate([*self._prefix(len(images)), patches], axis=1)
        rotation = patch_rotation(config, height // config.patch_size, width // config.patch_size)
        states = [x]
        layer = maybe_remat(DinoV3Layer, self.remat)
        for i in range(config.num_hidden_layers):
            x = layer(config, self.dtype, name=f"layers_{i}")(x, rotation)
            states.append(x)
        last = layer_norm(config.layer_norm_eps, self.dtype, name="norm")(x)
        return EncoderOutput(last, tuple(states) if output_hidden_states else None)

    def _prefix(self, batch: int) -> list[jax.Array]:
        config, shape = self.config, (1, 1, self.config.hidden_size)
        tokens = [self.param("cls_token", config.kernel_init, shape)]
        # Only pre-training uses the mask token; it is kept so that a checkpoint is read and written whole.
        self.param("mask_token", nn.initializers.zeros, shape)
        if config.num_register_tokens:
            shape = (1, config.num_register_tokens, config.hidden_size)
            tokens.append(self.param("register_tokens", config.kernel_init, shape))
        return [jnp.broadcast_to(t, (batch, *t.shape[1:])).astype(self.dtype) for t in tokens]


class PatchEmbedding(nn.Module):
    """A convolution whose stride is its size, as one matrix product: [B, H, W, C] -> [B, patches, d]."""

    config: DinoV3Config
    dtype: Any

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        size, channels, width = self.config.patch_size, self.config.num_channels, self.config.hidden_size
        kernel = self.param("kernel", self.config.kernel_init, (size, size, channels, width)).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (width,)).astype(self.dtype)
        batch, rows, columns = len(images), images.shape[1] // size, images.shape[2] // size
        patches = images.astype(self.dtype).reshape(batch, rows, size, columns, size, channels)
        patches = patches.transpose(0, 1, 3, 2, 4, 5).reshape(batch * rows * columns, -1)
        return (patches @ kernel.reshape(-1, width) + bias).reshape(batch, rows * columns, width)


class DinoV3Layer(nn.Module):
    """Pre-norm attention and MLP, each scaled per channel before it is added."""

    config: DinoV3Config
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, rotation: Rotation) -> jax.Array:
        config = self.config
        attended = DinoV3Attention(config, self.dtype, name="attention")(self._norm("norm1", x), rotation)
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
        layer = mlp(config.intermediate_size, config.hidden_act, config.mlp_bias, self.dtype, config.kernel_init, name="mlp")
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


class DinoV3Attention(nn.Module):
    """Self-attention of every token with every other; only patches are turned by their place."""

    config: DinoV3Config
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, rotation: Rotation) -> jax.Array:
        config = self.config

        def project(name: str, use_bias: bool, tokens: jax.Array) -> jax.Array:
            return Dense(config.hidden_size, use_bias, self.dtype, config.kernel_init, name=name)(tokens)

        query = rotate(split_heads(project("q_proj", config.query_bias, x), config.head_size), rotation)
        key = rotate(split_heads(project("k_proj", config.key_bias, x), config.head_size), rotation)
        value = split_heads(project("v_proj", config.value_bias, x), config.head_size)
        return project("o_proj", config.proj_bias, attention(query, key, value))


def patch_rotation(config: DinoV3Config, rows: int, columns: int) -> Rotation:
    """Rotation of the class token, the registers (none: an angle of zero) and rows x columns patches.

    Patch centres run over [-1, 1] along each axis; a quarter of the head turns with the row and a quarter with the
    column, both repeated. Computed in float32 whatever the model's type.
    """
    centres = [2 * (np.arange(n, dtype=np.float32) + np.float32(0.5)) / np.float32(n) - 1 for n in (rows, columns)]
    places = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1).reshape(-1, 2)
    exponents = np.arange(config.head_size // 4, dtype=np.float32) * np.float32(4 / config.head_size)
    angles = np.float32(2 * np.pi) * places[:, :, None] / np.float32(config.rope_theta) ** exponents
    angles = np.tile(angles.reshape(len(places), -1), 2)
    angles = np.pad(angles, ((1 + config.num_register_tokens, 0), (0, 0)))[None]
    return jnp.cos(angles), jnp.sin(angles)
