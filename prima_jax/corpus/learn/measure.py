"""What a masked language model knows of claims that it has not read: pseudo-perplexity, and the ranks of masked terms."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from transformers import PreTrainedTokenizerBase

from prima_jax.data.text import Tokens
from prima_jax.metrics.intervals import Interval, figure_intervals

__all__ = ["PERPLEXITY", "Figure", "Span", "difference", "intervals", "losses", "reciprocal_ranks", "spans_to_tokens"]

PERPLEXITY = "pseudo_perplexity"
ROWS = 32
"""Masked copies in a batch."""


@dataclass(frozen=True)
class Figure:
    """What a figure's mean is taken over: the sum over each claim's masked tokens, and their number, `[N]` each."""

    sums: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Span:
    """The tokens of one term in one text."""

    text: int
    positions: tuple[int, ...]


def losses(module: Any, variables: Mapping[str, Any], tokens: Tokens, mask_token_id: int) -> Figure:
    """The loss of each word token when it alone is masked (Salazar et al. 2020, eq. 4, arXiv:1910.14659)."""
    text, position = np.nonzero(tokens.words)
    spans = [Span(int(t), (int(p),)) for t, p in zip(text, position, strict=True)]
    return _summed(module, variables, tokens, spans, mask_token_id, lambda scores, truth: -scores[truth])


def reciprocal_ranks(
    module: Any, variables: Mapping[str, Any], tokens: Tokens, spans: Sequence[Span], mask_token_id: int
) -> Figure:
    """1 over the rank, out of the whole vocabulary, of each token of a term, once the whole term is masked."""
    return _summed(
        module, variables, tokens, spans, mask_token_id, lambda scores, truth: 1 / (1 + (scores > scores[truth]).sum())
    )


def intervals(figures: Mapping[str, Figure], articles: Sequence[str]) -> dict[str, Interval | None]:
    """The mean of each figure (of losses: exp of it) with its 95% interval, by a bootstrap over the claims' articles."""
    return _bootstrapped(lambda weights: _means(figures, weights), figures, articles)


def difference(first: Mapping[str, Figure], second: Mapping[str, Figure], articles: Sequence[str]) -> dict[str, Interval | None]:
    """As `intervals`, of each figure of the first less that of the second on the same claims: a draw counts for both."""

    def less(weights: np.ndarray) -> dict[str, np.ndarray]:
        subtracted = _means(second, weights)
        return {name: values - subtracted[name] for name, values in _means(first, weights).items()}

    return _bootstrapped(less, first, articles)


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


def _bootstrapped(statistic: Any, figures: Iterable[str], articles: Sequence[str]) -> dict[str, Interval | None]:
    """None where there is one article, or no token."""
    return figure_intervals(statistic, np.asarray(articles)) if len(set(articles)) > 1 else dict.fromkeys(figures)


def _means(figures: Mapping[str, Figure], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Of each figure, for each row of the claims' weights; NaN where a draw has no token."""
    with np.errstate(invalid="ignore"):
        means = {name: weights @ figure.sums / (weights @ figure.counts) for name, figure in figures.items()}
    return {name: np.exp(mean) if name == PERPLEXITY else mean for name, mean in means.items()}


def _summed(
    module: Any, variables: Mapping[str, Any], tokens: Tokens, spans: Sequence[Span], mask_token_id: int, value: Any
) -> Figure:
    """`value(log-probabilities, true token)` of each token of the spans, each span masked alone."""
    sums, counts = np.zeros(len(tokens.ids)), np.zeros(len(tokens.ids))
    for batch, original, ids, mask in _masked(tokens, spans, mask_token_id):
        scores = _log_probabilities(module, variables, ids, mask)
        for row, span in enumerate(batch):
            for position in span.positions:
                sums[span.text] += value(scores[row, position], original[row, position])
                counts[span.text] += 1
    return Figure(sums, counts)


def _masked(
    tokens: Tokens, spans: Sequence[Span], mask_token_id: int
) -> Iterator[tuple[Sequence[Span], np.ndarray, np.ndarray, np.ndarray]]:
    """A batch of spans at a time: the ids of their texts, the same with each span masked, and the mask of padding."""
    for start in range(0, len(spans), ROWS):
        batch = spans[start : start + ROWS]
        rows = np.array([span.text for span in batch])
        ids = tokens.ids[rows].copy()
        for row, span in enumerate(batch):
            ids[row, list(span.positions)] = mask_token_id
        yield batch, tokens.ids[rows], ids, tokens.mask[rows]


def _log_probabilities(module: Any, variables: Mapping[str, Any], ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """float32 `[N, L, vocabulary]`, always computed in whole batches so that there is one compilation."""
    missing = ROWS - len(ids)
    padded = [np.concatenate([array, np.repeat(array[:1], missing, axis=0)]) for array in (ids, mask)]
    return np.asarray(_scores(module, dict(variables), *padded))[: len(ids)]


@partial(jax.jit, static_argnums=0)
def _scores(module: Any, variables: dict[str, Any], ids: jax.Array, mask: jax.Array) -> jax.Array:
    return jax.nn.log_softmax(module.apply(variables, ids, mask).logits.astype(jnp.float32))
