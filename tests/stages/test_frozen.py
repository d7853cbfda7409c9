"""Every frozen thing stays bit-identical through training, and with adapters nothing but them and the heads is trained."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from prima_jax.experiment import opening
from prima_jax.stages import align, diagnose, knowledge, pipeline, refine
from prima_jax.stages import stage as stage_module
from tests.stages import tiny
from tests.stages.tiny import ONE_LAYER, same_bits

RANK = 2
HEADS = {"knowledge": set(), "align": {"heads"}, "refine": {"head"}, "image_only": {"head"}, "diagnose": {"projector"}}
ENCODER = {
    "knowledge": None,
    "align": "image_encoder",
    "refine": "image_encoder",
    "image_only": "image_encoder",
    "diagnose": "llm",
}


@dataclasses.dataclass
class Seen:
    """One stage's trees, copied before the first step and after the last; `frozen` as the devices hold them."""

    trainable_before: Any
    frozen_before: Any
    frozen_after: Any
    trainable_after: Any


@pytest.fixture(scope="module")
def stages(study, tokenizers, tmp_path_factory):
    """All stages with adapters: {stage: Seen}, the backbones before and after, and what the stages returned."""
    ranks = {f"{stage}__rank": RANK for stage in ("knowledge", "align", "refine", "image_only", "diagnose")}
    epochs = {f"{stage}__epochs": 1.5 for stage in ("knowledge", "align", "refine", "image_only", "diagnose")}
    context = study.context(tmp_path_factory.mktemp("frozen"), **ranks, **epochs, **ONE_LAYER)
    fold, seen = study.fold(context), {}
    train = stage_module.train

    def watched_train(objective, folder, *, mapped_step, **options):
        before = jax.tree.map(np.array, (objective.trainable, objective.frozen))
        on_devices = {}

        def step(state, frozen, batch):
            on_devices["frozen"] = frozen
            return mapped_step(state, frozen, batch)

        trained = train(objective, folder, mapped_step=step, **options)
        seen[folder.name.partition("-")[0]] = Seen(*before, jax.device_get(on_devices["frozen"]), trained.tree)
        return trained

    backbones = {name: getattr(context, name) for name in ("text_encoder", "image_encoder", "llm")}
    started = {name: jax.tree.map(np.array, backbone.variables) for name, backbone in backbones.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage_module, "train", watched_train)
        text = knowledge.run(context, fold, tokenizers.text, tiny.stage_texts(context, fold)[:50])
        text_before = jax.tree.map(np.array, text)
        texts = tiny.visible_tokens(context, fold, tokenizers)
        table_before = texts.tokens.copy()
        aligned = align.run(context, fold, texts, pipeline.metadata_vectors(context, fold)).image_encoder
        refined, _ = refine.run(context, fold, aligned)
        refine.run(context, fold, context.image_encoder.variables, name="image_only")
        cases, _ = opening.split_cases(context, fold)
        records = pipeline.record_texts(context, tiny.untrained(context), tokenizers)
        diagnosed = diagnose.run(context, fold, tokenizers.llm, cases, tiny.random_image_features(context), records)
    return {
        "seen": seen,
        "backbones": [(started[name], backbone.variables) for name, backbone in backbones.items()],
        "text": (text_before, text),
        "table": (table_before, texts.tokens),
        "returned": {"text": text, "aligned": aligned, "refined": refined, "llm": diagnosed["llm"]},
        "started": started,
    }


@pytest.mark.parametrize("stage", HEADS)
def test_what_is_frozen_keeps_every_bit(stages, stage):
    seen = stages["seen"][stage]
    assert same_bits(seen.frozen_before, seen.frozen_after)
    assert "params" in (seen.frozen_before[ENCODER[stage]] if ENCODER[stage] else seen.frozen_before)


@pytest.mark.parametrize("stage", HEADS)
def test_what_is_trained_changes_in_every_tensor(stages, stage):
    before, after = stages["seen"][stage].trainable_before, stages["seen"][stage].trainable_after
    assert jax.tree.structure(before) == jax.tree.structure(after)
    pairs = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True)
    assert [jax.tree_util.keystr(path) for (path, a), b in pairs if np.array_equal(a, b)] == []


@pytest.mark.parametrize("stage", HEADS)
def test_with_adapters_nothing_else_but_heads_is_trained(stages, stage):
    trainable, encoder = stages["seen"][stage].trainable_before, ENCODER[stage]
    assert trainable.keys() - {encoder} == (HEADS[stage] or {"lora"})
    adapters = trainable if encoder is None else trainable[encoder]
    assert adapters.keys() == {"lora"}
    names = {path[-1].key for path, _ in jax.tree_util.tree_leaves_with_path(adapters)}
    assert names == {"A", "B"}
    assert all(RANK in leaf.shape for leaf in jax.tree.leaves(adapters))


def test_the_text_encoder_and_its_tokens_are_untouched_by_stages_2_and_3(stages):
    assert same_bits(*stages["text"])
    np.testing.assert_array_equal(*stages["table"])


def test_backbones_as_read_are_never_written_to(stages):
    """They start every fold."""
    for before, after in stages["backbones"]:
        assert same_bits(before, jax.device_get(after))


def test_what_a_stage_returns_is_the_backbone_with_its_adapters(stages):
    started, returned = stages["started"], stages["returned"]
    for name, backbone in (("text", "text_encoder"), ("aligned", "image_encoder"), ("refined", "image_encoder"), ("llm", "llm")):
        assert same_bits(started[backbone]["params"], jax.device_get(returned[name]["params"]))
        assert "lora" in returned[name]
    assert not same_bits(returned["aligned"]["lora"], returned["refined"]["lora"])


def test_a_finished_stage_is_read_back_rather_than_trained_again(study, tokenizers, tmp_path, monkeypatch):
    context = study.context(tmp_path, knowledge__corpus="", knowledge__epochs=1.0, **ONE_LAYER)
    fold = study.fold(context)
    texts = tiny.stage_texts(context, fold)
    first = knowledge.run(context, fold, tokenizers.text, texts)
    monkeypatch.setattr(stage_module, "train", None)
    assert same_bits(jax.device_get(first), jax.device_get(knowledge.run(context, fold, tokenizers.text, texts)))
    assert not same_bits(context.text_encoder.variables, first)  # rank 0: the whole encoder was trained


def test_no_epochs_leave_what_a_stage_begins_with(study, tmp_path):
    context = study.context(tmp_path, image_only__epochs=0.0, **ONE_LAYER)
    fold, before = study.fold(context), context.image_encoder.variables
    first, head = refine.run(context, fold, before, name="image_only")
    assert same_bits(jax.device_get(before), jax.device_get(first))
    assert not (context.place("image_only", fold.index) / "history.jsonl").exists()
    again, same_head = refine.run(context, fold, before, name="image_only")  # read back
    assert same_bits(jax.device_get(first), again) and same_bits(jax.device_get(head), same_head)


def test_a_finished_stage_is_read_without_writing(study, tmp_path):
    context = study.context(tmp_path, image_only__epochs=0.0, **ONE_LAYER)
    fold = study.fold(context)
    refine.run(context, fold, context.image_encoder.variables, name="image_only")
    folder = context.place("image_only", fold.index)
    (folder / "lock").unlink()
    refine.run(context, fold, context.image_encoder.variables, name="image_only")
    assert not (folder / "lock").exists()
