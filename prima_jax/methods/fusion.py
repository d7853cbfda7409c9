"""What rows that fuse an image encoder with a vector of metadata have in common: all but the head and the vector.

The encoder is trained together with the head, as the image-only row trains it: on photographs, with labels. A photograph
comes with the vector of its case; a case is the mean over its photographs.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from prima_jax.methods.frozen_encoders import case_mean, photographs
from prima_jax.methods.method import Bench, Method
from prima_jax.stages.backbones import adapt, join
from prima_jax.stages.batches import image_batches
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context
from prima_jax.stages.refine import Refined, class_weights, classification, classify_with
from prima_jax.stages.stage import Stage, Training, train_stage

__all__ = ["Vectors", "fit", "method", "predict"]


Vectors = Callable[[list[Case]], np.ndarray]
"""The metadata of each case as a vector: [cases, m]."""


def method(name: str, head: Callable[[Context], nn.Module], vectors: Callable[[Bench, list[Case]], Vectors]) -> Method:
    """The row of this name; `vectors` learns from the training cases what a vector is."""

    def fit_row(bench: Bench, train: list[Case]) -> tuple[Refined, Vectors]:
        of_cases = vectors(bench, train)
        return fit(bench, train, name, head(bench.context), of_cases(train)), of_cases

    def predict_row(bench: Bench, state: tuple[Refined, Vectors], test: list[Case]) -> np.ndarray:
        fused, of_cases = state
        return predict(bench, fused, test, name, head(bench.context), of_cases(test))

    note = "its training leaves no attribute out, as that of the rows with an LLM does now and then"
    return Method(name, frozenset({"images", "metadata"}), fit_row, predict_row, batches="photographs", note=note)


def fit(bench: Bench, train: list[Case], name: str, head: nn.Module, vectors: np.ndarray) -> Refined:
    """Trains on the photographs of `train`, whose vectors are [len(train), m]; `name` is that of the stage and its settings."""
    context, fold, _ = bench
    settings, module = context.config.baselines[name], context.image_encoder.module
    adapted = adapt(settings, context.image_encoder, context.key(name, fold.index), last_blocks=context.config.image.blocks)

    def initial() -> dict[str, Any]:
        tokens, vector = jnp.zeros((1, 2, module.config.hidden_size)), jnp.zeros((1, vectors.shape[1]))
        parameters = head.init(context.key(name, "head", fold.index), tokens, vector)["params"]
        return {"image_encoder": adapted.trainable, "head": parameters}

    def training() -> Training:
        records = len(context.prepared.records)
        positions = np.concatenate(photographs(train))
        owners = np.repeat(np.arange(len(train)), [len(p) for p in photographs(train)])
        case_labels = np.array([case.label for case in train], np.int32)
        labels, table = np.full(records, -1, np.int32), np.zeros((records, vectors.shape[1]), np.float32)
        labels[positions], table[positions] = case_labels[owners], vectors[owners]
        return Training(
            loss=classification(module, head, context.frozen_blocks),
            frozen={
                "image_encoder": adapted.frozen,
                "labels": labels,
                "vectors": table,
                "class_weights": class_weights(settings.class_weights, labels[positions], len(context.prepared.study.classes)),
            },
            steps=stage.steps(records),
            batches=image_batches(context, stage, positions),
        )

    stage = Stage(name, context, fold.index, settings, initial)
    trained = train_stage(stage, training)
    return join(adapted.frozen, trained["image_encoder"]), trained["head"]


def predict(bench: Bench, fused: Refined, test: list[Case], name: str, head: Any, vectors: np.ndarray) -> np.ndarray:
    """Probabilities [len(test), C] from the whole photographs and vectors [len(test), m]."""
    by_photograph = np.repeat(vectors, [len(p) for p in photographs(test)], axis=0).astype(np.float32)
    positions = np.concatenate(photographs(test))
    return case_mean(classify_with(bench.context, f"{name}_predict", head, fused, positions, vector=by_photograph), test)
