"""The image encoder as every stage and method applies it: to pixels, or to what its frozen blocks have made of them."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from prima_jax.data.images import normalize

__all__ = ["encode"]


def encode(module: Any, variables: Any, photographs: jax.Array, frozen_blocks: int = 0) -> jax.Array:
    """Returns the tokens [B, 1 + K, d] of photographs, class token first, registers left out.

    photographs: pixels, uint8 [B, S, S, 3], or what the first `frozen_blocks` made of them, [B, T, d] (`block_tokens`).
    """
    registers = module.config.num_register_tokens
    if photographs.ndim == 4:
        hidden = module.apply(variables, normalize(photographs)).last_hidden_state
    else:
        side = math.isqrt(photographs.shape[1] - 1 - registers)
        hidden = module.apply(variables, photographs, frozen_blocks, grid=(side, side), method="suffix").last_hidden_state
    return jnp.concatenate([hidden[:, :1], hidden[:, 1 + registers :]], axis=1)
