"""Stage 2b, supervised refinement (end of section 2.2): the image encoder with labels and cross-entropy.

The same code, started from the encoder as published rather than as aligned, is the image-only reference.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from prima_jax.errors import UserError
from prima_jax.models.dual_encoder import ClassifierHead
from prima_jax.stages.batches import image_batches
from prima_jax.stages.context import Adapted, Backbone, Context, Fold, Stage, adapt, join
from prima_jax.stages.encoder import encode
from prima_jax.stages.inference import over_photographs
from prima_jax.training.loop import Objective

__all__ = ["Refined", "class_weights", "classification", "classify_images", "run", "weighted_cross_entropy"]

Refined = tuple[dict[str, Any], dict[str, Any]]
"""The image encoder's variables and the classifier head's parameters."""


def run(context: Context, fold: Fold, variables: dict[str, Any], *, name: str = "refine") -> Refined:
    """Goes on from an image encoder's variables; `name` is the stage's folder and its section of the config."""
    settings = context.config[name]
    module = context.image_encoder.module
    blocks = context.config.image.blocks
    adapted: Adapted = adapt(context, settings, Backbone(module, variables), name, fold.index, last_blocks=blocks)
    head = ClassifierHead(len(context.prepared.study.class_names))
    stage = Stage(name, context, context.place(fold, name), settings)

    def initial() -> dict[str, Any]:
        parameters = head.init(context.key(name, "head", fold.index), jnp.zeros((1, 2, module.config.hidden_size)))
        return {"image_encoder": adapted.trainable, "head": parameters["params"]}

    def prepare() -> Objective:
        steps = context.steps(settings.epochs, settings.batch_size, len(context.prepared.records))
        labels = np.array([record.label for record in context.prepared.records], np.int32)
        held_out = np.zeros(len(labels), bool)
        held_out[fold.test] = True
        return Objective(
            name=f"{'2b refine' if name == 'refine' else name} fold {fold.index}",
            loss=classification(module, head, context.frozen_blocks),
            trainable=initial(),
            frozen={
                "image_encoder": adapted.frozen,
                "labels": np.where(held_out, -1, labels),
                "class_weights": class_weights(settings.class_weights, labels[fold.train], head.classes),
            },
            optimizer=stage.optimizer(steps),
            steps=steps,
            batches=image_batches(stage, fold, fold.train),
        )

    trained = stage.run(prepare, initial)
    return join(adapted.frozen, trained["image_encoder"]), trained["head"]


def classification(module: Any, head: Any, frozen_blocks: int = 0) -> Any:
    """Cross-entropy over a batch: batch["image"] as `encode` takes it, batch["index"] [B], positions of records."""

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        encoder = join(frozen["image_encoder"], trainable["image_encoder"])
        logits = head.apply({"params": trainable["head"]}, encode(module, encoder, batch["image"], frozen_blocks))
        labels = frozen["labels"][batch["index"]]
        return weighted_cross_entropy(logits, labels, frozen["class_weights"])

    return loss


def class_weights(kind: str, labels: np.ndarray, classes: int) -> np.ndarray:
    """One weight for each class: all 1 for "none"; for "balanced", one over the class's share of the training labels.

    Balanced weights have mean 1 over the labels; a class without a label has weight 0.
    """
    if kind == "none":
        return np.ones(classes, np.float32)
    if kind != "balanced":
        raise UserError(f'class_weights is "none" or "balanced", not {kind!r}.')
    counts = np.bincount(labels, minlength=classes)
    present = counts > 0
    return np.where(present, len(labels) / (present.sum() * np.maximum(counts, 1)), 0).astype(np.float32)


def weighted_cross_entropy(logits: jax.Array, labels: jax.Array, weights: jax.Array) -> Any:
    """The mean of each example's cross-entropy times its class's weight, and the accuracy: logits [B, C], labels [B]."""
    errors = optax.softmax_cross_entropy_with_integer_labels(logits, labels) * weights[labels]
    return errors.mean(), {"accuracy": (logits.argmax(-1) == labels).mean()}


def classify_images(context: Context, refined: Refined, positions: np.ndarray) -> np.ndarray:
    """Class probabilities of records by the image encoder and its linear head alone: [len(positions), classes]."""
    module = context.image_encoder.module
    head: Any = ClassifierHead(len(context.prepared.study.class_names))

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        encoder, parameters = variables
        tokens = encode(module, encoder, batch["image"], context.frozen_blocks)
        return jax.nn.softmax(head.apply({"params": parameters}, tokens))

    return np.asarray(over_photographs(context, "classify_images", function, refined, positions))
