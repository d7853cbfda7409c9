"""Ten steps of every stage, as the stage itself builds and runs them, against a re-implementation in torch.

Same weights, same batches, same schedule; ten steps are the whole of it, from the warm-up to the end of the cosine.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from prima_jax.data import text
from prima_jax.experiment import opening
from prima_jax.stages import align, diagnose, knowledge, pipeline, refine
from prima_jax.stages import stage as stage_module
from prima_jax.stages.backbones import Backbone, adapt, join
from tests.stages import tiny
from tests.stages.watch import Batches

STEPS = 10
SETTINGS = {"learning_rate": 1e-2, "weight_decay": 1.0}
"""With such a decay the weights shrink by 1.4% in all, which would show if some tensor were left out of it."""
TOLERANCE = 2e-5
"""Relative, on every loss. Measured over ten steps: with adapters 1.5e-7 (knowledge), 3.4e-7 (align), 1.5e-6 (refine) and 1.6e-6
(diagnose); trained whole 1.1e-6, 2.6e-6 and 3.3e-6. That is float32 rounding, 6e-8 an operation, which each step hands to the
next by way of the weights. Six times the largest, since another processor or library sums in another order.
"""
WEIGHT_TOLERANCE = 2e-3
"""On every trained tensor. Measured: at most 5e-4; Adam divides by the gradient's size, the rounding of small ones included."""

pytestmark = [pytest.mark.slow, pytest.mark.torch]


class Run(NamedTuple):
    """What a stage of ours was given and what it made of it."""

    context: Any
    fold: Any
    objective: Any
    batches: list[dict[str, np.ndarray]]
    losses: np.ndarray
    trained: Any


@pytest.fixture(scope="module")
def torch_stages():
    torch = pytest.importorskip("torch")
    from tests.stages import torch_stages

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # these tensors are too small to be worth sharing
    yield torch_stages
    torch.set_num_threads(threads)


@pytest.fixture
def run_stage(study, tokenizers, tmp_path, monkeypatch):
    """Runs one stage of ours for ten steps and keeps what went through its step."""

    def run(stage: str, rank: int) -> Run:
        context = study.context(tmp_path / "ours", **{f"{stage}__rank": rank})
        context = tiny.with_backbones(
            context, **{name: uneven(getattr(context.backbones, name)) for name in ("image", "text", "llm")}
        )
        fold, batches, results = study.fold(context), [], []
        train = stage_module.train

        def recorded(objective, folder, **options):
            watched = dataclasses.replace(objective, batches=Batches(objective.batches, batches.append))
            trained = train(watched, folder, **options)
            results.append((objective, trained.tree))
            return trained

        monkeypatch.setattr(stage_module, "train", recorded)
        STAGES[stage](context, fold, tokenizers)
        ((objective, trained),) = results
        assert objective.steps == len(batches) == STEPS
        return Run(context, fold, objective, batches, tiny.losses(context.place(stage, fold.index)), trained)

    return run


def uneven(backbone: Backbone) -> Backbone:
    """Norms and biases as a trained model has them, not ones and zeros."""
    rng = np.random.default_rng(0)

    def change(leaf):
        return leaf + 0.2 * rng.standard_normal(leaf.shape, np.float32) if leaf.ndim == 1 else leaf

    return Backbone(backbone.module, {"params": jax.tree.map(change, backbone.variables["params"])})


def set_length(settings: Any, examples: int) -> None:
    settings.update({**SETTINGS, "epochs": STEPS / (examples // settings.batch_size)})


def run_knowledge(context, fold, tokenizers):
    texts = tiny.stage_texts(context, fold)
    set_length(context.config.knowledge, len(texts))
    knowledge.run(context, fold, tokenizers.text, texts)


def run_align(context, fold, tokenizers):
    set_length(context.config.align, len(context.units) // 2)
    align.run(context, fold, tiny.visible_tokens(context, fold, tokenizers), pipeline.metadata_vectors(context, fold))


def run_refine(context, fold, tokenizers):
    """Goes on, as in the pipeline, from adapters that alignment has trained."""
    settings, encoder = context.config.refine, context.image_encoder
    settings.class_weights = "balanced"
    set_length(settings, len(context.prepared.records) // 2)
    adapted, rng = adapt(settings, encoder, context.key("align")), np.random.default_rng(1)
    if settings.rank:
        moved = jax.tree.map(lambda x: x + 0.05 * rng.standard_normal(x.shape, np.float32), adapted.trainable)
        adapted = adapted._replace(trainable=moved)
    refine.run(context, fold, join(adapted.frozen, adapted.trainable))


def run_diagnose(context, fold, tokenizers):
    settings = context.config.diagnose
    settings.update({"class_weights": "balanced", "scan_dropout": 0.3})
    set_length(settings, len(context.units) // 2)
    train, _ = opening.split_cases(context, fold)
    texts = pipeline.record_texts(context, tiny.untrained(context), tokenizers)
    diagnose.run(context, fold, tokenizers.llm, train, tiny.random_image_features(context), texts)


STAGES = {"knowledge": run_knowledge, "align": run_align, "refine": run_refine, "diagnose": run_diagnose}


def in_torch(torch_stages, stage: str, run: Run, trainable: Any, folder: Any, tokenizers: Any) -> Any:
    """The same stage in torch, at the weights `trainable`."""
    context, frozen = run.context, run.objective.frozen
    if stage == "knowledge":
        encoder = torch_stages.backbone(context.text_encoder.module, frozen, trainable, folder)
        return torch_stages.MaskedLanguage(encoder)
    if stage == "diagnose":
        llm = torch_stages.backbone(context.llm.module, frozen["llm"], trainable["llm"], folder)
        return torch_stages.Diagnosis(
            llm, trainable["projector"], frozen["class_ids"], frozen["class_weights"].weights, tiny.SIDE
        )
    encoder = torch_stages.backbone(
        context.image_encoder.module, frozen["image_encoder"], trainable["image_encoder"], folder / "image"
    )
    records = context.prepared.records
    if stage == "refine":
        labels = [record.label for record in records]
        shares = np.bincount([labels[i] for i in run.fold.train]) / len(run.fold.train)
        return torch_stages.Refinement(encoder, trainable["head"], labels, np.float32(1 / (len(shares) * shares)))
    text_encoder = torch_stages.backbone(context.text_encoder.module, context.text_encoder.variables, {}, folder / "text")
    train = set(run.fold.train.tolist())
    rows = [records[positions[0]] for positions in context.units.values() if positions[0] in train]
    sentences = [text.sentence(context.prepared.study, row.fields, visual_only=True) for row in rows]
    texts = torch_stages.text_features(text_encoder, tokenizers.text, sentences)
    likeness = [[inner_product(context.prepared.study, a, b) for b in rows] for a in rows]
    return torch_stages.Alignment(encoder, trainable["heads"], texts, np.float32(likeness), context.config.align)


def inner_product(study: Any, a: Any, b: Any) -> float:
    """<y_i, y_j> of Eq. 6: the attributes that two units have in common, and 3 x 3 for the same label."""

    def column(attribute, record):
        value = record.fields[attribute.name]
        return np.digitize(value, attribute.bins) if attribute.kind == "number" else value

    known = [t for t in study.attributes if t.shown and t.name in a.fields and t.name in b.fields]
    assert all(t.bins for t in known if t.kind == "number")
    return sum(column(t, a) == column(t, b) for t in known) + 9.0 * (a.label == b.label)


@pytest.mark.parametrize(
    ("stage", "rank"),
    [("knowledge", 4), ("align", 4), ("refine", 4), ("diagnose", 4), ("knowledge", 0), ("align", 0), ("refine", 0)],
)
def test_ten_steps(torch_stages, run_stage, tokenizers, tmp_path, stage, rank):
    """Rank 0 trains the encoder whole, as runs without weights do."""
    run = run_stage(stage, rank)
    trees = {"start": run.objective.trainable, "ours": run.trained, "theirs": run.objective.trainable}
    start, ours, theirs = (in_torch(torch_stages, stage, run, trees[n], tmp_path / n, tokenizers) for n in trees)

    def schedule(step):
        return torch_stages.learning_rate(step, peak=SETTINGS["learning_rate"], steps=STEPS, warmup_fraction=0.1)

    losses = torch_stages.train(theirs, run.batches, schedule, SETTINGS["weight_decay"])
    difference = np.abs(run.losses - losses) / np.abs(losses)
    weights = dict(weight_differences(start, ours, theirs))
    farthest = max(weights, key=weights.get)
    print(f"\n{stage}, rank {rank}: losses {np.round(losses, 4)}, relative difference at most {difference.max():.1e};")
    print(f"{len(weights)} trained tensors, at most {weights[farthest]:.1e} of the way that {farthest} went")
    assert np.ptp(losses) > 0.01 * np.mean(losses), "nothing was trained"
    assert difference.max() < TOLERANCE
    assert weights[farthest] < WEIGHT_TOLERANCE


def weight_differences(start: Any, ours: Any, theirs: Any) -> Any:
    """For each trained tensor the distance of ours from theirs, as a share of the way that theirs went."""
    for (name, before), (_, a), (_, b) in zip(*(m.named_parameters() for m in (start, ours, theirs)), strict=True):
        if before.requires_grad:
            way, apart = (float((x - b).norm()) for x in (before, a))
            yield name, apart / way if way else apart
