"""A stage's endless training batches: of the size in its settings, drawn by its own seed, this process's share of each."""

from collections.abc import Callable, Sequence
from typing import Any

import grain
import jax
import numpy as np

from prima_jax.data import loader
from prima_jax.stages.context import Fold, Stage

__all__ = ["image_batches", "index_batches", "pair_batches"]


def pair_batches(stage: Stage, fold: Fold, units: Sequence[Sequence[int]]) -> grain.DatasetIterator[loader.Batch]:
    """Two augmented views of each unit, as `loader.pair_batches` gives them."""
    return loader.pair_batches(stage.context.prepared, units, **_views(stage), **_drawn(stage, fold))


def image_batches(stage: Stage, fold: Fold, positions: Sequence[int] | np.ndarray) -> grain.DatasetIterator[loader.Batch]:
    """Augmented photographs of the records at `positions`, as `loader.image_batches` gives them."""
    return loader.image_batches(stage.context.prepared, positions, **_views(stage), **_drawn(stage, fold))


def index_batches(
    stage: Stage, fold: Fold, count: int, read: Callable[[loader.Batch], loader.Batch]
) -> grain.DatasetIterator[loader.Batch]:
    """What `read` makes of numbers below `count`, as `loader.index_batches` gives them."""
    return loader.index_batches(count, read=read, **_drawn(stage, fold))


def _views(stage: Stage) -> dict[str, Any]:
    return {"image_size": stage.context.config.image.size, "augmentation": stage.context.augmentation}


def _drawn(stage: Stage, fold: Fold) -> dict[str, Any]:
    return {
        "batch_size": stage.settings.batch_size,
        "seed": stage.context.seed(stage.name, "batches", fold.index),
        "process_index": jax.process_index(),
        "process_count": jax.process_count(),
    }
