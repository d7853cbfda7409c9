"""The LLM's answer over the class tokens alone: their logits as the next token, and the probabilities of many cases."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from transformers import PreTrainedTokenizerBase

from prima_jax.models.diagnoser import positions
from prima_jax.stages.backbones import Backbone
from prima_jax.stages.context import Context

__all__ = ["answer_logits", "classify", "embedded", "phrase_embeddings"]


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
    placed, rows = context.parallel.replicate(variables), []
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


def phrase_embeddings(llm: Backbone, tokenizer: PreTrainedTokenizerBase, phrases: Iterable[str]) -> jax.Array:
    """The mean input embedding of each phrase's tokens, where special tokens start: [phrases, D], float32."""
    ids = [jnp.array(tokenizer(phrase, add_special_tokens=False)["input_ids"]) for phrase in phrases]
    return jnp.stack([embedded(llm.module, llm.variables, of_phrase).mean(axis=0) for of_phrase in ids])
