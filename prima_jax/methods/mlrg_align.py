"""Stage 1 of MLRG (mlrg.py): the photographs of a unit, their fusion and their report are aligned, under three losses.

The report is the diagnosis in words and the metadata sentence, of training cases alone. Losses (a) and (b) take the class
tokens, (c) the patches, of equal weight: (a) before the fusion, (b) and (c) after it, as in the original. Ours: a batch is
counted in units and holds up to `views` photographs of each, so that no loss lacks its positives.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.data.text import sentence
from prima_jax.methods import frozen_encoders
from prima_jax.methods.contrastive import image_text_loss, token_loss, view_loss
from prima_jax.methods.method import Bench
from prima_jax.methods.networks.view_fusion import ViewEncoder
from prima_jax.stages import features
from prima_jax.stages.batches import index_batches
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context
from prima_jax.stages.features import TextTokens
from prima_jax.stages.stage import Stage, Training, train_stage
from prima_jax.training.parallel import AXIS

__all__ = [
    "Views",
    "encoder_arrays",
    "fit",
    "make_encoder",
    "objective",
    "read_units",
    "read_views",
    "report_sentences",
    "unit_views",
]


class Views(NamedTuple):
    """The frozen tokens of every photograph, and which belong together."""

    images: np.ndarray
    """[R, stored views, 1 + K, d]."""
    kinds: np.ndarray
    """int [R]: the kind of each photograph, by the order of study.image_types."""
    together: list[list[int]]
    """For each photograph the positions of its unit's, itself among them."""
    width: int
    """How many photographs of a unit are shown at a time."""


def unit_views(bench: Bench) -> Views:
    """Units lie in one fold, so that no view of a training photograph is held out."""
    context, records = bench.context, bench.context.prepared.records
    names = list(context.prepared.study.image_types)
    kinds = np.array([names.index(r.image_type) if names else 0 for r in records], np.int32)
    together = [context.units[r.unit] for r in records]
    width = min(context.config.baselines.mlrg.views, max(map(len, together)))
    return Views(frozen_encoders.image_tokens(bench), kinds, together, width)


def fit(bench: Bench, train: list[Case], views: Views) -> dict[str, Any]:
    """The parameters of the view encoder."""
    context, fold, tokenizers = bench
    settings, encoder = context.config.baselines.mlrg.align, make_encoder(context)
    reports = report_sentences(context, train)
    more = max(len(tokenizers.text(said, add_special_tokens=False)["input_ids"]) for said in _diagnoses(context))
    texts = features.text_tokens(context, frozen_encoders.text_encoder(bench), tokenizers.text, reports, more_tokens=more)
    texts = texts.only(np.array([p for p, report in enumerate(reports) if report], int))
    units = list({case.unit: context.units[case.unit] for case in train}.values())

    def initial() -> dict[str, Any]:
        batch = read_units(views, texts, units[0][:1])
        return encoder.init(context.key("mlrg_align", "encoder", fold.index), *encoder_arrays(batch))["params"]

    def training() -> Training:
        steps = stage.steps(len(context.units))

        def training_batch(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            chosen = [units[i] for i in batch["index"]]
            anchors = [unit[draw % len(unit)] for unit, draw in zip(chosen, batch["draw"], strict=True)]
            return {**read_units(views, texts, anchors, batch["draw"]), "unit": batch["index"]}

        return Training(
            loss=objective(encoder, context.config.baselines.mlrg),
            frozen={},
            steps=steps,
            batches=index_batches(stage, len(units), training_batch),
        )

    stage = Stage("mlrg_align", context, fold, settings, initial, inside="mlrg")
    return train_stage(stage, training)


def report_sentences(context: Context, train: list[Case]) -> list[str]:
    """For every photograph of the training cases the diagnosis in words and the metadata; nothing for all others.

    The diagnosis comes first: a text that is too long loses its end.
    """
    study, records, diagnoses = context.prepared.study, context.prepared.records, _diagnoses(context)
    reports = [""] * len(records)
    for case, photographs in zip(train, frozen_encoders.photographs(train), strict=True):
        for p in photographs:
            reports[p] = f"{diagnoses[case.label]} {sentence(study, records[case.row].fields)}".strip()
    return reports


def _diagnoses(context: Context) -> list[str]:
    """What the report says of each class."""
    return [f"The diagnosis is {words}." for words in context.prepared.study.classes.values()]


def read_views(views: Views, anchors: Sequence[int], draws: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Each anchor's tokens, then those of its unit's other photographs: "tokens" [B, V, 1 + K, d], "kinds", "present" [B, V].

    With `draws` the others and the stored view of each are drawn; without, the whole photographs of the first others that are of
    different kinds, where there are such.
    "photographs" [B, V] are their positions, -1 for none.
    """
    chosen, stored = np.full((len(anchors), views.width), -1), np.zeros((len(anchors), views.width), int)
    for row, anchor in enumerate(anchors):
        others = np.array([p for p in views.together[anchor] if p != anchor], int)
        if draws is not None:
            generator = np.random.default_rng(int(draws[row]))
            others = generator.permutation(others)
            stored[row] = generator.integers(views.images.shape[1], size=views.width)
        else:
            others = _of_different_kinds(others, anchor, views.kinds)
        shown = [anchor, *others[: views.width - 1]]
        chosen[row, : len(shown)] = shown
    present = chosen >= 0
    tokens = np.where(present[..., None, None], views.images[np.maximum(chosen, 0), stored], 0).astype(views.images.dtype)
    kinds = np.where(present, views.kinds[chosen], 0)
    return {"tokens": tokens, "kinds": kinds, "present": present, "photographs": chosen}


def _of_different_kinds(others: np.ndarray, anchor: int, kinds: np.ndarray) -> np.ndarray:
    """First one of each kind that the anchor is not of, then the second ones and so on, as they come."""
    seen = Counter({int(kinds[anchor]): 1})
    earlier = []
    for p in others:
        earlier.append(seen[int(kinds[p])])
        seen[int(kinds[p])] += 1
    return others[np.argsort(np.array(earlier, int), kind="stable")]


def read_units(views: Views, texts: TextTokens, anchors: Sequence[int], draws: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """`read_views` of one anchor a unit, with each photograph's report: "text_tokens" [B, V, 1 + L, d], "text_mask".

    A photograph without a report counts as not there.
    """
    batch, nothing = read_views(views, anchors, draws), len(texts.tokens) - 1
    reports = np.where(batch["present"], texts.index[batch["photographs"]], nothing)
    return {
        **batch,
        "present": reports != nothing,
        "text_tokens": texts.tokens[reports],
        "text_mask": texts.words[reports],
    }


def encoder_arrays(batch: dict[str, Any]) -> tuple[Any, ...]:
    """What a ViewEncoder takes of a batch."""
    return batch["tokens"], batch["kinds"], batch["present"], batch["text_tokens"]


def objective(encoder: Any, settings: Any) -> Any:
    """(a) + (b) + (c) over a batch of units."""
    tau, region_tau = settings.temperature, settings.region_temperature

    def loss(trainable: dict[str, Any], frozen: dict[str, Any], batch: dict[str, jax.Array]) -> Any:
        arrays = encoder.apply({"params": trainable}, *encoder_arrays(batch))
        own, fused, text = (x.reshape(-1, *x.shape[2:]) for x in arrays)  # a row for each photograph
        present = batch["present"].reshape(-1)
        units = jnp.repeat(batch["unit"], batch["present"].shape[1])
        words = batch["text_mask"].reshape(len(present), -1) & present[:, None]
        parts = {
            "view": view_loss(own[:, 0], units, present, temperature=tau, axis_name=AXIS),
            "image_text": image_text_loss(fused[:, 0], text[:, 0], units, present, temperature=tau, axis_name=AXIS),
            "token": token_loss(fused[:, 1:], text[:, 1:], words, temperature=region_tau, axis_name=AXIS),
        }
        return sum(parts.values()), parts

    return loss


def make_encoder(context: Context) -> Any:
    """The encoder of views on this run's frozen tokens."""
    settings = context.config.baselines.mlrg
    kinds = max(1, len(context.prepared.study.image_types))
    return ViewEncoder(settings.width, settings.layers, settings.heads, kinds, context.config.remat)
