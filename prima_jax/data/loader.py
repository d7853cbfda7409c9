"""Batches for every stage: endless and shuffled anew each epoch for training, finite and in order for evaluation.

What a batch holds is a function of (seed, epoch, record) alone, so it is the same under any number of threads and after
a restart: the iterators' `get_state` and `set_state` restore their position exactly. `batch_size` is that of all
processes together; process p of P gets the p-th of P equal pieces of each batch.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import grain
import numpy as np

from prima_jax.data.images import Augmentation, center_view, random_view
from prima_jax.data.prepare import Prepared
from prima_jax.data.text import Tokens
from prima_jax.errors import UserError

__all__ = ["eval_images", "image_batches", "index_batches", "masked_token_batches", "pair_batches"]

THREADS = min(32, os.cpu_count() or 1)
BATCHES_AHEAD = max(4, THREADS)

Batch = dict[str, np.ndarray]
Example = Callable[[int, np.random.Generator], Mapping[str, Any]]
"""A function from a record's number and its random generator of this epoch to its part of the batch."""


def pair_batches(
    prepared: Prepared,
    units: Sequence[Sequence[int]],
    *,
    image_size: int,
    augmentation: Augmentation,
    batch_size: int,
    seed: int,
    read: Callable[[Batch], Batch] | None = None,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator[Batch]:
    """Batches of two views per unit (section 2.2): "views" uint8 `[B, 2, S, S, 3]`, "unit" int32 `[B]`, a position in `units`.

    The views are two distinct scans of the unit, or its only scan twice, each with an augmentation of its own. No unit
    stands twice in one batch. `read` turns such a batch into that of the stage. Raises UserError for fewer units than a batch
    holds.
    """

    def example(unit: int, rng: np.random.Generator) -> Mapping[str, Any]:
        scans = units[unit]
        pair = rng.choice(len(scans), 2, replace=len(scans) < 2)
        views = [random_view(prepared.image(scans[scan]), image_size, rng, augmentation) for scan in pair]
        return {"views": np.stack(views), "unit": np.int32(unit)}

    return _endless(len(units), example, batch_size, seed, process_index, process_count, read)


def image_batches(
    prepared: Prepared,
    indices: Sequence[int] | np.ndarray,
    *,
    image_size: int,
    augmentation: Augmentation,
    batch_size: int,
    seed: int,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator[Batch]:
    """Batches of augmented photographs: "image" uint8 `[B, S, S, 3]`, "index" int32 `[B]`, the record's position in `prepared`.

    Raises UserError for fewer records than a batch holds.
    """

    def example(number: int, rng: np.random.Generator) -> Mapping[str, Any]:
        index = int(indices[number])
        return {"image": random_view(prepared.image(index), image_size, rng, augmentation), "index": np.int32(index)}

    return _endless(len(indices), example, batch_size, seed, process_index, process_count)


def eval_images(
    prepared: Prepared,
    indices: Sequence[int] | np.ndarray,
    *,
    image_size: int,
    batch_size: int,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator[Batch]:
    """Batches of the photographs once each, in order, as `image_batches` gives them; the last batch is padded, with index -1.

    Each is shown whole (`center_view`), or, with an augmentation, as one random view that `seed` decides. Of several processes
    each reads its own piece of a batch and leaves the rest black, under the same "index".
    """
    share = batch_size // process_count

    def example(number: int) -> Mapping[str, Any]:
        index = int(indices[number]) if number < len(indices) else -1
        if index < 0 or number % batch_size // share != process_index:
            return {"image": np.zeros((image_size, image_size, 3), np.uint8), "index": np.int32(index)}
        if augmentation is None:
            view = center_view(prepared.image(index), image_size)
        else:
            generator = np.random.default_rng([seed, 0 if prepared.same_views else index])
            view = random_view(prepared.image(index), image_size, generator, augmentation)
        return {"image": view, "index": np.int32(index)}

    padded = -(-len(indices) // batch_size) * batch_size
    return _iterate(grain.MapDataset.range(padded).map(example).batch(batch_size))


def masked_token_batches(
    tokens: Tokens,
    *,
    batch_size: int,
    seed: int,
    mask_token_id: int,
    vocabulary_size: int,
    probability: float,
    special_ids: Sequence[int],
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator[Batch]:
    """Masked-language batches: "input_ids", "labels" int32 `[B, L]`, "attention_mask", "loss_mask" bool `[B, L]`.

    As in BERT (Devlin et al. 2019, section 3.1) each word token is chosen with `probability`, here one at least per
    text; of those chosen 80% become the mask token, 10% a random token that is not among `special_ids`, 10% stay.
    "labels" are the tokens as they were.
    """
    ordinary = np.setdiff1d(np.arange(vocabulary_size, dtype=np.int32), special_ids)

    def example(row: int, rng: np.random.Generator) -> Mapping[str, Any]:
        ids, words = tokens.ids[row], np.flatnonzero(tokens.words[row])
        chosen = np.zeros(len(ids), bool)
        if len(words):
            chosen[words] = rng.random(len(words)) < probability
            chosen[rng.choice(words)] |= not chosen.any()
        fate = rng.random(len(ids))
        drawn = rng.choice(ordinary, len(ids))
        changed = np.where(fate < 0.8, mask_token_id, np.where(fate < 0.9, drawn, ids))
        inputs = np.where(chosen, changed, ids).astype(np.int32)
        return {"input_ids": inputs, "attention_mask": tokens.mask[row], "labels": ids, "loss_mask": chosen}

    return _endless(len(tokens.ids), example, batch_size, seed, process_index, process_count)


def index_batches(
    count: int,
    *,
    batch_size: int,
    seed: int,
    read: Callable[[Batch], Batch] | None = None,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator[Batch]:
    """Batches of numbers below `count`: "index" int32 `[B]`, and "draw" uint32 `[B]`, random bits that choose an augmented copy.

    `read` turns such a batch into that of the stage, ahead of time in the reading threads.
    """

    def example(number: int, rng: np.random.Generator) -> Mapping[str, Any]:
        return {"index": np.int32(number), "draw": rng.integers(2**32, dtype=np.uint32)}

    return _endless(count, example, batch_size, seed, process_index, process_count, read)


def _endless(
    count: int,
    example: Example,
    batch_size: int,
    seed: int,
    process_index: int,
    process_count: int,
    finish: Callable[[Batch], Batch] | None = None,
) -> grain.DatasetIterator[Batch]:
    """Repeats the records, shuffled anew each epoch; a last partial batch is dropped."""
    if not 0 < batch_size <= count:
        raise UserError(f"A batch of {batch_size} cannot be drawn from {count} training examples; set batch_size lower.")
    if batch_size % process_count:
        raise UserError(f"batch_size {batch_size} cannot be shared by {process_count} processes; make it a multiple.")
    steps, share = count // batch_size, batch_size // process_count

    @lru_cache(maxsize=2)  # the epoch that ends and the one that begins
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(count)

    def batch(step: int, _: int) -> Batch:
        epoch, position = divmod(step, steps)
        first = position * batch_size + process_index * share
        records = order(epoch)[first : first + share]
        examples = [example(int(record), np.random.default_rng([seed, epoch, int(record)])) for record in records]
        stacked = {key: np.stack([one[key] for one in examples]) for key in examples[0]}
        return finish(stacked) if finish else stacked

    return _iterate(grain.MapDataset.range(steps).repeat().map_with_index(batch))


def _iterate(dataset: grain.MapDataset) -> grain.DatasetIterator[Batch]:
    options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=BATCHES_AHEAD)
    return iter(dataset.to_iter_dataset(options))
