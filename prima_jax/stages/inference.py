"""A function of photographs over many of them, a batch at a time: what every method does at test time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from prima_jax.stages.context import Context
from prima_jax.stages.image_features import viewed_photographs

__all__ = ["predict_images"]


def predict_images(
    context: Context,
    name: str,
    function: Callable[[Any, dict[str, jax.Array]], Any],
    variables: Any,
    positions: Sequence[int] | np.ndarray,
    beside: Mapping[str, np.ndarray] | None = None,
    *,
    pixels: bool = False,
) -> Any:
    """function(variables, batch) for the photographs of the records at `positions`, in order: arrays [N, ...] of its tree.

    It is that of the whole photographs, or the mean over the first `features.test_views` views of each.

    batch["image"] is as `encode` takes it, or with `pixels` uint8 [B, S, S, 3] in any case; `beside` holds further arrays
    [N, ...], a row for each position. Compiled once for the experiment, under `name`: whatever else the function needs has to
    be the same in every fold.
    """
    mapped = context.compiled.setdefault(name, context.parallel.map_inference(function))
    placed, size, views = context.parallel.replicate(variables), context.config.features.batch_size, []
    for view in range(context.config.features.test_views):
        found = []
        for number, batch in enumerate(viewed_photographs(context, positions, view, pixels=pixels)):
            part = slice(number * size, (number + 1) * size)
            given = {key: _padded(rows[part], size) for key, rows in (beside or {}).items()}
            outputs = mapped(placed, {"image": batch["image"], **given})
            found.append(jax.tree.map(lambda rows, shown=batch["index"] >= 0: np.asarray(rows)[shown], outputs))
        views.append(jax.tree.map(lambda *rows: np.concatenate(rows), *found))
    return views[0] if len(views) == 1 else jax.tree.map(lambda *seen: np.mean(seen, axis=0), *views)


def _padded(rows: np.ndarray, size: int) -> np.ndarray:
    return np.pad(rows, ((0, size - len(rows)), *[(0, 0)] * (rows.ndim - 1)))
