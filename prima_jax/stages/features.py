"""What both frozen encoders say of every record, computed once.

Texts are few and are held in memory. Image tokens are written to a memory-mapped file [records, views, tokens, d] under a
name that is the hash of the weights and the preprocessing: the same encoder never reads the same photograph twice. So are
those of the image encoder's frozen blocks, once for all folds, where adapters are in the last ones alone (`image.blocks`).
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from transformers import PreTrainedTokenizerBase

from prima_jax.data import images, loader
from prima_jax.data.text import tokenize
from prima_jax.errors import UserError
from prima_jax.files import folder_lock
from prima_jax.progress import progress_bar
from prima_jax.stages.context import Context, tree_hash
from prima_jax.stages.encoder import encode

__all__ = [
    "TextTokens",
    "drop_image_tokens",
    "encode_images",
    "encode_records",
    "block_tokens",
    "image_tokens",
    "text_tokens",
    "viewed_photographs",
]


@dataclass(frozen=True)
class TextTokens:
    """The text encoder's output for S distinct sentences, and which of them each of R records has.

    tokens [S + 1, 1 + L, d], class token first; words [S + 1, L], True for words; the last row is zero and no one's.
    index [R], or [R, V] where a record has several versions of its sentence.
    """

    tokens: np.ndarray
    words: np.ndarray
    index: np.ndarray

    def only(self, records: np.ndarray) -> "TextTokens":
        """The same for these records alone: nothing of the others is left, so that no step can reach it."""
        nothing = len(self.tokens) - 1
        index = np.full_like(self.index, nothing)
        index[records] = self.index[records]
        gone = np.setdiff1d(np.arange(nothing), index)
        tokens, words = self.tokens.copy(), self.words.copy()
        tokens[gone], words[gone] = 0, False
        return TextTokens(tokens, words, index)


def text_tokens(
    context: Context,
    variables: dict[str, Any],
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[Any],
    *,
    more_tokens: int = 0,
    folder: Path | None = None,
) -> TextTokens:
    """Encodes the sentences of R records, a text or a list of texts for each; each distinct one once.

    more_tokens: how much longer than config.text.max_length they may be; folder: where a text encoder that is the same in every
    fold keeps what it has read, as a memory map under the hash of weights and tokens.
    """
    distinct = sorted({text for texts in sentences for text in ([texts] if isinstance(texts, str) else texts)})
    tokens = tokenize(tokenizer, distinct, context.config.text.max_length + more_tokens)
    module, size = context.text_encoder.module, context.config.features.batch_size

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        hidden = module.apply(variables, batch["ids"], batch["mask"]).last_hidden_state
        return hidden.astype(context.config.features.dtype)

    mapped, placed = context.compiled.setdefault("text_tokens", context.parallel.map_inference(function)), []

    def encoded() -> Iterator[tuple[Any, np.ndarray]]:
        placed.append(context.parallel.place(variables))
        for start in range(0, len(distinct), size):
            ids, mask = tokens.ids[start : start + size], tokens.mask[start : start + size]
            padding = ((0, size - len(ids)), (0, 0))
            batch = {"ids": np.pad(ids, padding), "mask": np.pad(mask, padding, constant_values=True)}
            yield slice(start, start + len(ids)), np.asarray(mapped(placed[0], batch))[: len(ids)]

    shape = (len(distinct) + 1, tokens.ids.shape[1], module.config.hidden_size)  # the last row stays zero
    if folder is None:
        table = np.zeros(shape, context.config.features.dtype)
        for part, values in encoded():
            table[part] = values
    else:
        with folder_lock(folder):
            path = folder / f"text_tokens-{tree_hash(variables, tokens.ids, tokens.mask)}.npy"
            if not path.exists():
                _write_table(path, shape, context.config.features.dtype, encoded(), len(distinct), "sentence")
        table = np.load(path, mmap_mode="r")
    words = np.concatenate([tokens.words[:, 1:], np.zeros_like(tokens.words[:1, 1:])])
    return TextTokens(table, words, np.searchsorted(distinct, sentences))


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
    folder, seed = context.shared_place("frozen_blocks"), context.seed("frozen blocks")
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
    for file in folder.glob("image_tokens-*.npy"):
        file.unlink(missing_ok=True)


def encode_images(context: Context, variables: dict[str, Any], pixels: np.ndarray) -> np.ndarray:
    """The tokens of a few photographs, uint8 [B, S, S, 3] -> [B, 1 + K, d]."""
    size, mapped, variables = context.config.features.batch_size, _image_function(context), context.parallel.place(variables)
    padded = np.concatenate([pixels, np.zeros((-len(pixels) % size, *pixels.shape[1:]), np.uint8)])
    rows = [mapped(variables, {"image": padded[i : i + size]}) for i in range(0, len(padded), size)]
    return np.concatenate([np.asarray(r) for r in rows])[: len(pixels)]


def encode_records(context: Context, variables: dict[str, Any]) -> np.ndarray:
    """The tokens of the test views of every record, [R, test_views, 1 + K, d], for so few that nothing is written."""
    mapped, placed = _image_function(context), context.parallel.place(variables)
    everyone, seed, views = np.arange(len(context.prepared.records)), context.seed("frozen blocks"), []
    for view in range(context.config.features.test_views):
        batches = _pixel_batches(context, view, seed, everyone)
        views.append([np.asarray(mapped(placed, {"image": b["image"]}))[b["index"] >= 0] for b in batches])
    return np.stack([np.concatenate(batches) for batches in views], axis=1)


def _table(context: Context, variables: Any, folder: Path, tokens: int, mapped: Any, batches: Any, seed: int) -> np.ndarray:
    """`mapped` over every stored view of every record, [R, V, tokens, d], written once; batches(context, view, seed)."""
    settings, size = context.config.features, context.config.image.size
    key = tree_hash(
        variables,
        np.array([seed, size, settings.views, context.frozen_blocks]),
        np.frombuffer(repr(context.augmentation).encode(), np.uint8),
    )
    shape = (len(context.prepared.records), settings.views, tokens, context.image_encoder.module.config.hidden_size)
    folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder):
        path = folder / f"image_tokens-{key}.npy"
        if not path.exists():
            placed = context.parallel.place(variables)

            def encoded() -> Iterator[tuple[Any, np.ndarray]]:
                for view in range(settings.views):
                    for batch in batches(context, view, seed):
                        rows = batch["index"][batch["index"] >= 0]
                        yield (rows, view), np.asarray(mapped(placed, {"image": batch["image"]}))[: len(rows)]

            for old in folder.glob("image_tokens-*"):
                old.unlink()
            _write_table(path, shape, settings.dtype, encoded(), shape[0] * shape[1], "image")
    return np.load(path, mmap_mode="r")


def _write_table(
    path: Path, shape: tuple[int, ...], dtype: str, parts: Iterator[tuple[Any, np.ndarray]], count: int, unit: str
) -> None:
    """Writes an array whole or not at all, part by part: (where, values). count: how many `unit`s they are in all."""
    temporary = path.with_suffix(".part.npy")
    try:
        table = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        _reserve(temporary)
        title = f"{path.parent.name.partition('-')[0].replace('_', ' ')} {path.parent.parent.name}"
        with progress_bar(count, title, unit) as bar:
            for where, values in parts:
                table[where] = values
                bar.update(len(values))
        table.flush()
        del table
        os.replace(temporary, path)
    except OSError as error:
        need = np.prod(shape) * np.dtype(dtype).itemsize / 2**20
        raise UserError(
            f"Cannot write {need:,.1f} MiB of {unit} features to {path.parent}: {error.strerror}; free some space, choose "
            "another --workdir, or lower features.views."
        ) from error


def _reserve(path: Path) -> None:
    """Takes a file's place on the disk, so that a full one is told now: later the kernel would end the process unheard."""
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _image_function(context: Context) -> Any:
    module = context.image_encoder.module

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        return encode(module, variables, batch["image"], context.frozen_blocks).astype(context.config.features.dtype)

    return context.compiled.setdefault("image_tokens", context.parallel.map_inference(function))


def _pixel_batches(context: Context, view: int, seed: int, chosen: Sequence[int] | np.ndarray | None = None) -> Any:
    positions = np.arange(len(context.prepared.records)) if chosen is None else chosen
    options = {"image_size": context.config.image.size, "batch_size": context.config.features.batch_size}
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
