"""What one fold of PRIMA has trained, read back: it answers and cannot train."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from prima_jax.data.text import sentence
from prima_jax.stages import diagnose, image_features, text_features
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context
from prima_jax.stages.pipeline import Encoders, Tokenizers, load_encoders, load_tokenizers

__all__ = ["FoldModel", "class_probabilities", "load_fold", "photograph_tokens"]


class FoldModel(NamedTuple):
    """Tokenizers, encoders, and projectors with the LLM, on the device."""

    tokenizers: Tokenizers
    encoders: Encoders
    diagnoser: diagnose.Diagnoser


def load_fold(context: Context, fold: int) -> FoldModel:
    """Returns a finished fold's models. Raises UserError where a stage is not finished."""
    tokenizers = load_tokenizers(context, fold)
    encoders = Encoders(*context.parallel.replicate(tuple(load_encoders(context, fold))))
    return FoldModel(tokenizers, encoders, context.parallel.replicate(diagnose.load(context, fold, tokenizers.llm)))


def photograph_tokens(context: Context, model: FoldModel, *, views: int) -> np.ndarray:
    """The image tokens of all photographs, so many views of each, whole ones first: [R, views, 1 + K, d]."""
    everyone = range(len(context.prepared.records))
    return np.stack([image_features.encode_records(context, model.encoders.image, everyone, n) for n in range(views)], axis=1)


def class_probabilities(context: Context, model: FoldModel, cases: Sequence[Case], images: np.ndarray) -> np.ndarray:
    """Class probabilities of cases of the context's study, [len(cases), C]; images: its `photograph_tokens`."""
    sentences = [[sentence(context.prepared.study, record.fields)] for record in context.prepared.records]
    texts = text_features.text_tokens(context, model.encoders.text, model.tokenizers.text, sentences)
    return diagnose.predict(context, model.diagnoser, list(cases), images, texts)
