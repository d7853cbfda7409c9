"""MedKLIP, adapted: sentences about a patient are queries that look for themselves in the photograph.

The original (Wu et al. 2023, arXiv 2301.02228, https://github.com/MediaBrain-SJTU/MedKLIP) learns from radiology reports: 75
named entities, each described in words and encoded once by a frozen Bio_ClinicalBERT, query the patches of a ResNet-50
through a DETR-style decoder, and each is said to be there or not; its attention shows where.

All that follows is our adaptation to diagnosis with metadata. The entities are the K diagnoses and every value that an
attribute of the study can take (data/statements.py), those that no photograph shows as well: the metadata are the
supervision, true, false, or not known and then without a loss. At test time the method sees photographs alone. The logit of
a diagnosis is that of its presence less that of its absence, and the softmax over the diagnoses has a cross-entropy of its
own beside that of the entities. The patches are DINOv3's (LoRA; without weights the encoder is trained whole), the class
vectors those of the frozen text encoder without the corpus.

Left out: the position head, which picks an entity's place among phrases (where a study records a place, each place is an
entity here), dropout, the original's N(0, 0.02) for initial weights, its augmentation (crops from a fifth of the area,
RandAugment) and the start and floor of its schedule, where this project's stand; and a variant that also reads the metadata.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from prima_jax.data.statements import Statements
from prima_jax.methods.frozen_encoders import case_mean, photographs, text_encoder
from prima_jax.methods.method import Bench, Method
from prima_jax.methods.networks.query_decoder import QueryDecoder
from prima_jax.models.layers import Dense
from prima_jax.stages import refine, text_features
from prima_jax.stages.backbones import adapt, join
from prima_jax.stages.batches import image_batches
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context
from prima_jax.stages.encoder import encode
from prima_jax.stages.inference import predict_images
from prima_jax.stages.stage import Stage, Training, train_stage
from prima_jax.training.parallel import AXIS

__all__ = ["METHOD", "EntityReader", "attention_maps", "entity_losses"]

State = dict[str, Any]
"""{"image_encoder": variables, "reader": parameters, "vectors": [Q, d], of each entity's sentence}."""


class EntityReader(nn.Module):
    """Which of Q entities are in a photograph, and where it was looked for."""

    width: int
    layers: int
    heads: int
    hidden: int
    remat: bool = False

    @nn.compact
    def __call__(self, patches: jax.Array, vectors: jax.Array) -> tuple[jax.Array, jax.Array]:
        """patches [B, P, d_image], vectors [Q, d_text] -> logits of absent and present [B, Q, 2], attention
        [layers, B, heads, Q, P]."""
        patches = patches.astype(jnp.float32)
        projected = nn.relu(_dense(patches.shape[-1], "patch_hidden")(patches))
        memory = _dense(self.width, "patch_output")(projected)
        queries = _dense(self.width, "query")(vectors)
        decoded = QueryDecoder(self.width, self.layers, self.heads, self.hidden, self.remat, name="decoder")(queries, memory)
        return _dense(2, "presence")(decoded.queries), decoded.attention


def fit(bench: Bench, train: list[Case]) -> State:
    """Trains on all photographs of the training cases, each with the metadata and the diagnosis of its case."""
    context, fold, _ = bench
    settings = context.config.baselines.medklip
    blocks = context.config.image.blocks
    adapted = adapt(settings, context.image_encoder, context.key("medklip", fold.index), last_blocks=blocks)
    reader = _reader(context)
    statements = _statements(bench, train)
    vectors = _vectors(bench, statements)

    def initial() -> dict[str, Any]:
        patches = jnp.zeros((1, 1, context.image_encoder.module.config.hidden_size))
        parameters = reader.init(context.key("medklip", "reader", fold.index), patches, vectors)["params"]
        return {"image_encoder": adapted.trainable, "reader": parameters}

    def training() -> Training:
        positions = np.concatenate(photographs(train))
        classes = len(context.prepared.study.classes)
        frozen = {
            "image_encoder": adapted.frozen,
            "vectors": vectors,
            "entities": _labels(context, train, statements),
            "class_weights": refine.class_weights(settings.class_weights, _classes_of_photographs(train), classes),
        }
        return Training(
            loss=_objective(context, reader, classes),
            frozen=frozen,
            steps=stage.steps(len(context.prepared.records)),
            batches=image_batches(context, stage, positions),
        )

    stage = Stage("medklip", context, fold.index, settings, initial)
    trained = train_stage(stage, training)
    encoder = join(adapted.frozen, trained["image_encoder"])
    return {"image_encoder": encoder, "reader": trained["reader"], "vectors": vectors}


def entity_losses(
    logits: jax.Array, entities: jax.Array, class_weights: refine.ClassWeights, *, axis_name: str | None = None
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The cross-entropy of presence, over the entities of the whole batch that are known, plus that of the diagnosis.

    logits [B, Q, 2], entities [B, Q] of 1, 0 and -1 (not known). The first C queries are the diagnoses, of which each
    photograph has one. `axis_name`: the axis of the devices that share the batch.
    """
    classes, known = len(class_weights.weights), entities >= 0
    errors = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(entities, 0))
    count = known.sum().astype(jnp.float32)
    if axis_name is not None:
        count = jax.lax.pmean(count, axis_name)
    presence = jnp.where(known, errors, 0).sum() / jnp.maximum(count, 1e-6)
    scores, labels = diagnosis_logits(logits, classes), entities[:, :classes].argmax(axis=1)
    diagnosis, parts = refine.weighted_cross_entropy(scores, labels, class_weights)
    return presence + diagnosis, {"presence": presence, "diagnosis": diagnosis, **parts}


def diagnosis_logits(logits: jax.Array, classes: int) -> jax.Array:
    """[B, Q, 2] -> [B, classes]: present less absent."""
    return logits[:, :classes, 1] - logits[:, :classes, 0]


def predict(bench: Bench, state: State, test: list[Case]) -> np.ndarray:
    """[len(test), C]: the mean over each case's photographs."""
    return case_mean(_read(bench, state, np.concatenate(photographs(test)))[0], test)


def attention_maps(bench: Bench, state: State, positions: np.ndarray) -> np.ndarray:
    """Where each entity was looked for in some records' photographs: [len(positions), Q, rows, columns], each map sums to 1.

    The mean over layers and heads. Queries are the diagnoses, then `Statements.names`.
    """
    maps = _read(bench, state, positions)[1]
    side = round(maps.shape[-1] ** 0.5)
    return maps.reshape(*maps.shape[:2], side, side)


def _objective(context: Context, reader: Any, classes: int) -> Any:
    """Over a batch: batch["image"] uint8 [B, S, S, 3], batch["index"] [B], positions of records."""

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        encoder = join(frozen["image_encoder"], trainable["image_encoder"])
        patches = _patches(context, encoder, batch["image"])
        logits, _ = reader.apply({"params": trainable["reader"]}, patches, frozen["vectors"])
        return entity_losses(logits, frozen["entities"][batch["index"]], frozen["class_weights"], axis_name=AXIS)

    return loss


def _read(bench: Bench, state: State, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class probabilities and mean attention of records' photographs: [N, C], [N, Q, P]."""
    context = bench.context
    reader, classes = _reader(context), len(context.prepared.study.classes)

    def function(variables: State, batch: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        patches = _patches(context, variables["image_encoder"], batch["image"])
        logits, attention = reader.apply({"params": variables["reader"]}, patches, variables["vectors"])
        return jax.nn.softmax(diagnosis_logits(logits, classes)), attention.mean(axis=(0, 2))

    probabilities, maps = predict_images(context, "medklip_read", function, state, positions)
    return probabilities, maps


def _patches(context: Context, encoder: dict[str, Any], images: jax.Array) -> jax.Array:
    return encode(context.image_encoder.module, encoder, images, context.frozen_blocks)[:, 1:]


def _reader(context: Context) -> Any:
    settings = context.config.baselines.medklip
    return EntityReader(settings.width, settings.layers, settings.heads, 4 * settings.width, context.config.remat)


def _statements(bench: Bench, train: list[Case]) -> Statements:
    prepared = bench.context.prepared
    return Statements.fit(prepared.study, [prepared.records[case.row] for case in train])


def _vectors(bench: Bench, statements: Statements) -> np.ndarray:
    """The class vector of each entity's sentence, [Q, d], standardised over the entities.

    The linear layer behind it could undo that. A small encoder gives all sentences much the same vector, and without it
    the queries would start out alike.
    """
    context = bench.context
    diagnoses = [f"The diagnosis is {words}." for words in context.prepared.study.classes.values()]
    sentences = [*diagnoses, *statements.sentences]
    found = text_features.text_tokens(context, text_encoder(bench), bench.tokenizers.text, sentences)
    vectors = found.tokens[found.index, 0].astype(np.float32)
    return (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-6)


def _labels(context: Context, train: list[Case], statements: Statements) -> np.ndarray:
    """int32 [R, Q]: 1, 0 and -1 for every entity of the training photographs, -1 for all other records."""
    records, classes = context.prepared.records, len(context.prepared.study.classes)
    labels = np.full((len(records), classes + len(statements.sentences)), -1, np.int32)
    diagnoses = np.eye(classes, dtype=np.int32)[[case.label for case in train]]
    rows = np.concatenate([diagnoses, statements.labels([records[case.row] for case in train])], axis=1)
    for case_photographs, row in zip(photographs(train), rows, strict=True):
        labels[case_photographs] = row
    return labels


def _classes_of_photographs(train: list[Case]) -> np.ndarray:
    return np.repeat([case.label for case in train], [len(p) for p in photographs(train)])


def _dense(features: int, name: str) -> Dense:
    return Dense(features, kernel_init=nn.initializers.lecun_normal(), name=name)


METHOD = Method(
    "medklip",
    frozenset({"images"}),
    fit,
    predict,
    batches="photographs",
    note="the training cases' metadata are part of what it is taught",
)
