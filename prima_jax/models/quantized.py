"""Frozen kernels in 8 or 4 bits beside adapters in full precision, by qwix (https://github.com/google/qwix).

"int8" rounds to 256 equal steps with a scale for each output channel; "nf4" to the 16 values of NormalFloat with a scale for
each tile of 64 inputs (QLoRA, Dettmers et al. 2023, arXiv 2305.14314, appendix E). Scales are float32.
"""

from collections.abc import Mapping
from functools import partial
from math import gcd
from typing import Any

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict

__all__ = ["is_quantized", "keep", "keep_all", "matmul", "quantize", "whole"]

_TILE = 64


def keep(path: tuple[str, ...], parameter: jax.Array, kind: str) -> Any:
    """Returns what is kept of a parameter: a kernel [in, out] of a block quantised, all others, or all for "", as they are."""
    quantized = kind and path[0].startswith("layers_") and path[-1] == "kernel"
    return quantize(parameter, kind) if quantized else parameter


def keep_all(params: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Returns a tree of parameters with what `keep` keeps of each."""
    return unflatten_dict({path: keep(path, leaf, kind) for path, leaf in flatten_dict(params).items()})


@partial(jax.jit, static_argnames="kind")
def quantize(kernel: jax.Array, kind: str) -> Any:
    """Returns a kernel [in, out] as a qwix.QArray, "int8" or "nf4"; a tile divides the inputs evenly."""
    import qwix  # here, since it takes half a second

    tiles = {0: gcd(kernel.shape[0], _TILE)} if kind == "nf4" else {}
    return qwix.quantize(kernel.astype(jnp.float32), kind, channelwise_axes=(1,), tiled_axes=tiles)


def matmul(x: jax.Array, kernel: Any) -> jax.Array:
    """x [n, in] times a kernel [in, out], whole or quantised, in the type of x -> [n, out]."""
    return _rounded_matmul(x, kernel) if is_quantized(kernel) else x @ kernel.astype(x.dtype)


def whole(kernel: Any) -> jax.Array:
    """Returns a kernel [in, out] as an array: of a quantised one what its codes stand for, in float32."""
    if not is_quantized(kernel):
        return kernel
    import qwix

    return qwix.dequantize(kernel)


def is_quantized(kernel: Any) -> bool:
    """Returns True for a qwix.QArray."""
    return hasattr(kernel, "qvalue")


@jax.checkpoint  # else every whole kernel would be kept from the forward pass to the backward one
def _rounded_matmul(x: jax.Array, kernel: Any) -> jax.Array:
    return x @ whole(kernel).astype(x.dtype)
