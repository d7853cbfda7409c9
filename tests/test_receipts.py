"""What fits on hardware that is not here: the page is that of the figures, and the steps that are compiled are steps that run."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import on_a_gpu, receipts_page
from benchmarks.receipts_page import HARDWARE, Receipt
from benchmarks.recipe_steps import STAGES, Cohort, build, filled, operations, sequence_of
from configs.pad_ufes_20 import get_config
from prima_jax.models.diagnoser import Features, Projector
from prima_jax.training.parallel import Parallel

GIB = 2**30
TINY = {
    "knowledge": {"model_type": "bert", "hidden_size": 16, "intermediate_size": 32, "vocab_size": 40},
    "align": {"model_type": "dinov2", "hidden_size": 16, "patch_size": 14, "image_size": 28},
    "refine": {"model_type": "dinov2", "hidden_size": 16, "patch_size": 14, "image_size": 28},
    "diagnose": {"model_type": "llama", "hidden_size": 16, "intermediate_size": 32, "vocab_size": 40, "num_key_value_heads": 2},
}
COHORT = Cohort(units=3, scans=2, classes=2, image_width=16, text_width=16, patch_size=14)


def receipt(batch, gib, **figures):
    return Receipt("v5e-8", "refine", "model", True, batch, arguments=GIB, temporaries=round((gib - 1) * GIB), **figures)


def test_the_largest_batch_is_where_the_line_through_two_meets_the_memory():
    hardware = replace(HARDWARE[1], usable=10.5 * GIB)
    assert receipts_page.largest(hardware, [receipt(8, 4), receipt(2, 2)]) == "27"  # 2 + 8.5 / (2 / 6) = 27.5


def test_a_program_that_was_refused_bounds_the_batch():
    hardware = replace(HARDWARE[1], usable=10.5 * GIB)
    large = replace(receipt(8, 1), refused="RESOURCE_EXHAUSTED")
    assert receipts_page.largest(hardware, [receipt(2, 4), large]) == "2 to 7"
    assert "does not fit" in receipts_page.row(hardware, [replace(large, batch=2), large])


def test_the_page_is_that_of_the_figures():
    assert Path("docs/receipts.md").read_text() == receipts_page.page(receipts_page.read()) + "\n"


def tiny_recipe():
    config = get_config("light")
    config.image.update({"size": 28, "blocks": 1})
    config.text.max_length = 8
    config.knowledge.max_length = 8
    return config


@pytest.mark.slow
def test_a_machine_s_devices_are_measured_whatever_they_are(tmp_path, monkeypatch):
    described = {**TINY["refine"], "num_hidden_layers": 2, "num_attention_heads": 2}
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text(json.dumps(described))
    for name, value in (("get_config", tiny_recipe), ("Cohort", lambda: COHORT), ("MODELS", {"refine": "tiny"}), ("ROUNDS", 1)):
        monkeypatch.setattr(on_a_gpu, name, value)
    row = on_a_gpu.measure("refine", 1, tmp_path)
    assert row["milliseconds"] > 0 and row["batch"] == tiny_recipe().refine.batch_size // 2
    assert row["share_of_peak"] is row["torch_milliseconds"] is None  # of a processor nobody states a peak, and torch sees no GPU
    assert on_a_gpu.line(row).count("| - ") == 4


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_the_step_of_a_stage_runs_and_trains(stage):
    config = tiny_recipe()
    abstract = build(config, stage, {**TINY[stage], "num_hidden_layers": 2, "num_attention_heads": 2}, 2, COHORT)
    step, parallel = filled(abstract), Parallel("pmap", jax.devices()[:1])
    batch = parallel.share({name: np.asarray(rows) for name, rows in step.batch.items()})
    before = jax.device_get(step.state.trainable)
    for _ in range(2):  # the first one is at a learning rate of zero
        step = step._replace(state=parallel.map_step(step.function)(step.state, step.frozen, batch)[0])
    changed = jax.tree.map(lambda old, new: bool((old != new).any()), before, jax.device_get(step.state.trainable))
    assert any(jax.tree.leaves(changed)) and operations(abstract) > 0


def test_the_reference_reads_as_many_tokens_as_the_projector_gives():
    config = get_config("light")
    side = config.image.size // 14
    projector = Projector(8, 4, (side, side), config.diagnose.image_stride, config.diagnose.text_stride)
    features = build(config, "diagnose", {**TINY["diagnose"], "num_hidden_layers": 1, "num_attention_heads": 2}, 1, COHORT).batch
    features = Features(*(features[name] for name in Features._fields))
    sequence, _ = jax.eval_shape(projector.init_with_output, jax.random.key(0), features)
    assert sequence.embeddings.shape[1] == sequence_of(config, COHORT)
