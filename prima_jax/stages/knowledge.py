"""Stage 1, knowledge injection (section 2.1): masked-language LoRA training of the text encoder on a corpus.

The corpus is a JSONL file, one object a line; `knowledge.field` names the one that holds the text (default `text`).
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from transformers import PreTrainedTokenizerBase

from prima_jax.data import loader, text
from prima_jax.data.corpus_file import CorpusFile, read_corpus
from prima_jax.stages.context import Context, Fold, Stage, adapt, join
from prima_jax.training.loop import Objective
from prima_jax.training.parallel import AXIS

__all__ = ["corpus", "corpus_texts", "masked_language_loss", "run"]


def run(context: Context, fold: Fold, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> dict[str, Any]:
    """The text encoder's variables after training on `texts`; as they were where the config gives nothing to train on."""
    settings = context.config.knowledge
    encoder = context.text_encoder
    if not settings.epochs or not (settings.corpus or settings.include_sentences):
        return encoder.variables
    shared = bool(context.config.models.text.weights) and not settings.include_sentences
    folder = context.place(fold, "knowledge", every_fold=shared)
    name = () if shared else (fold.index,)
    adapted = adapt(context, settings, encoder, "knowledge", *name)
    stage = Stage("knowledge", context, folder, settings)

    def prepare() -> Objective:
        tokens = text.tokenize(tokenizer, texts, settings.max_length)
        steps = max(1, round(settings.epochs * max(1, len(texts) // settings.batch_size)))
        batches = loader.masked_token_batches(
            tokens,
            batch_size=settings.batch_size,
            seed=context.seed("knowledge", "batches", *name),
            mask_token_id=tokenizer.mask_token_id,
            vocabulary_size=len(tokenizer),
            probability=settings.mask_probability,
            special_ids=tokenizer.all_special_ids,
        )
        return Objective(
            name=f"1 knowledge {folder.parent.name}",
            loss=masked_language_loss(encoder.module),
            trainable=adapted.trainable,
            frozen=adapted.frozen,
            optimizer=stage.optimizer(steps),
            steps=steps,
            batches=batches,
        )

    return join(adapted.frozen, stage.run(prepare, lambda: adapted.trainable))


def masked_language_loss(module: Any) -> Any:
    """Cross-entropy over the masked tokens of the whole batch, whatever their number on each device."""

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        output = module.apply(join(frozen, trainable), batch["input_ids"], batch["attention_mask"])
        logits = output.logits.astype(jnp.float32)
        errors = optax.softmax_cross_entropy_with_integer_labels(logits, batch["labels"])
        masked = batch["loss_mask"].astype(jnp.float32)
        mean_count = jnp.maximum(jax.lax.pmean(masked.sum(), AXIS), 1e-6)
        correct = (masked * (logits.argmax(-1) == batch["labels"])).sum() / mean_count
        return (errors * masked).sum() / mean_count, {"masked_accuracy": correct}

    return loss


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
