"""A stage's endless training batches: of the size in its settings, drawn by its own seed, this process's share of each.

Where the image encoder's first blocks are frozen, photographs come as the tokens that those made of their stored copies.
"""

from collections.abc import Callable, Sequence
from typing import Any

import grain
import jax
import numpy as np

from prima_jax.data import loader
from prima_jax.stages.context import Context
from prima_jax.stages.image_features import block_tokens
from prima_jax.stages.stage import Stage

__all__ = ["class_balanced", "drawn", "image_batches", "index_batches", "pair_batches", "pixel_batches", "stored_pair"]


def pair_batches(
    context: Context, stage: Stage, units: Sequence[Sequence[int]], read: Callable[[loader.Batch], loader.Batch]
) -> grain.DatasetIterator[loader.Batch]:
    """What `read` makes of two views of each unit: "views" [B, 2, ...], as `encode` takes photographs, and "unit" [B], a position
    in `units`.
    """
    if not context.frozen_blocks:
        return loader.pair_batches(context.prepared, units, read=read, **_views(context), **drawn(stage))
    tokens = block_tokens(context)

    def read_stored(batch: loader.Batch) -> loader.Batch:
        chosen = zip(batch["index"], batch["draw"], strict=True)
        pairs = np.array([stored_pair(units[i], int(draw), tokens.shape[1]) for i, draw in chosen])
        return read({"views": tokens[pairs[..., 0], pairs[..., 1]], "unit": batch["index"]})

    return index_batches(stage, len(units), read_stored)


def image_batches(context: Context, stage: Stage, positions: Sequence[int] | np.ndarray) -> grain.DatasetIterator[loader.Batch]:
    """Photographs of the records at `positions`: "image" [B, ...], as `encode` takes them, and "index" [B], their records."""
    if not context.frozen_blocks:
        return pixel_batches(context, stage, positions)
    tokens, records = block_tokens(context), np.asarray(positions)

    def read(batch: loader.Batch) -> loader.Batch:
        chosen = records[batch["index"]].astype(np.int32)
        return {"image": tokens[chosen, batch["draw"] % tokens.shape[1]], "index": chosen}

    return index_batches(stage, len(records), read)


def pixel_batches(context: Context, stage: Stage, positions: Sequence[int] | np.ndarray) -> grain.DatasetIterator[loader.Batch]:
    """Augmented photographs of the records at `positions`, as `loader.image_batches` gives them."""
    return loader.image_batches(context.prepared, positions, **_views(context), **drawn(stage))


def index_batches(stage: Stage, count: int, read: Callable[[loader.Batch], loader.Batch]) -> grain.DatasetIterator[loader.Batch]:
    """What `read` makes of numbers below `count`, as `loader.index_batches` gives them."""
    return loader.index_batches(count, read=read, **drawn(stage))


def class_balanced(labels: np.ndarray, read: Callable[[loader.Batch], loader.Batch]) -> Callable[[loader.Batch], loader.Batch]:
    """The same `read` on as many of one class as of any other: each number of a batch gives way to one drawn by its "draw", of a
    class drawn evenly among those that `labels` hold.
    """
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]

    def balanced(batch: loader.Batch) -> loader.Batch:
        generators = (np.random.default_rng([int(draw), 1]) for draw in batch["draw"])  # `draw` alone chooses the copies
        index = [generator.choice(members[generator.integers(len(members))]) for generator in generators]
        return read({**batch, "index": np.array(index, np.int32)})

    return balanced


def stored_pair(scans: Sequence[int], draw: int, copies: int) -> list[tuple[int, int]]:
    """Two (record, stored copy) of a unit: of two distinct scans, or two distinct copies of its only one."""
    generator = np.random.default_rng(draw)
    first, second = generator.choice(len(scans), 2, replace=len(scans) < 2)
    stored = generator.choice(copies, 2, replace=first != second or copies < 2)
    return [(scans[first], int(stored[0])), (scans[second], int(stored[1]))]


def drawn(stage: Stage) -> dict[str, Any]:
    """What decides the batches of a stage: their size, its seed, and which process of how many this is."""
    return {
        "batch_size": stage.settings.batch_size,
        "seed": stage.context.seed(stage.name, "batches", stage.fold),
        "process_index": jax.process_index(),
        "process_count": jax.process_count(),
    }


def _views(context: Context) -> dict[str, Any]:
    return {"image_size": context.config.image.size, "augmentation": context.augmentation}
