"""Stage 2b, supervised refinement (end of section 2.2): the image encoder with labels and cross-entropy.

The same code, started from the encoder as published rather than as aligned, is the image-only reference.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from prima_jax.errors import UserError
from prima_jax.models.dual_encoder import ClassifierHead
from prima_jax.stages.backbones import Adapted, Backbone, adapt, join
from prima_jax.stages.batches import image_batches
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.encoder import encode
from prima_jax.stages.inference import predict_images
from prima_jax.stages.stage import Stage, Training, load_stage, train_stage

__all__ = [
    "ClassWeights",
    "Refined",
    "class_weights",
    "classification",
    "classify_images",
    "classify_with",
    "load",
    "run",
    "weighted_cross_entropy",
]

Refined = tuple[dict[str, Any], dict[str, Any]]
"""The image encoder's variables and the classifier head's parameters."""


def run(context: Context, fold: Fold, variables: dict[str, Any], *, name: str = "refine") -> Refined:
    """Goes on from an image encoder's variables; `name` is the stage's folder and its section of the config."""
    settings = context.config[name]
    module = context.image_encoder.module
    stage, adapted = _start(context, fold.index, variables, name)

    def training() -> Training:
        labels = np.array([record.label for record in context.prepared.records], np.int32)
        held_out = np.zeros(len(labels), bool)
        held_out[fold.test] = True
        head = _head(context)
        return Training(
            loss=classification(module, head, context.frozen_blocks),
            frozen={
                "image_encoder": adapted.frozen,
                "labels": np.where(held_out, -1, labels),
                "class_weights": class_weights(settings.class_weights, labels[fold.train], head.classes),
            },
            steps=stage.steps(len(context.prepared.records)),
            batches=image_batches(context, stage, fold.train),
            microbatches=settings.microbatches,
        )

    trained = train_stage(stage, training)
    return join(adapted.frozen, trained["image_encoder"]), trained["head"]


def load(context: Context, fold: int, variables: dict[str, Any], *, name: str = "refine") -> Refined:
    """What `run` returned, of a finished stage. Raises UserError where it is not finished."""
    stage, adapted = _start(context, fold, variables, name)
    trained = load_stage(stage)
    return join(adapted.frozen, trained["image_encoder"]), trained["head"]


def classification(module: Any, head: Any, frozen_blocks: int = 0) -> Any:
    """Cross-entropy over a batch: batch["image"] as `encode` takes it, batch["index"] [B], positions of records.

    A head that reads more than the photograph finds it in frozen["vectors"] [R, m].
    """

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        encoder = join(frozen["image_encoder"], trainable["image_encoder"])
        beside = [frozen["vectors"][batch["index"]]] if "vectors" in frozen else []
        logits = head.apply({"params": trainable["head"]}, encode(module, encoder, batch["image"], frozen_blocks), *beside)
        labels = frozen["labels"][batch["index"]]
        return weighted_cross_entropy(logits, labels, frozen["class_weights"])

    return loss


Array = jax.Array | np.ndarray


class ClassWeights(NamedTuple):
    """The weights, offsets and focus of a classification loss."""

    weights: Array
    """[C]: what an example's error is multiplied by."""
    offsets: Array | None = None
    """[C]: what is added to the logits while training."""
    focus: Array | None = None
    """[]: the exponent of 1 - p by which an error is multiplied, p the probability of the right class."""


def class_weights(kind: str, labels: np.ndarray, classes: int) -> ClassWeights:
    """Returns what `kind` does about classes of unequal size.

    "none": nothing. "balanced": one over the class's share of the training labels, with a mean of 1 over the labels and 0 for a
    class without one. "logit_adjusted": the logarithm of that share is added to the logits (Menon et al. 2021, arXiv 2007.07314,
    Eq. 10 with temperature 1; a class without a label counts as one with a single label). "focal": with exponent 2 (Lin et al.
    2017, arXiv 1708.02002). "sampled": nothing here, since its batches have as many of one class as of any other.
    """
    counts = np.bincount(labels, minlength=classes)
    alike = np.ones(classes, np.float32)
    if kind == "balanced":
        present = counts > 0
        return ClassWeights(np.where(present, len(labels) / (present.sum() * np.maximum(counts, 1)), 0).astype(np.float32))
    if kind == "logit_adjusted":
        return ClassWeights(alike, offsets=np.log(np.maximum(counts, 1) / len(labels)).astype(np.float32))
    if kind == "focal":
        return ClassWeights(alike, focus=np.array(2, np.float32))
    if kind not in ("none", "sampled"):
        raise UserError(f"class_weights is none, balanced, logit_adjusted, focal or sampled, not {kind!r}.")
    return ClassWeights(alike)


def weighted_cross_entropy(logits: jax.Array, labels: jax.Array, classes: ClassWeights) -> Any:
    """The mean of the examples' cross-entropies as `classes` weigh them, and the accuracy: logits [B, C], labels [B]."""
    adjusted = logits if classes.offsets is None else logits + classes.offsets
    errors = optax.softmax_cross_entropy_with_integer_labels(adjusted, labels)
    if classes.focus is not None:
        errors *= jnp.maximum(-jnp.expm1(-errors), 0) ** classes.focus
    return (errors * classes.weights[labels]).mean(), {"accuracy": (logits.argmax(-1) == labels).mean()}


def classify_images(context: Context, refined: Refined, positions: np.ndarray) -> np.ndarray:
    """Class probabilities of records by the image encoder and its linear head alone: [len(positions), classes]."""
    return classify_with(context, "classify_images", _head(context), refined, positions)


def classify_with(
    context: Context, name: str, head: Any, refined: Refined, positions: np.ndarray, **beside: np.ndarray
) -> np.ndarray:
    """The same by any head, which may read vectors `beside` each photograph; `name` as `predict_images` takes it."""
    module = context.image_encoder.module

    def function(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        encoder, parameters = variables
        tokens = encode(module, encoder, batch["image"], context.frozen_blocks)
        return jax.nn.softmax(head.apply({"params": parameters}, tokens, *(batch[key] for key in beside)))

    return np.asarray(predict_images(context, name, function, refined, positions, beside))


def _start(context: Context, fold: int, variables: dict[str, Any], name: str) -> tuple[Stage, Adapted]:
    settings, module = context.config[name], context.image_encoder.module
    blocks, key = context.config.image.blocks, context.key(name, fold)
    adapted = adapt(settings, Backbone(module, variables), key, last_blocks=blocks)

    def initial() -> dict[str, Any]:
        tokens = jnp.zeros((1, 2, module.config.hidden_size))
        parameters = _head(context).init(context.key(name, "head", fold), tokens)["params"]
        return {"image_encoder": adapted.trainable, "head": parameters}

    return Stage(name, context, fold, settings, initial), adapted


def _head(context: Context) -> ClassifierHead:
    return ClassifierHead(len(context.prepared.study.class_names))
