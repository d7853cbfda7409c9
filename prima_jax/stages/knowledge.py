"""Stage 1, knowledge injection (section 2.1): masked-language LoRA training of the text encoder on a corpus.

The corpus is a JSONL file, one object a line; `knowledge.field` names the one that holds the text (default `text`).
"""

import math
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from transformers import PreTrainedTokenizerBase

from prima_jax.data import loader, text
from prima_jax.data.corpus_file import CorpusFile, read_corpus
from prima_jax.models import pretrained
from prima_jax.stages.backbones import adapt, join
from prima_jax.stages.batches import drawn
from prima_jax.stages.context import Context, Fold, Workspace
from prima_jax.stages.stage import Stage, Training, load_stage, train_stage
from prima_jax.training.parallel import AXIS

__all__ = [
    "Learned",
    "corpus",
    "corpus_texts",
    "learn",
    "load",
    "masked_language_loss",
    "most_masked",
    "run",
    "with_head",
    "without_head",
]

HEAD = "head"
"""The name, among what is trained, of a fresh head's parameters."""


class Learned(NamedTuple):
    """The text encoder with the masked-language head that stage 1 trained it with, and what it was before and is after."""

    module: Any
    before: dict[str, Any]
    after: dict[str, Any]


def run(context: Context, fold: Fold, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> dict[str, Any]:
    """The text encoder's variables after training on `texts`; as they were where the config gives nothing to train on.

    A fresh head (see `learn`) is not among them.
    """
    if not _trains(context):
        return context.text_encoder.variables
    return without_head(context, learn(context, _whose(context, fold.index), tokenizer, texts).after)


def load(context: Context, fold: int) -> dict[str, Any]:
    """What `run` returned, of a finished stage. Raises UserError where it is not finished."""
    if not _trains(context):
        return context.text_encoder.variables
    start = _start(context, _whose(context, fold))
    return without_head(context, with_head(start.frozen, load_stage(start.stage)))


def learn(context: Workspace, fold: int | None, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> Learned:
    """Trains the text encoder on `texts`, those of a fold or, without one, the same in every fold.

    A bare one gets a fresh head, which is trained with it, and is told on stderr.
    """
    settings, encoder, start = context.config.knowledge, context.text_encoder, _start(context, fold)
    module = encoder.module.clone(with_head=True)

    def training() -> Training:
        if start.head:
            _tell_of_fresh_head(context.config.models.text.weights or type(module).__name__)
        tokens = text.tokenize(tokenizer, texts, settings.max_length)
        batches = loader.masked_token_batches(
            tokens,
            **drawn(start.stage),
            mask_token_id=tokenizer.mask_token_id,
            vocabulary_size=len(tokenizer),
            probability=settings.mask_probability,
            special_ids=tokenizer.all_special_ids,
        )
        return Training(
            loss=masked_language_loss(module, settings.mask_probability),
            frozen=start.frozen,
            steps=max(1, round(settings.epochs * max(1, len(texts) // settings.batch_size))),
            batches=batches,
        )

    before = {**encoder.variables, "params": {**encoder.variables["params"], **start.head}}
    return Learned(module, before, with_head(start.frozen, train_stage(start.stage, training)))


def with_head(frozen: dict[str, Any], trainable: dict[str, Any]) -> dict[str, Any]:
    """The variables from their two parts, a fresh head among the parameters."""
    joined = join(frozen, {name: tree for name, tree in trainable.items() if name != HEAD})
    return {**joined, "params": {**joined["params"], **trainable.get(HEAD, {})}}


def without_head(context: Workspace, variables: dict[str, Any]) -> dict[str, Any]:
    """The variables without the parameters of a fresh head."""
    return {**variables, "params": {name: variables["params"][name] for name in context.text_encoder.variables["params"]}}


def masked_language_loss(module: Any, probability: float = 1.0) -> Any:
    """Cross-entropy over the masked tokens of the whole batch, whatever their number on each device.

    Only masked tokens meet the vocabulary: the hidden states of as many places as `most_masked` leaves room for are
    gathered on each device, those beyond the number of masked ones with weight zero.
    """

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        variables = with_head(frozen, trainable)
        states = module.apply(variables, batch["input_ids"], batch["attention_mask"], output_logits=False).last_hidden_state
        masked, (texts, length) = batch["loss_mask"].ravel(), batch["loss_mask"].shape
        room = most_masked(texts, length, probability)
        places = jnp.flatnonzero(masked, size=room, fill_value=0)
        logits = module.apply(variables, states.reshape(-1, states.shape[-1])[places], method="head").astype(jnp.float32)
        labels = batch["labels"].ravel()[places]
        counted = (jnp.arange(room) < masked.sum()).astype(jnp.float32)
        mean_count = jnp.maximum(jax.lax.pmean(counted.sum(), AXIS), 1e-6)
        errors = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        correct = (counted * (logits.argmax(-1) == labels)).sum() / mean_count
        return (errors * counted).sum() / mean_count, {"masked_accuracy": correct}

    return loss


def most_masked(texts: int, length: int, probability: float) -> int:
    """How many tokens of `texts` texts are masked at most, by Bernstein's inequality; one each is masked in any case.

    Were more drawn, as in fewer than one batch of 10^9, the last ones would be masked but not count in the loss.
    """
    places = texts * length
    variance, rare = places * probability * (1 - probability), math.log(1e9)
    beyond = rare / 3 + math.sqrt(rare**2 / 9 + 2 * rare * variance)
    return min(places, math.ceil(places * probability + beyond) + texts)


def corpus_texts(context: Context) -> list[str]:
    """The texts of the config's corpus; none where it names none."""
    found = corpus(context)
    return list(found.texts) if found else []


def corpus(context: Context) -> CorpusFile | None:
    """The config's corpus: a path, or the name of a file in the study's own folder; None where it names none."""
    settings = context.config.knowledge
    if not settings.corpus:
        return None
    beside_study = context.study_folder / settings.corpus
    return read_corpus(beside_study if beside_study.is_file() else Path(settings.corpus), settings.field)


class _Start(NamedTuple):
    """The stage, what of the text encoder it leaves alone, and the parameters of a fresh head, if it has none."""

    stage: Stage
    frozen: dict[str, Any]
    head: dict[str, Any]


def _start(context: Workspace, fold: int | None) -> _Start:
    settings, encoder = context.config.knowledge, context.text_encoder
    adapted = adapt(settings, encoder, context.key("knowledge", fold))
    module = encoder.module.clone(with_head=True)
    head = pretrained.init_head(module, encoder.variables["params"], context.key("knowledge", "head", fold))
    trainable = {**adapted.trainable, **({HEAD: head} if head else {})}
    stage = Stage("knowledge", context, fold, settings, lambda: trainable)
    return _Start(stage, adapted.frozen, head)


def _whose(context: Context, fold: int) -> int | None:
    """The fold; None where the encoder is trained on what is the same in every fold."""
    return None if context.config.models.text.weights and not context.config.knowledge.include_sentences else fold


def _trains(context: Context) -> bool:
    settings = context.config.knowledge
    return bool(settings.epochs and (settings.corpus or settings.include_sentences))


@cache
def _tell_of_fresh_head(name: str) -> None:
    print(f"{name} has no masked-language head: a fresh one is trained beside the adapters in stage 1.", file=sys.stderr)
