"""DINOv3 vision transformer (Siméoni et al. 2025, arXiv 2508.10104): registers, 2-D RoPE on patches, layer scale."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from prima_jax.models.config import read_fields, refuse, require, rope_theta
from prima_jax.models.layers import ACTIVATIONS, Rotation
from prima_jax.models.vision_transformer import VisionTransformer, check_heads

__all__ = ["DinoV3", "DinoV3Config", "patch_rotation"]


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
        """Reads the content of a config.json; raises UserError that lists everything not implemented."""
        problems: list[str] = []
        require(values, problems, model_type="dinov3_vit", hidden_act=tuple(ACTIVATIONS))
        theta = rope_theta(values, problems, default=cls.rope_theta)
        config = read_fields(cls, values, problems, rope_theta=theta)
        check_heads(config.hidden_size, config.num_attention_heads, 4, problems)
        refuse("dinov3_vit", problems)
        return config

    def to_dict(self) -> dict[str, Any]:
        """The content of a config.json that transformers reads."""
        return {"model_type": "dinov3_vit", "architectures": ["DINOv3ViTModel"], **asdict(self)}

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def activation(self) -> str:
        return self.hidden_act

    @property
    def mlp_name(self) -> str:
        return "mlp"


class DinoV3(VisionTransformer):
    """A vision transformer with a `DinoV3Config`: rotary positions on patches only, none on class token and registers."""

    def _rotation(self, rows: int, columns: int) -> Rotation:
        return patch_rotation(self.config, rows, columns)


def patch_rotation(config: DinoV3Config, rows: int, columns: int) -> Rotation:
    """Returns the rotation of the class token and registers (an angle of zero) and of rows x columns patches.

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
