"""DINOv2 vision transformer (Oquab et al. 2023, arXiv 2304.07193), without and with registers (arXiv 2309.16588).

Learnt positions on the class token and the patches, interpolated for images of another size than that of pre-training.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from prima_jax.models.config import read_fields, refuse, require
from prima_jax.models.layers import ACTIVATIONS, at_least_float32
from prima_jax.models.vision_transformer import VisionTransformer, check_heads

__all__ = ["DinoV2", "DinoV2Config", "DinoV2WithRegisters", "DinoV2WithRegistersConfig", "resize_matrix"]


@dataclass(frozen=True)
class DinoV2Config:
    """Field names and defaults of the checkpoints' config.json (`model_type` "dinov2"); the defaults are ViT-B/14.

    Dropout and stochastic depth are not applied.
    """

    model_type: ClassVar[str] = "dinov2"
    architecture: ClassVar[str] = "Dinov2Model"
    antialias: ClassVar[bool] = False
    """True: positions are interpolated with antialiasing, as the reference does in models with registers only."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    mlp_ratio: int = 4
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    image_size: int = 224
    patch_size: int = 14
    num_channels: int = 3
    qkv_bias: bool = True
    layerscale_value: float = 1.0
    use_swiglu_ffn: bool = False
    use_mask_token: bool = True
    initializer_range: float = 0.02

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DinoV2Config":
        """Reads the content of a config.json; raises UserError that lists everything not implemented."""
        problems: list[str] = []
        require(values, problems, model_type=cls.model_type, hidden_act=tuple(ACTIVATIONS))
        config = read_fields(cls, values, problems)
        check_heads(config.hidden_size, config.num_attention_heads, 1, problems)
        if config.image_size < config.patch_size:
            problems.append(f"image_size = {config.image_size} (expected at least the patch size, {config.patch_size})")
        refuse(cls.model_type, problems)
        return config

    def to_dict(self) -> dict[str, Any]:
        """The content of a config.json that transformers reads."""
        return {"model_type": self.model_type, "architectures": [self.architecture], **asdict(self)}

    @property
    def num_register_tokens(self) -> int:
        return 0

    @property
    def side(self) -> int:
        """Rows and columns of the grid of learnt positions."""
        return self.image_size // self.patch_size

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def intermediate_size(self) -> int:
        """The width of the MLP; two thirds of it for SwiGLU, which has three matrices, rounded up to a multiple of 8."""
        hidden = self.hidden_size * self.mlp_ratio
        return (int(hidden * 2 / 3) + 7) // 8 * 8 if self.use_swiglu_ffn else hidden

    @property
    def activation(self) -> str:
        return "silu" if self.use_swiglu_ffn else self.hidden_act

    @property
    def use_gated_mlp(self) -> bool:
        return self.use_swiglu_ffn

    @property
    def mlp_name(self) -> str:
        """The module's name; checkpoints name the tensors of the two kinds differently."""
        return "swiglu" if self.use_swiglu_ffn else "mlp"

    @property
    def query_bias(self) -> bool:
        return self.qkv_bias

    key_bias = value_bias = query_bias

    @property
    def proj_bias(self) -> bool:
        return True

    mlp_bias = proj_bias


@dataclass(frozen=True)
class DinoV2WithRegistersConfig(DinoV2Config):
    """The same with registers (`model_type` "dinov2_with_registers"); the mask token is always there."""

    model_type: ClassVar[str] = "dinov2_with_registers"
    architecture: ClassVar[str] = "Dinov2WithRegistersModel"
    antialias: ClassVar[bool] = True

    patch_size: int = 16
    num_register_tokens: int = 4  # type: ignore[assignment]


class DinoV2(VisionTransformer):
    """A vision transformer with a `DinoV2Config`: positions are added to the class token and the patches, not to registers."""

    def _mask_token_shape(self) -> tuple[int, ...]:
        return (1, self.config.hidden_size) if self.config.use_mask_token else ()

    def _make_positions(self) -> Any:
        config = self.config
        init = nn.initializers.normal(config.initializer_range)
        return self.param("position_embeddings", init, (1, 1 + config.side**2, config.hidden_size))

    def _place_class(self, token: jax.Array) -> jax.Array:
        return token.astype(self.dtype) + self.positions[:, :1].astype(self.dtype)

    def _place(self, patches: jax.Array, rows: int, columns: int) -> jax.Array:
        side, table = self.config.side, self.positions[0, 1:]
        if (rows, columns) != (side, side):
            # In float32 at least, and on a GPU or TPU without their coarser products: positions are small numbers.
            dtype = at_least_float32(self.dtype)
            by_row, by_column = (jnp.asarray(resize_matrix(side, n, self.config.antialias), dtype) for n in (rows, columns))
            table = table.astype(dtype).reshape(side, side, -1)
            table = jnp.einsum("cw,hwd->hcd", by_column, table, precision=jax.lax.Precision.HIGHEST)
            table = jnp.einsum("rh,hcd->rcd", by_row, table, precision=jax.lax.Precision.HIGHEST)
            table = table.reshape(rows * columns, -1)
        return patches + table.astype(self.dtype)


class DinoV2WithRegisters(DinoV2):
    """The same with a `DinoV2WithRegistersConfig`."""


def resize_matrix(old: int, new: int, antialias: bool) -> np.ndarray:
    """[new, old], float64: bicubic interpolation along one axis, as torch.nn.functional.interpolate, corners not aligned.

    A point takes four neighbours, with a = -0.75, those beyond the edge being the edge itself. With `antialias` it takes
    the more of them the more the axis shrinks, with a = -0.5, and those beyond the edge are left out.
    """
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale - 0.5
    if antialias:
        places = np.arange(old)
        stretch = max(scale, 1.0)
        weights = _cubic((places - centres[:, None]) / stretch, -0.5)
        return weights / weights.sum(axis=1, keepdims=True)
    first = np.floor(centres).astype(int)
    matrix = np.zeros((new, old))
    for neighbour in range(-1, 3):
        places = first + neighbour
        np.add.at(matrix, (np.arange(new), places.clip(0, old - 1)), _cubic(places - centres, -0.75))
    return matrix


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys' convolution kernel: 1 at 0, 0 at every other whole number and from 2 on."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
