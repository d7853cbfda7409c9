"""A function of photographs over many of them, a batch at a time: what every method does at test time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from prima_jax.stages.context import Context
from prima_jax.stages.features import whole_photographs

__all__ = ["over_photographs"]


def over_photographs(
    context: Context,
    name: str,
    function: Callable[[Any, dict[str, jax.Array]], Any],
    variables: Any,
    positions: Sequence[int] | np.ndarray,
    beside: Mapping[str, np.ndarray] | None = None,
    *,
    pixels: bool = False,
) -> Any:
    """function(variables, batch) for the whole photographs of the records at `positions`, in order: arrays [N, ...] of its tree.

    batch["image"] is as `encode` takes it, or with `pixels` uint8 [B, S, S, 3] in any case; `beside` holds further arrays
    [N, ...], a row for each position. Compiled once for the experiment, under `name`: whatever else the function needs has to
    be the same in every fold.
    """
    mapped = context.compiled.setdefault(name, context.parallel.map_inference(function))
    placed, found, size = context.parallel.place(variables), [], context.config.features.batch_size
    for number, batch in enumerate(whole_photographs(context, positions, pixels=pixels)):
        part = slice(number * size, (number + 1) * size)
        given = {key: _padded(rows[part], size) for key, rows in (beside or {}).items()}
        outputs = mapped(placed, {"image": batch["image"], **given})
        found.append(jax.tree.map(lambda rows, shown=batch["index"] >= 0: np.asarray(rows)[shown], outputs))
    return jax.tree.map(lambda *rows: np.concatenate(rows), *found)


def _padded(rows: np.ndarray, size: int) -> np.ndarray:
    return np.pad(rows, ((0, size - len(rows)), *[(0, 0)] * (rows.ndim - 1)))
