"""What a masked language model knows of claims that it has not read: pseudo-perplexity, recall of masked terms, embeddings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from transformers import PreTrainedTokenizerBase

from prima_jax.data.text import Tokens, tokenize

__all__ = ["Span", "embeddings", "masked_recall", "pseudo_perplexity", "spans_to_tokens"]

ROWS = 32
"""Masked copies in a batch."""


@dataclass(frozen=True)
class Span:
    """The tokens of one term in one text."""

    text: int
    positions: tuple[int, ...]


def pseudo_perplexity(module: Any, variables: Mapping[str, Any], tokens: Tokens, mask_token_id: int) -> float:
    """exp of the mean loss of each word token when it alone is masked (Salazar et al. 2020, eq. 4, arXiv:1910.14659)."""
    text, position = np.nonzero(tokens.words)
    losses = []
    for batch in _masked(tokens, text.tolist(), [(int(p),) for p in position], mask_token_id):
        scores = _log_probabilities(module, variables, batch.ids, batch.mask)
        for row, (place,) in enumerate(batch.positions):
            losses.append(-scores[row, place, batch.original[row, place]])
    return float(np.exp(np.mean(losses)))


def masked_recall(
    module: Any, variables: Mapping[str, Any], tokens: Tokens, spans: Sequence[Span], mask_token_id: int
) -> dict[str, float]:
    """The rank of each token of a term, once the whole term is masked.

    {"terms", "tokens", "top_1", "top_10", "mean_reciprocal_rank"}; without terms only the first two.
    Rank 1 is the model's first guess out of the whole vocabulary.
    """
    ranks: list[int] = []
    for batch in _masked(tokens, [s.text for s in spans], [s.positions for s in spans], mask_token_id):
        scores = _log_probabilities(module, variables, batch.ids, batch.mask)
        for row, positions in enumerate(batch.positions):
            for position in positions:
                truth = scores[row, position, batch.original[row, position]]
                ranks.append(1 + int((scores[row, position] > truth).sum()))
    found = np.array(ranks)
    if not found.size:
        return {"terms": 0, "tokens": 0}
    return {
        "terms": len(spans),
        "tokens": len(found),
        "top_1": float((found == 1).mean()),
        "top_10": float((found <= 10).mean()),
        "mean_reciprocal_rank": float((1 / found).mean()),
    }


def embeddings(module: Any, variables: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> np.ndarray:
    """`[N, d]`: the mean of each text's word tokens after the last layer, of length 1."""
    tokens = tokenize(tokenizer, texts, 64)
    states = np.asarray(_states(module, dict(variables), tokens.ids, tokens.mask), np.float64)
    weights = tokens.words[..., None]
    mean = (states * weights).sum(1) / np.maximum(1, weights.sum(1))
    return mean / np.linalg.norm(mean, axis=-1, keepdims=True)


def spans_to_tokens(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], places: Sequence[Sequence[tuple[int, int]]], length: int
) -> list[Span]:
    """The tokens that lie in each place `(start, end)` of each text; those beyond `length` are left out."""
    encoded = tokenizer(list(texts), return_offsets_mapping=True, verbose=False)["offset_mapping"]
    spans = []
    for text, (offsets, wanted) in enumerate(zip(encoded, places, strict=True)):
        for start, end in wanted:
            inside = tuple(n for n, (a, b) in enumerate(offsets) if a < end and b > start and b > a and n < length - 1)
            if inside:
                spans.append(Span(text, inside))
    return spans


@dataclass(frozen=True)
class _Masked:
    ids: np.ndarray
    mask: np.ndarray
    original: np.ndarray
    positions: list[tuple[int, ...]]


def _masked(tokens: Tokens, texts: Sequence[int], positions: Sequence[tuple[int, ...]], mask_token_id: int) -> Iterator[_Masked]:
    """Copies of the texts, each with its positions masked, a batch at a time."""
    for start in range(0, len(texts), ROWS):
        rows, places = np.asarray(texts[start : start + ROWS]), list(positions[start : start + ROWS])
        ids = tokens.ids[rows].copy()
        for row, place in enumerate(places):
            ids[row, list(place)] = mask_token_id
        yield _Masked(ids, tokens.mask[rows], tokens.ids[rows], places)


def _log_probabilities(module: Any, variables: Mapping[str, Any], ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """float32 `[N, L, vocabulary]`, always computed in whole batches so that there is one compilation."""
    missing = ROWS - len(ids)
    padded = [np.concatenate([array, np.repeat(array[:1], missing, axis=0)]) for array in (ids, mask)]
    return np.asarray(_scores(module, dict(variables), *padded))[: len(ids)]


@partial(jax.jit, static_argnums=0)
def _scores(module: Any, variables: dict[str, Any], ids: jax.Array, mask: jax.Array) -> jax.Array:
    return jax.nn.log_softmax(module.apply(variables, ids, mask).logits.astype(jnp.float32))


@partial(jax.jit, static_argnums=0)
def _states(module: Any, variables: dict[str, Any], ids: jax.Array, mask: jax.Array) -> jax.Array:
    return module.apply(variables, ids, mask).last_hidden_state
