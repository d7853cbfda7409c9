"""Layers shared by the architectures: dense layers with adapters, norms, rotary positions, attention."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct

from prima_jax.models.quantized import is_quantized, matmul

__all__ = [
    "ACTIVATIONS",
    "Dense",
    "EncoderOutput",
    "GatedMLP",
    "Rotation",
    "at_least_float32",
    "attention",
    "layer_norm",
    "maybe_remat",
    "project_to_vocabulary",
    "rotary_embedding",
    "rotate",
    "split_heads",
]


@struct.dataclass
class EncoderOutput:
    """The output of every model; `hidden_states` and `logits` only if requested."""

    last_hidden_state: jax.Array
    """[B, T, d], after the final norm."""
    hidden_states: tuple[jax.Array, ...] | None = None
    """The input of the first layer and the output of each, [B, T, d]; which norm the last one has passed is the
    convention of transformers: the final one in ModernBERT and the decoders, none in DINOv3."""
    logits: jax.Array | None = None
    """[B, T, vocabulary], float32 (float64 in a float64 model)."""


Rotation = tuple[jax.Array, jax.Array]
"""Cosines and sines of rotary positions, each [B or 1, T, head size], float32."""

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "silu": nn.silu,
}
"""The checkpoints' word for an activation -> the function; their "gelu" is the exact one."""


class Dense(nn.Module):
    """x W + b, plus (x A) B scale where the collection `lora` holds A [in, r] and B [r, out] at this layer's path.

    The scalar `scale` = alpha / r is read from the collection `lora_scale`, which is never trained. W + A B is never
    built, so that training adapters never pays for the gradient of W. A frozen W may be quantised (quantized.py).
    """

    features: int
    use_bias: bool = True
    dtype: Any = jnp.float32
    kernel_init: nn.initializers.Initializer = nn.initializers.normal(0.02)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """x [..., in] -> [..., features]."""
        kernel: Any = self.get_variable("params", "kernel")
        if not is_quantized(kernel):
            kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features))
        shape = x.shape[:-1]
        # One long matrix: on a CPU the gradient of W takes half the time of that over several leading axes.
        x = x.astype(self.dtype).reshape(-1, x.shape[-1])
        y = matmul(x, kernel)
        if self.use_bias:
            y += self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        if self.has_variable("lora", "A"):
            y += x @ self._adapter("lora", "A") * self._adapter("lora_scale", "scale") @ self._adapter("lora", "B")
        return y.reshape(*shape, self.features)

    def _adapter(self, collection: str, name: str) -> jax.Array:
        return self.get_variable(collection, name).astype(self.dtype)


class GatedMLP(nn.Module):
    """down(activation(gate(x)) * up(x))."""

    hidden: int
    activation: str
    use_bias: bool
    dtype: Any
    kernel_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def dense(features: int, name: str) -> Dense:
            return Dense(features, self.use_bias, self.dtype, self.kernel_init, name=name)

        gate = ACTIVATIONS[self.activation](dense(self.hidden, "gate_proj")(x))
        return dense(x.shape[-1], "down_proj")(gate * dense(self.hidden, "up_proj")(x))


def layer_norm(epsilon: float, dtype: Any, *, use_bias: bool = True, name: str | None = None) -> nn.LayerNorm:
    """Layer normalisation whose statistics are float32 and whose variance is taken around the mean."""
    return nn.LayerNorm(epsilon=epsilon, use_bias=use_bias, use_fast_variance=False, dtype=dtype, name=name)


def at_least_float32(dtype: Any) -> Any:
    """Returns the type of softmax, rotation and logits: float32, or float64 in a float64 model."""
    return np.promote_types(dtype, np.float32)


def maybe_remat(layer: Any, remat: bool) -> Any:
    """Returns the layer class, with its activations recomputed in the backward pass if `remat`."""
    return nn.remat(layer) if remat else layer


def split_heads(x: jax.Array, head_size: int) -> jax.Array:
    """[B, T, H * head_size] -> [B, T, H, head_size]."""
    return x.reshape(*x.shape[:-1], -1, head_size)


def rotary_embedding(positions: jax.Array, theta: float, head_size: int) -> Rotation:
    """Rotation for positions [B or 1, T]; the second half of the head repeats the first (RoFormer, as in GPT-NeoX)."""
    # Powers in float64, rounded once: torch's bits. A unit of the last place is up to 2e-4 radians at the 4,096th token.
    exponents = (np.arange(0, head_size, 2, dtype=np.float32) / np.float32(head_size)).astype(np.float64)
    frequencies = np.float32(1) / (theta**exponents).astype(np.float32)
    angles = positions.astype(jnp.float32)[..., None] * frequencies
    angles = jnp.concatenate([angles, angles], axis=-1)
    return jnp.cos(angles), jnp.sin(angles)


def rotate(x: jax.Array, rotation: Rotation) -> jax.Array:
    """Applies the rotary embedding to queries or keys [B, T, H, head size], in float32 (float64 for float64)."""
    cos, sin = (part[:, :, None] for part in rotation)
    first, second = jnp.split(x.astype(at_least_float32(x.dtype)), 2, axis=-1)
    rotated = jnp.concatenate([-second, first], axis=-1)
    return (jnp.concatenate([first, second], axis=-1) * cos + rotated * sin).astype(x.dtype)


def attention(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """softmax(Q K^T / sqrt(head size)) V, the softmax in float32 (float64 for float64).

    query [B, T, H, D], key and value [B, S, K, D] where K divides H, mask bool, broadcastable to [B, 1, T, S], True for
    keys attended to -> [B, T, H * D]. A query with every key masked gets a finite, meaningless output.
    """
    if jax.default_backend() == "cpu":
        mixed = _heads_first_attention(query, key, value, mask)
    else:
        mixed = jax.nn.dot_product_attention(query, key, value, mask=mask)
    return mixed.reshape(*mixed.shape[:2], -1)


def project_to_vocabulary(hidden: jax.Array, table: jax.Array) -> jax.Array:
    """hidden [..., d], rows of an embedding table [V, d] -> logits [..., V], float32 (float64 for float64)."""
    rows, dtype = hidden.reshape(-1, hidden.shape[-1]), at_least_float32(hidden.dtype)  # rows for the reason given in Dense
    logits = jnp.einsum("nd,vd->nv", rows, table.astype(hidden.dtype), preferred_element_type=dtype)
    return logits.reshape(*hidden.shape[:-1], -1)


def _heads_first_attention(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Twice as fast on a CPU as jax.nn.dot_product_attention: one matrix product for each key head, over one axis of them."""
    batch, length, heads, size = query.shape
    groups, seen = key.shape[2], key.shape[1]
    query = query.reshape(batch, length, groups, -1, size).transpose(0, 2, 3, 1, 4)
    query = query.reshape(batch * groups, -1, size)
    key, value = (x.transpose(0, 2, 1, 3).reshape(batch * groups, seen, size) for x in (key, value))
    dtype = at_least_float32(query.dtype)
    scores = jnp.einsum("btd,bsd->bts", query, key, preferred_element_type=dtype) * size**-0.5
    if mask is not None:
        scores = scores.reshape(batch, groups, -1, length, seen)
        scores = jnp.where(mask[:, :, None], scores, jnp.finfo(dtype).min).reshape(batch * groups, -1, seen)
    mixed = jax.nn.softmax(scores, axis=-1).astype(value.dtype) @ value
    return mixed.reshape(batch, heads, length, size).transpose(0, 2, 1, 3)
