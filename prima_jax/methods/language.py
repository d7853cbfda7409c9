"""Prompts in the LLM's own tokens, for the rows that answer with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Prompts", "prompt_tokens"]

_LENGTH_STEP = 16


@dataclass(frozen=True)
class Prompts:
    """Texts in the LLM's tokens, padded on the right: ids int32 and mask bool [S, L], index [R, V] of the texts given."""

    ids: np.ndarray
    mask: np.ndarray
    index: np.ndarray


def prompt_tokens(tokenizer: Any, sentences: Sequence[Sequence[str]], question: str, max_length: int) -> Prompts:
    """V sentences for each of R records, each cut at `max_length` tokens and followed by the question."""
    distinct = sorted({text for versions in sentences for text in versions})

    def encode(texts: list[str]) -> list[list[int]]:
        return tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]

    end = encode([question])[0]
    rows = [[*words[:max_length], *end] for words in encode(distinct)]
    length = -(-max(map(len, rows)) // _LENGTH_STEP) * _LENGTH_STEP  # folds whose tokenizers differ share a compilation
    ids, mask = np.zeros((len(rows), length), np.int32), np.zeros((len(rows), length), bool)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, True
    return Prompts(ids, mask, np.searchsorted(distinct, sentences))
