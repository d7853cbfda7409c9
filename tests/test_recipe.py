"""What a config may not say: each of these would train the wrong thing, or end after hours in a traceback."""

import json
import math
from pathlib import Path
from typing import Any

import jax
import pytest
from ml_collections import ConfigDict
from safetensors.numpy import save_file

from configs import aqua, corpus, my_cohort, pad_ufes_20
from configs.aqua import get_config
from configs.common import paper_recipe
from prima_jax.errors import UserError
from prima_jax.recipe.check import check
from prima_jax.recipe.fields import Recipe


def config(preset: str = "demo", **changes: Any) -> ConfigDict:
    """The demo's config with fields changed by dotted name, __ for the dot."""
    found = get_config(preset)
    found.unlock()
    for name, value in changes.items():
        *sections, field = name.split("__")
        section = found
        for key in sections:
            section = section[key]
        with section.ignore_type():
            section[field] = value
    return found


def refusal(found: ConfigDict) -> str:
    with pytest.raises(UserError) as raised:
        check(found)
    said = str(raised.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def test_a_cohort_s_own_config_needs_no_more_than_the_recipe_of_the_paper():
    """A plain run's rows, seeds and baselines belong to it; one that is built from nothing is told what it lacks."""
    cohort = pad_ufes_20.small(paper_recipe(my_cohort.STUDY, group="subject", folder="data"))
    check(cohort)
    assert cohort.table.number == 0
    for section in ("table", "baselines"):
        without = cohort.copy_and_resolve_references().unlock()
        del without[section]
        assert f"lacks {section}" in refusal(without)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of checkpoints that are as good as what these checks read of them."""
    folders = {}
    for name in ("image", "text", "llm"):
        folder = tmp_path_factory.mktemp(name)
        (folder / "config.json").write_text(json.dumps(get_config("demo").models[name].architecture.to_dict()))
        save_file({}, folder / "model.safetensors")
        folders[name] = str(folder)
    return folders


def pretrained(folders: dict[str, str], **changes: Any) -> ConfigDict:
    """The demo's config with weights, adapters and the paper's precision."""
    weights = {f"models__{name}__weights": folder for name, folder in folders.items()}
    ranks = {f"{stage}__rank": 2 for stage in ("knowledge", "align", "refine", "image_only", "diagnose")}
    return config(**{**weights, **ranks, "dtype": "bfloat16", **changes})


def test_the_demo_and_a_config_with_weights_pass(checkpoints: dict[str, str]):
    check(config())
    check(pretrained(checkpoints, text__vocabulary_size=0))


WRONG_VALUES = [
    ("align__weights", (0.2, 0.3, 0.2), "four numbers"),
    ("align__weights", (0.2, 0.3, -0.1, 0.3), "0 or more"),
    ("align__weights", (0.0, 0.0, 0.0, 0.0), "one of them above 0"),
    ("align__weights", (0.2, 0.3, math.nan, 0.3), "four numbers"),
    ("align__weights", 1.0, "four numbers"),
    ("image__augmentation__scale", (0.4, 1.1), "at most 1"),
    ("image__augmentation__scale", (0.9, 0.4), "the lower first"),
    ("image__augmentation__scale", (0.0, 1.0), "above 0"),
    ("image__augmentation__scale", (0.4,), "two numbers"),
    ("image__augmentation__ratio", (-1.0, 1.0), "above 0"),
    ("image__augmentation__brightness", -5.0, "0 or more"),
    ("image__augmentation__saturation", 1.5, "1 or less"),
    ("image__augmentation__rotation", 181.0, "180 or less"),
    ("split__without_fold", -2, "-1 or more"),
    ("split__train_share", 0.0, "0.01 or more"),
    ("split__train_share", 1.5, "1 or less"),
    ("split__without_fold", 5, "4 or less"),
    ("seed", 2**32, "4294967295 or less"),
    ("align__epochs", math.inf, "finite"),
    ("diagnose__weight_decay", -0.1, "0 or more"),
    ("warmup_fraction", math.nan, "finite"),
    ("checkpoint_seconds", -1.0, "0 or more"),
    ("text__vocabulary_size", 262, "263 or more are needed"),
    ("image__size", 60, "patch of 8"),
    ("features__test_views", 5, "4 views of each photograph are stored"),
    ("image__size", 56, "--config.data.size=56 or more"),
    ("data__size", 47, "image.size is 48"),
    ("models__llm__quantized", "int4", "'int8' or 'nf4'"),
    ("dtype", "float16", "'float32' or 'bfloat16'"),
]


@pytest.mark.parametrize(("field", "value", "said"), WRONG_VALUES)
def test_a_value_that_no_stage_takes_is_refused_by_name(field: str, value: Any, said: str):
    found = refusal(config(**{field: value}))
    assert field.replace("__", ".") in found
    assert said in found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("align__weights", (0, 1, 0, 0)),
        ("image__augmentation__scale", (1, 1)),
        ("image__augmentation__ratio", (1.0, 1.0)),
        ("image__augmentation__contrast", 1.0),
        ("image__augmentation__rotation", 180.0),
        ("split__without_fold", 4),
        ("seed", 2**32 - 1),
        ("checkpoint_seconds", 0.0),
        ("features__test_views", 4),
        ("text__vocabulary_size", 263),
        ("data__size", 48),
    ],
)
def test_the_last_value_that_works_passes(field: str, value: Any):
    check(config(**{field: value}))


def test_the_least_vocabulary_is_the_one_that_a_tokenizer_can_be_trained_with(tmp_path: Path):
    from prima_jax.data.text import train_tokenizer

    answers = [name for name, _ in config().study.definition["classes"]]
    train_tokenizer(["a cornea"], tmp_path / "263", vocabulary_size=263, answers=answers)
    with pytest.raises(UserError, match="263 or more"):
        train_tokenizer(["a cornea"], tmp_path / "262", vocabulary_size=262, answers=answers)


@pytest.mark.parametrize("name", ["text", "llm"])
def test_one_model_without_weights_is_enough_to_need_a_vocabulary(checkpoints: dict[str, str], name: str):
    found = pretrained(checkpoints, **{f"models__{name}__weights": "", "text__vocabulary_size": 0})
    assert f"models.{name} has no weights" in refusal(found)


def test_a_vocabulary_beyond_a_models_is_refused():
    assert "models.llm.architecture.vocab_size is 500" in refusal(config(models__llm__architecture__vocab_size=500))


def test_a_local_loss_that_is_constant_is_refused():
    found = config(align__local__pooling="mean")
    assert "--config.align.local.negatives=symmetric" in refusal(found)
    found.align.local.negatives = "symmetric"
    check(found)


@pytest.mark.parametrize("name", ["image", "text", "llm"])
def test_a_model_with_neither_weights_nor_an_architecture_is_refused(checkpoints: dict[str, str], name: str):
    found = pretrained(checkpoints, **{f"models__{name}__weights": ""})
    del found.models[name].architecture
    assert f"models.{name} has neither weights nor an architecture" in refusal(found)


@pytest.mark.parametrize("name", ["image", "text", "llm"])
def test_a_damaged_checkpoint_is_told_before_anything_is_computed(checkpoints: dict[str, str], tmp_path: Path, name: str):
    (tmp_path / "config.json").write_text((Path(checkpoints[name]) / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    assert "is damaged or incomplete" in refusal(pretrained(checkpoints | {name: str(tmp_path)}))
    (tmp_path / "model.safetensors").rename(tmp_path / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "lacks model-00002-of-00002.safetensors" in refusal(pretrained(checkpoints | {name: str(tmp_path)}))


@pytest.mark.parametrize("stage", ["knowledge", "align", "refine", "image_only", "diagnose"])
def test_published_weights_are_not_trained_whole_in_bfloat16(checkpoints: dict[str, str], stage: str):
    changes = {f"{stage}__rank": 0}
    assert refusal(pretrained(checkpoints, **changes)).startswith(f"{stage}.rank=0")
    check(pretrained(checkpoints, dtype="float32", **changes))


def test_an_llm_whose_kernels_are_quantised_is_not_trained_whole(checkpoints: dict[str, str]):
    changes = {"models__llm__quantized": "nf4", "dtype": "float32"}
    check(pretrained(checkpoints, **changes))
    assert "diagnose.rank=0 trains the whole LLM" in refusal(pretrained(checkpoints, diagnose__rank=0, **changes))
    assert "baselines.text_llm.rank=0" in refusal(pretrained(checkpoints, table__rows=("text_llm",), table__number=2, **changes))


@pytest.mark.parametrize(
    ("stage", "target"), [("knowledge", "q_proj"), ("align", "Wqkv"), ("refine", "proj"), ("diagnose", "attention.q_proj")]
)
def test_a_lora_target_that_names_no_layer_is_refused(stage: str, target: str):
    changes = {f"{stage}__targets": (target,)}
    said = refusal(config(**changes, **{f"{stage}__rank": 2}))
    assert said.startswith(f"{stage}.targets")
    assert repr(target) in said
    if stage != "diagnose":
        check(config(**changes))  # at rank 0, as in the demo, there are no adapters


@pytest.mark.parametrize(("stage", "target"), [("knowledge", "Wqkv"), ("align", "q_proj"), ("diagnose", "self_attn.q_proj")])
def test_a_lora_target_that_names_layers_passes(stage: str, target: str):
    check(config(**{f"{stage}__targets": (target,), f"{stage}__rank": 2}))


def test_targets_are_compared_with_the_checkpoints_own_architecture(checkpoints: dict[str, str]):
    assert "'gate_proj' names no linear layer" in refusal(pretrained(checkpoints, align__targets=("gate_proj",)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON"),
        ('{"model_type": "qwen3"}', "or dinov3_vit is expected"),
        ('{"model_type": "dinov3_vit", "patch_size": "16"}', "patch_size = '16'"),
    ],
)
def test_a_checkpoint_that_is_none_of_an_image_encoder_is_refused(tmp_path: Path, content: str | bytes, said: str):
    (tmp_path / "config.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "model.safetensors").touch()
    assert said in refusal(config(models__image__weights=str(tmp_path)))


BARE = {
    "ModernBert": get_config("demo").models.text.architecture.to_dict() | {"architectures": ["ModernBertModel"]},
    "Bert": {"model_type": "bert", "architectures": ["BertModel"]},
}


@pytest.mark.parametrize("name", BARE)
def test_a_text_encoder_without_a_head_is_taken(checkpoints: dict[str, str], tmp_path: Path, name: str):
    """Stage 1 trains a fresh one beside the adapters."""
    (tmp_path / "config.json").write_text(json.dumps(BARE[name]))
    save_file({}, tmp_path / "model.safetensors")
    check(pretrained(checkpoints | {"text": str(tmp_path)}, knowledge__corpus="", knowledge__include_sentences=True))


@pytest.mark.parametrize(
    ("recipe", "preset"),
    [(aqua, "tpmka"), (aqua, "light"), (aqua, "table2,demo"), (pad_ufes_20, "small"), (my_cohort, "table1"), (corpus, "demo")],
)
def test_every_field_of_a_preset_is_known(recipe: Any, preset: str):
    Recipe.model_validate(recipe.get_config(preset).to_dict())


@pytest.mark.parametrize(
    ("field", "nearest"),
    [("knowlege", "knowledge"), ("align.batchsize", "align.batch_size"), ("align.local.poling", "align.local.pooling")],
)
def test_an_unknown_field_is_refused_with_the_nearest(field: str, nearest: str):
    assert f"The config has {field}, which is no field of a recipe; the nearest is {nearest}:" in refusal(
        config(**{field.replace(".", "__"): 1})
    )


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("align__batch_size", 8.5, "a whole number"),
        ("align__epochs", "3", "a number"),
        ("image__augmentation__vertical_flip", 1, "True or False"),
        ("data__dir", 7, "a text"),
        ("align__targets", "Wqkv", "a tuple"),
        ("align__soft", 3, "a section"),
        ("study__definition", "pad_ufes_20", "a mapping"),
        ("models__llm__architecture__rope_theta", math.inf, "a finite number"),
    ],
)
def test_a_value_of_another_kind_is_refused(field: str, value: Any, said: str):
    assert refusal(config(**{field: value})).startswith(f"{field.replace('__', '.')} should be {said}, not {value!r}: ")


@pytest.mark.parametrize("field", ["align", "study.hide", "study.definition", "split.group", "models.llm"])
def test_a_config_that_lacks_a_field_is_refused(field: str):
    found = config()
    section, _, name = field.rpartition(".")
    del (found[section] if section else found)[name]
    assert refusal(found).startswith(f"The config lacks {field}")


def test_batches_that_the_devices_cannot_share_are_refused():
    assert jax.device_count() == 8
    assert "refine.batch_size is 12" in refusal(config(refine__batch_size=12))
    told = refusal(config(diagnose__batch_size=24, diagnose__microbatches=2))
    assert "diagnose.batch_size is 24, which 8 devices in 2 microbatches cannot share evenly: make it a multiple of 16" in told


def test_several_hosts_want_shard_map(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert "set --config.parallel=shard_map" in refusal(config())
