"""The LLM given the case's sentence and nothing else: what PRIMA's language model says without images and text encoder.

As stage 3, with the LLM's own embeddings of the words where stage 3 has projected features: `<|text_start|>`, the sentence's
tokens, `<|text_end|>`, `<|diagnosis|>`; LoRA (the whole LLM without weights), cross-entropy over the class tokens, and in
training the versions of the sentence that leave something out. The paper has no such row: it tells how much the metadata
alone are worth to the same LLM.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.data.text import class_token_ids
from prima_jax.methods.language import Prompts, prompt_tokens
from prima_jax.methods.method import Bench, Method
from prima_jax.models.diagnoser import special_tokens
from prima_jax.stages.answers import answer_logits, classify, embedded, phrase_embeddings
from prima_jax.stages.backbones import adapt, join
from prima_jax.stages.batches import index_batches
from prima_jax.stages.cases import Case, all_cases
from prima_jax.stages.pipeline import record_sentences
from prima_jax.stages.refine import class_weights, weighted_cross_entropy
from prima_jax.stages.stage import Stage, Training, train_stage

__all__ = ["METHOD", "class_logits", "diagnosis"]

NAME = "text_llm"


class State(NamedTuple):
    """{"llm": variables, "special_tokens": [3, d], "class_ids": [C]}, and the sentences."""

    model: dict[str, Any]
    sentences: Prompts


def fit(bench: Bench, train: list[Case]) -> State:
    """Trains the LLM's adapters and the special tokens on the sentences of the training cases."""
    context, fold, tokenizers = bench
    settings, module = context.config.baselines[NAME], context.llm.module
    adapted = adapt(settings, context.llm, context.key(NAME, fold.index))
    class_ids = class_token_ids(tokenizers.llm, list(context.prepared.study.classes))
    sentences = prompt_tokens(tokenizers.llm, record_sentences(context), "", context.config.text.max_length)

    def initial() -> dict[str, Any]:
        return {"llm": adapted.trainable, "special_tokens": _special_embeddings(bench)}

    def training() -> Training:
        labels = np.array([case.label for case in train], np.int32)
        rows = np.array([case.row for case in train])

        def read(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            drawn = batch["draw"] % sentences.index.shape[1]
            return {**_read(sentences, sentences.index[rows[batch["index"]], drawn]), "label": labels[batch["index"]]}

        return Training(
            loss=diagnosis(module),
            frozen={
                "llm": adapted.frozen,
                "class_ids": class_ids,
                "class_weights": class_weights(settings.class_weights, labels, len(class_ids)),
            },
            steps=stage.steps(len(all_cases(context))),
            batches=index_batches(stage, len(train), read),
        )

    stage = Stage(NAME, context, fold.index, settings, initial)
    trained = train_stage(stage, training)
    llm = join(adapted.frozen, trained["llm"])
    return State({"llm": llm, "special_tokens": trained["special_tokens"], "class_ids": class_ids}, sentences)


def predict(bench: Bench, state: State, test: list[Case]) -> np.ndarray:
    """[len(test), C], from all that is known of each case."""
    context, (model, sentences) = bench.context, state
    module, size = context.llm.module, context.config.features.batch_size

    def logits(variables: dict[str, Any], batch: dict[str, jax.Array]) -> jax.Array:
        return class_logits(module, variables, batch)

    items = sentences.index[[case.row for case in test], 0].tolist()
    return classify(context, NAME, logits, model, items, range(len(test)), lambda part: _read(sentences, part), size)


def diagnosis(module: Any) -> Any:
    """Cross-entropy over the class tokens: batch["ids"], batch["mask"] [B, L], batch["label"] [B]."""

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        model = {**trainable, "llm": join(frozen["llm"], trainable["llm"]), "class_ids": frozen["class_ids"]}
        return weighted_cross_entropy(class_logits(module, model, batch), batch["label"], frozen["class_weights"])

    return loss


def class_logits(module: Any, model: dict[str, Any], batch: dict[str, jax.Array]) -> jax.Array:
    """The logits of the class tokens at `<|diagnosis|>`: [B, C], float32."""
    words = embedded(module, model["llm"], batch["ids"])
    start, end, diagnosis = (jnp.broadcast_to(row, (len(words), 1, len(row))) for row in model["special_tokens"])
    seen = jnp.ones((len(words), 1), bool)
    sequence = jnp.concatenate([start, words, end, diagnosis], axis=1)
    mask = jnp.concatenate([seen, batch["mask"], seen, seen], axis=1)
    return answer_logits(module, model["llm"], sequence, mask, model["class_ids"])


def _read(sentences: Prompts, chosen: Any) -> dict[str, np.ndarray]:
    return {"ids": sentences.ids[chosen], "mask": sentences.mask[chosen]}


def _special_embeddings(bench: Bench) -> jax.Array:
    """Returns the initial embeddings of the three special tokens, [3, D]."""
    phrases = special_tokens(())
    named = (phrases[name] for name in ("<|text_start|>", "<|text_end|>", "<|diagnosis|>"))
    return phrase_embeddings(bench.context.llm, bench.tokenizers.llm, named)


METHOD = Method(
    NAME,
    frozenset({"metadata"}),
    fit,
    predict,
    note="without published weights its LLM is trained whole, where the rows with photographs adapt theirs",
)
