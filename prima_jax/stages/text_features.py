"""What the text encoder says of every record's sentence, computed once; in a file that batches read from (feature_table.py)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from transformers import PreTrainedTokenizerBase

from prima_jax.data.text import tokenize
from prima_jax.stages.context import Context, tree_hash
from prima_jax.stages.feature_table import stored_table, unnamed_table

__all__ = ["TextTokens", "text_tokens"]


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
        """The same for these records alone: the others have the last row, which is empty. The tables are not copied."""
        index = np.full_like(self.index, len(self.tokens) - 1)
        index[records] = self.index[records]
        return TextTokens(self.tokens, self.words, index)

    def of(self, records: np.ndarray) -> dict[str, np.ndarray]:
        """What a batch of B records, with one version each, gets: "text_tokens" [B, 1 + L, d] and "text_words" [B, L]."""
        rows = self.index[records]
        return {"text_tokens": self.tokens[rows], "text_words": self.words[rows]}


def text_tokens(
    context: Context,
    variables: dict[str, Any],
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[Any],
    *,
    more_tokens: int = 0,
    folder: Path | None = None,
    keep: bool = True,
) -> TextTokens:
    """Encodes the sentences of R records, a text or a list of texts for each; each distinct one once.

    more_tokens: how much longer than config.text.max_length they may be; folder: where the table lies, as a memory map, under the
    hash of weights and tokens, or without a name if not `keep`, gone with the array. Without a folder it is in memory.
    """
    distinct = sorted({text for texts in sentences for text in ([texts] if isinstance(texts, str) else texts)})
    tokens = tokenize(tokenizer, distinct, context.config.text.max_length + more_tokens)
    module, size = context.text_encoder.module, context.config.features.batch_size

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        hidden = module.apply(variables, batch["ids"], batch["mask"]).last_hidden_state
        return hidden.astype(context.config.features.dtype)

    mapped = context.compiled.setdefault("text_tokens", context.parallel.map_inference(function))

    def encoded() -> Iterator[tuple[Any, np.ndarray]]:
        placed = context.parallel.replicate(variables)
        for start in range(0, len(distinct), size):
            ids, mask = tokens.ids[start : start + size], tokens.mask[start : start + size]
            padding = ((0, size - len(ids)), (0, 0))
            batch = {"ids": np.pad(ids, padding), "mask": np.pad(mask, padding, constant_values=True)}
            yield slice(start, start + len(ids)), np.asarray(mapped(placed, batch))[: len(ids)]

    shape, dtype = (len(distinct) + 1, tokens.ids.shape[1], module.config.hidden_size), context.config.features.dtype
    if folder is None:
        table = np.zeros(shape, dtype)  # the last row stays zero
        for part, values in encoded():
            table[part] = values
    elif not keep:
        table = unnamed_table(folder, shape, dtype, encoded, "sentence")
    else:
        path = folder / f"text_tokens-{tree_hash(variables, tokens.ids, tokens.mask)}.npy"
        table = stored_table(path, shape, dtype, encoded, len(distinct), "sentence", context.costs)
    words = np.concatenate([tokens.words[:, 1:], np.zeros_like(tokens.words[:1, 1:])])
    return TextTokens(table, words, np.searchsorted(distinct, sentences))
