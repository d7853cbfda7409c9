"""Rows of a table share a stage exactly where nothing that bears on it is different."""

import pytest

from configs import pad_ufes_20
from prima_jax.stages.places import stage_key

STAGES = ("tokenizer", "knowledge", "align", "refine", "features", "diagnose", "image_only", "frozen_features", "frozen_tokens")
CHANGES = {
    "seed": (7, set(STAGES)),
    "split.group": ("subject", set(STAGES)),
    "split.without_fold": (0, set(STAGES)),
    "split.train_share": (0.5, set(STAGES)),
    "study.hide": ("form", set(STAGES)),
    "models.llm.quantized": ("nf4", set(STAGES)),
    "models.llm.random": (True, {"diagnose"}),
    "models.text.random": (True, set(STAGES)),
    "knowledge.corpus": ("corpus.jsonl", set(STAGES) - {"image_only", "frozen_features", "frozen_tokens"}),
    "knowledge.epochs": (1.0, {"knowledge", "align", "refine", "features", "diagnose"}),
    "align.weights": ((0.2, 0.0, 0.0, 0.0), {"align", "refine", "features", "diagnose"}),
    "refine.epochs": (0.0, {"refine", "features", "diagnose"}),
    "features.views": (2, {"features", "diagnose", "frozen_features"}),
    "diagnose.epochs": (1.0, {"diagnose"}),
    "image_only.epochs": (1.0, {"image_only", "frozen_features"}),
    "checkpoint_seconds": (1.0, set()),
    "data.dir": ("elsewhere", set()),
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_field_moves_the_stages_that_it_bears_on_and_no_others(field):
    before, after = pad_ufes_20.get_config("table3,small"), pad_ufes_20.get_config("table3,small")
    value, moved = CHANGES[field]
    with after.unlocked():
        after.update_from_flattened_dict({field: value})
    assert {stage for stage in STAGES if stage_key(before, stage) != stage_key(after, stage)} == moved


def test_without_alignment_the_image_encoder_hangs_on_no_text():
    before, after = (pad_ufes_20.get_config("table3,small") for _ in range(2))
    for config in (before, after):
        config.align.epochs = 0.0
    after.knowledge.corpus, after.align.weights = "corpus.jsonl", (0.2, 0.0, 0.0, 0.0)
    assert {stage for stage in STAGES if stage_key(before, stage) == stage_key(after, stage)} == {
        "refine", "features", "image_only", "frozen_features", "frozen_tokens",
    }  # fmt: skip
    after.align.rank = 4  # that of the adapters that refinement goes on with
    assert stage_key(before, "refine") != stage_key(after, "refine")


def test_a_baseline_does_not_move_with_the_recipe_of_the_alignment_or_with_another_baseline():
    before, after = pad_ufes_20.get_config("table1,small"), pad_ufes_20.get_config("table1,small")
    for config in (before, after):
        with config.unlocked():
            config.baselines = {"one": {"epochs": 1.0}, "other": {"epochs": 1.0}}
    after.align.epochs = 1.0
    after.baselines.other.epochs = 2.0
    assert stage_key(before, "one") == stage_key(after, "one")
    assert stage_key(before, "other") != stage_key(after, "other")
