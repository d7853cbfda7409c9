"""What both frozen encoders say of every record, computed once.

Texts are few and are held in memory. Image tokens are written to a memory-mapped file [records, views, 1 + K, d] under a
name that is the hash of the weights and the preprocessing: the same encoder never reads the same photograph twice.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from transformers import PreTrainedTokenizerBase

from prima_jax.data import images, loader
from prima_jax.data.folders import waiting_lock
from prima_jax.data.text import tokenize
from prima_jax.errors import UserError
from prima_jax.progress import progress_bar
from prima_jax.stages.context import Context, tree_hash

__all__ = ["TextTokens", "drop_image_tokens", "encode_images", "image_tokens", "text_tokens"]


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
) -> TextTokens:
    """Encodes the sentences of R records, a text or a list of texts for each; each distinct one once.

    more_tokens: how much longer than config.text.max_length they may be.
    """
    distinct = sorted({text for texts in sentences for text in ([texts] if isinstance(texts, str) else texts)})
    tokens = tokenize(tokenizer, distinct, context.config.text.max_length + more_tokens)
    module, size = context.text_encoder.module, context.config.features.batch_size

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        hidden = module.apply(variables, batch["ids"], batch["mask"]).last_hidden_state
        return hidden.astype(context.config.features.dtype)

    mapped = context.compiled.setdefault("text_tokens", context.parallel.map_inference(function))
    variables, table = context.parallel.place(variables), np.zeros(0)
    for start in range(0, len(distinct), size):
        part = slice(start, start + size)
        padding = ((0, size - len(tokens.ids[part])), (0, 0))
        batch = {
            "ids": np.pad(tokens.ids[part], padding),
            "mask": np.pad(tokens.mask[part], padding, constant_values=True),
        }
        found = np.asarray(mapped(variables, batch))
        if not start:  # gigabytes for a large cohort: filled in place
            table = np.zeros((len(distinct) + 1, *found.shape[1:]), found.dtype)
        table[start : start + size][: len(tokens.ids[part])] = found[: len(tokens.ids[part])]
    words = np.concatenate([tokens.words[:, 1:], np.zeros_like(tokens.words[:1, 1:])])
    return TextTokens(table, words, np.searchsorted(distinct, sentences))


def image_tokens(context: Context, variables: dict[str, Any], folder: Path, *, seed: int) -> np.ndarray:
    """The image encoder's tokens of every record, [R, V, 1 + K, d], registers left out, as a read-only memory map.

    View 0 is the whole photograph; views 1 to V - 1 are augmented ones, for training.
    """
    settings, size = context.config.features, context.config.image.size
    key = tree_hash(
        variables, np.array([seed, size, settings.views]), np.frombuffer(repr(context.augmentation).encode(), np.uint8)
    )
    with waiting_lock(folder):
        path = folder / f"image_tokens-{key}.npy"
        if not path.exists():
            _write_image_tokens(context, variables, path, seed)
    return np.load(path, mmap_mode="r")


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


def _write_image_tokens(context: Context, variables: dict[str, Any], path: Path, seed: int) -> None:
    module, settings, size = context.image_encoder.module, context.config.features, context.config.image.size
    folder, records = path.parent, len(context.prepared.records)
    patches = (size // module.config.patch_size) ** 2
    shape = (records, settings.views, 1 + patches, module.config.hidden_size)
    temporary = path.with_suffix(".part.npy")
    try:
        for old in folder.glob("image_tokens-*"):
            old.unlink()
        table = np.lib.format.open_memmap(temporary, mode="w+", dtype=settings.dtype, shape=shape)
        _reserve(temporary)
        mapped, variables = _image_function(context), context.parallel.place(variables)
        with progress_bar(records * settings.views, f"3 features {folder.parent.name}", "image") as bar:
            for view in range(settings.views):
                for batch in _view_batches(context, view, seed):
                    rows = batch["index"][batch["index"] >= 0]
                    table[rows, view] = np.asarray(mapped(variables, {"image": batch["image"]}))[: len(rows)]
                    bar.update(len(rows))
        table.flush()
        del table
        os.replace(temporary, path)
    except OSError as error:
        need = np.prod(shape) * np.dtype(settings.dtype).itemsize / 2**20
        raise UserError(
            f"Cannot write {need:,.1f} MiB of image features to {folder}: {error.strerror}; free some space, choose "
            "another --workdir, or lower features.views."
        ) from error


def _reserve(path: Path) -> None:
    """Takes a file's place on the disk, so that a full one is told now: later the kernel would end the process unheard."""
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _image_function(context: Context) -> Any:
    module, registers = context.image_encoder.module, context.image_encoder.module.config.num_register_tokens

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        tokens = module.apply(variables, images.normalize(batch["image"])).last_hidden_state
        tokens = jnp.concatenate([tokens[:, :1], tokens[:, 1 + registers :]], axis=1)
        return tokens.astype(context.config.features.dtype)

    return context.compiled.setdefault("image_tokens", context.parallel.map_inference(function))


def _view_batches(context: Context, view: int, seed: int) -> Any:
    positions = np.arange(len(context.prepared.records))
    options = {"image_size": context.config.image.size, "batch_size": context.config.features.batch_size}
    if view == 0:
        return loader.eval_images(context.prepared, positions, **options)
    return loader.eval_images(context.prepared, positions, augmentation=context.augmentation, seed=seed + view, **options)
