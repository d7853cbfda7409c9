"""Held-out units in the shared space of stage 2, whose heads have no other use: what the report says that alignment learnt."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from transformers import PreTrainedTokenizerBase

from prima_jax.data import text
from prima_jax.models.dual_encoder import SharedSpace
from prima_jax.stages import align, knowledge
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.encoder import encode
from prima_jax.stages.inference import predict_images
from prima_jax.stages.text_features import text_tokens

__all__ = ["SharedVectors", "shared_vectors"]


class SharedVectors(NamedTuple):
    """U held-out units with a sentence on what can be seen; vectors have length 1, but for means of several."""

    row: np.ndarray
    """The position of each unit's first record: int [U]."""
    image: np.ndarray
    """The mean over a unit's photographs of their global tokens: float32 [U, D]."""
    text: np.ndarray
    """The global token of its sentence: float32 [U, D]."""
    classes: np.ndarray
    """That of a sentence on each class: float32 [C, D]."""


def shared_vectors(context: Context, fold: Fold, tokenizer: PreTrainedTokenizerBase) -> SharedVectors:
    """Encodes a fold's held-out units as stage 2 left encoders and heads, which have to be finished; trains nothing."""
    study, records = context.prepared.study, context.prepared.records
    held_out = set(fold.test.tolist())
    units = [positions for positions in context.units.values() if positions[0] in held_out]
    sentences = [text.sentence(study, records[positions[0]].fields, visual_only=True) for positions in units]
    units = [positions for positions, sentence in zip(units, sentences, strict=True) if sentence]
    aligned = align.load(context, fold.index)
    images = _image_vectors(context, aligned, [position for positions in units for position in positions])
    starts = np.cumsum([0, *map(len, units)])[:-1]
    said = [*filter(None, sentences), *(f"A photograph of {name}." for name in study.class_names)]
    texts = _text_vectors(context, fold, aligned, tokenizer, said)
    return SharedVectors(
        np.array([positions[0] for positions in units], int),
        np.add.reduceat(images, starts) / np.array(list(map(len, units)))[:, None] if units else images,
        texts[: len(units)],
        texts[len(units) :],
    )


def _image_vectors(context: Context, aligned: align.Aligned, positions: list[int]) -> np.ndarray:
    module, space = context.image_encoder.module, SharedSpace(context.config.align.projection_width)

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        tokens = encode(module, variables.image_encoder, batch["image"], context.frozen_blocks)
        return _unit_length(space.apply({"params": variables.heads}, tokens[:, 0], method=lambda own, x: own.image(x)))

    if not positions:
        return np.zeros((0, context.config.align.projection_width), np.float32)
    return np.asarray(predict_images(context, "shared_space", function, aligned, positions))


def _text_vectors(
    context: Context, fold: Fold, aligned: align.Aligned, tokenizer: PreTrainedTokenizerBase, sentences: list[str]
) -> np.ndarray:
    encoded = text_tokens(context, knowledge.load(context, fold.index), tokenizer, sentences)
    space = SharedSpace(context.config.align.projection_width)
    first = jnp.asarray(encoded.tokens[encoded.index, 0], jnp.float32)
    return np.asarray(_unit_length(space.apply({"params": aligned.heads}, first, method=lambda own, x: own.text(x))))


def _unit_length(vectors: Any) -> jax.Array:
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
