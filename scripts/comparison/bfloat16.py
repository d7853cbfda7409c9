"""The error of bfloat16 relative to float32, layer by layer, and its budget.

Both have the same weights, those that bfloat16 can hold, so that what is measured is the arithmetic alone.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from scripts.comparison.ours import apply

__all__ = ["ROUNDING", "allowed", "our_errors", "relative_errors", "rounded"]

ROUNDING = 2.0**-9
"""Half a unit in the last of bfloat16's eight bits: the largest relative error of rounding once."""


def allowed(layers: int) -> np.ndarray:
    """The budget: relative error of the root mean square of the hidden states before and after each layer, [layers + 1].

    A layer rounds some ten times on the way (norm, projections, attention or activation, sum), and rounding errors are
    as good as independent, so that their squares add: 4 roundings for the input, and as many more, in squares, a layer.
    """
    return 4 * ROUNDING * np.sqrt(1 + np.arange(layers + 1))


def our_errors(
    module: nn.Module,
    variables: Mapping[str, Any],
    inputs: Mapping[str, np.ndarray],
    compiler_options: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """[layers + 1], as `allowed`; the last state is the one after the final norm too, where the model has it so."""
    coarse = rounded(variables, jnp.bfloat16)
    low, exact = (
        _states(module.clone(dtype=dtype), rounded(coarse, dtype), inputs, compiler_options)
        for dtype in (jnp.bfloat16, jnp.float32)
    )
    return relative_errors(low, exact, inputs.get("attention_mask"))


def rounded(variables: Mapping[str, Any], dtype: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), variables)


def relative_errors(rounded: list[np.ndarray], exact: list[np.ndarray], seen: np.ndarray | None) -> np.ndarray:
    """Root of the mean square of the difference over that of `exact`, for each of several states [B, T, d]."""

    def norm(state: np.ndarray) -> float:
        return float(np.linalg.norm((state if seen is None else state[seen]).astype(np.float64)))

    return np.array([norm(a - b) / norm(b) for a, b in zip(rounded, exact, strict=True)])


def _states(
    module: nn.Module, variables: Any, inputs: Mapping[str, np.ndarray], compiler_options: Mapping[str, Any] | None
) -> list[np.ndarray]:
    states = jax.jit(lambda given: apply(module, given, inputs).hidden_states, compiler_options=compiler_options)
    return [np.asarray(state.astype(jnp.float32)) for state in states(variables)]
