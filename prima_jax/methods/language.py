"""What the rows that answer with the run's LLM share: prompts in its tokens, and its logits for the classes alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.models.diagnoser import positions
from prima_jax.stages.context import Context

__all__ = ["Prompts", "answer_logits", "classify", "embedded", "prompt_tokens"]

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


def answer_logits(module: Any, llm: dict[str, Any], embeddings: jax.Array, mask: jax.Array, class_ids: jax.Array) -> jax.Array:
    """The logits of the class tokens as the next token: embeddings [B, T, D], mask [B, T] (the last is seen) -> [B, C]."""
    hidden = module.apply(
        llm, inputs_embeds=embeddings.astype(module.dtype), attention_mask=mask, positions=positions(mask)
    ).last_hidden_state
    return module.apply(llm, hidden[:, -1], class_ids, method="class_logits")


def classify(
    context: Context,
    name: str,
    logits: Callable[[Any, dict[str, jax.Array]], jax.Array],
    variables: Any,
    items: Sequence[Any],
    owners: Sequence[int],
    read: Callable[[Sequence[Any]], dict[str, np.ndarray]],
    batch_size: int,
) -> np.ndarray:
    """The mean over each owner's items of softmax(logits(variables, read(items))): [owners, C].

    owners: for each item which case it belongs to, 0, 1, ...; `name` is that of the compiled function in the context.
    """

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        return jax.nn.softmax(logits(variables, batch))

    mapped = context.compiled.setdefault(name, context.parallel.map_inference(function))
    placed, rows = context.parallel.place(variables), []
    for start in range(0, len(items), batch_size):
        part = list(items[start : start + batch_size])
        padded = part + part[-1:] * (batch_size - len(part))
        rows.append(np.asarray(mapped(placed, read(padded)), np.float64)[: len(part)])
    by_item = np.concatenate(rows)
    total, counts = np.zeros((max(owners) + 1, by_item.shape[1])), np.bincount(owners)
    np.add.at(total, np.asarray(owners), by_item)
    return total / counts[:, None]


def embedded(module: Any, llm: dict[str, Any], ids: jax.Array) -> jax.Array:
    """The LLM's input embeddings of token ids [...], float32: [..., D]."""
    return module.apply(llm, ids, method="embed").astype(jnp.float32)
