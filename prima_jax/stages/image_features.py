"""What the frozen image encoder says of every record, computed once.

Its tokens are written to a memory-mapped file [records, views, tokens, d] under a name that is the hash of the weights and
the preprocessing: the same encoder never reads the same photograph twice. So are those of the image encoder's frozen blocks,
once for all folds, where adapters are in the last ones alone (`image.blocks`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from prima_jax.data import images, loader
from prima_jax.hosts import is_first
from prima_jax.stages.context import Context, tree_hash
from prima_jax.stages.encoder import encode
from prima_jax.stages.feature_table import stored_table

__all__ = ["block_tokens", "drop_image_tokens", "encode_records", "image_tokens", "viewed_photographs"]


def image_tokens(context: Context, variables: dict[str, Any], folder: Path, *, seed: int) -> np.ndarray:
    """The image encoder's tokens of every record, [R, V, 1 + K, d], registers left out, as a read-only memory map.

    View 0 is the whole photograph; views 1 to V - 1 are augmented ones, for training: those that `seed` decides, or, where the
    encoder's first blocks are frozen, those that these have read.
    """
    module = context.image_encoder.module
    tokens = 1 + (context.config.image.size // module.config.patch_size) ** 2
    batches = _stored_batches if context.frozen_blocks else _pixel_batches
    return _table(context, variables, folder, tokens, _image_function(context), batches, seed)


def block_tokens(context: Context) -> np.ndarray:
    """What the image encoder's frozen blocks make of every record, [R, V, T, d], views as above: a read-only memory map.

    T counts class token, registers and patches. No fold has any part in them, so that all folds and rows share them.
    """
    module, blocks = context.image_encoder.module, context.frozen_blocks
    tokens = 1 + module.config.num_register_tokens + (context.config.image.size // module.config.patch_size) ** 2

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        found = module.apply(variables, images.normalize(batch["image"]), blocks, method="prefix")
        return found.astype(context.config.features.dtype)

    mapped = context.compiled.setdefault("block_tokens", context.parallel.map_inference(function))
    folder, seed = context.place("frozen_blocks"), context.seed("frozen blocks")
    return _table(context, context.image_encoder.variables, folder, tokens, mapped, _pixel_batches, seed)


def viewed_photographs(
    context: Context, positions: Sequence[int] | np.ndarray, view: int, *, pixels: bool = False
) -> Iterator[dict[str, np.ndarray]]:
    """One view of the photographs of the records at `positions`, in order, "image" [B, ...] as `encode` takes them.

    View 0 is the whole photograph. The last batch is padded, with "index" -1. With `pixels` they are uint8 [B, S, S, 3] always.
    """
    if pixels or not context.frozen_blocks:
        yield from _pixel_batches(context, view, context.seed("frozen blocks"), positions)
    else:
        yield from _rows(block_tokens(context), np.asarray(positions), view, context.config.features.batch_size)


def drop_image_tokens(folder: Path) -> None:
    """Deletes what `image_tokens` wrote, once nobody reads it any more: 24 GB a fold, AQUA with published weights."""
    for file in folder.glob("image_tokens-*.npy") if is_first() else ():
        file.unlink(missing_ok=True)


def encode_records(
    context: Context, variables: dict[str, Any], positions: Sequence[int] | np.ndarray, view: int = 0
) -> np.ndarray:
    """The tokens of one view of the records at `positions`, [N, 1 + K, d], for so few that nothing is written."""
    mapped, placed = _image_function(context), context.parallel.replicate(variables)
    batches = viewed_photographs(context, positions, view, pixels=True)
    return np.concatenate([np.asarray(mapped(placed, {"image": b["image"]}))[b["index"] >= 0] for b in batches])


def _table(context: Context, variables: Any, folder: Path, tokens: int, mapped: Any, batches: Any, seed: int) -> np.ndarray:
    """`mapped` over every stored view of every record, [R, V, tokens, d], written once; batches(context, view, seed)."""
    settings, size = context.config.features, context.config.image.size
    key = tree_hash(
        variables,
        np.array([seed, size, settings.views, context.frozen_blocks]),
        np.frombuffer(repr(context.augmentation).encode(), np.uint8),
    )
    shape = (len(context.prepared.records), settings.views, tokens, context.image_encoder.module.config.hidden_size)

    def encoded() -> Iterator[tuple[Any, np.ndarray]]:
        placed = context.parallel.replicate(variables)
        for view in range(settings.views):
            for batch in batches(context, view, seed):
                rows = batch["index"][batch["index"] >= 0]
                yield (rows, view), np.asarray(mapped(placed, {"image": batch["image"]}))[: len(rows)]

    path = folder / f"image_tokens-{key}.npy"
    count = shape[0] * shape[1]
    return stored_table(path, shape, settings.dtype, encoded, count, "image", context.costs, replaces="image_tokens-*")


def _image_function(context: Context) -> Any:
    module = context.image_encoder.module

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        return encode(module, variables, batch["image"], context.frozen_blocks).astype(context.config.features.dtype)

    return context.compiled.setdefault("image_tokens", context.parallel.map_inference(function))


def _pixel_batches(context: Context, view: int, seed: int, chosen: Sequence[int] | np.ndarray | None = None) -> Any:
    positions = np.arange(len(context.prepared.records)) if chosen is None else chosen
    options = {
        "image_size": context.config.image.size,
        "batch_size": context.config.features.batch_size,
        "process_index": jax.process_index(),
        "process_count": jax.process_count(),
    }
    if view == 0:
        return loader.eval_images(context.prepared, positions, **options)
    return loader.eval_images(context.prepared, positions, augmentation=context.augmentation, seed=seed + view, **options)


def _stored_batches(context: Context, view: int, seed: int) -> Iterator[dict[str, np.ndarray]]:
    return _rows(block_tokens(context), np.arange(len(context.prepared.records)), view, context.config.features.batch_size)


def _rows(tokens: np.ndarray, positions: np.ndarray, view: int, size: int) -> Iterator[dict[str, np.ndarray]]:
    """One stored view of the records at `positions`, in batches; the last one is padded, with index -1."""
    for start in range(0, len(positions), size):
        part = positions[start : start + size]
        index = np.pad(part, (0, size - len(part)), constant_values=-1)
        yield {"image": tokens[np.maximum(index, 0), view], "index": index}
