import json
import re
import shutil

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from prima_jax.errors import UserError
from prima_jax.models import checkpoint_files, pretrained
from prima_jax.models.bert import Bert
from prima_jax.models.dinov2 import DinoV2, DinoV2WithRegisters
from prima_jax.models.dinov3 import DinoV3
from prima_jax.models.llama import Llama
from prima_jax.models.modernbert import ModernBert
from prima_jax.models.qwen3 import Qwen3


@pytest.fixture
def checkpoint(golden_folder, tmp_path):
    """Copies a tiny checkpoint, with its tensors and config changed as told, and returns its folder."""

    def copy(case, change=lambda tensors: None, **config):
        folder = tmp_path / case
        folder.mkdir()
        values = json.loads((golden_folder / case / "config.json").read_text()) | config
        (folder / "config.json").write_text(json.dumps(values))
        tensors = load_file(golden_folder / case / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")
        return folder

    return copy


def refusal(folder):
    with pytest.raises(UserError) as error:
        pretrained.from_pretrained(folder)
    return str(error.value)


def same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)
    return True


def test_all_that_does_not_match_is_listed_at_once(checkpoint):
    def change(tensors):
        del tensors["layer.0.norm1.weight"]
        tensors["layer.7.norm1.weight"] = np.ones(16, np.float32)
        tensors["layer.1.norm2.weight"] = np.ones(17, np.float32)
        tensors["norm.bias"][3] = np.nan
        tensors["norm.weight"] = np.ones(16, np.int32)
        tensors["model.layer.1.norm2.bias"] = tensors["layer.1.norm2.bias"]

    message = refusal(checkpoint("dinov3_plain", change))
    for problem in (
        "layer.0.norm1.weight is missing",
        "layer.7.norm1.weight is not part of this model",
        "layer.1.norm2.weight has the shape [17] (expected [16])",
        "norm.bias holds numbers that are not finite",
        "norm.weight holds I32 (expected one of F64, F32, F16, BF16)",
        "layer.1.norm2.bias and model.layer.1.norm2.bias are one tensor given twice",
    ):
        assert problem in message
    assert message.count(";") == 6  # five between six problems, one before what to do


def test_pickles_are_refused_by_name(checkpoint):
    folder = checkpoint("bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    told = refusal(folder)
    assert "pickles (pytorch_model.bin)" in told
    assert f"transformers.BertForMaskedLM.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})." in told
    (folder / "config.json").write_text('{"architectures": ["no name"]}')
    assert "transformers.AutoModel.from_pretrained(" in told_of_files(folder)


def told_of_files(folder):
    with pytest.raises(UserError) as error:
        checkpoint_files.weight_files(folder)
    return str(error.value)


@pytest.mark.torch
def test_what_is_told_of_pickles_converts_them(checkpoint, golden):
    torch = pytest.importorskip("torch")
    folder = checkpoint("modernbert")
    tensors = {name: torch.from_numpy(array) for name, array in load_file(folder / "model.safetensors").items()}
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    command = re.search(r"transformers\.(\w+\.from_pretrained\(.*\)\.save_pretrained\(.*\))\.$", refusal(folder))
    assert command
    exec(f"import transformers; transformers.{command[1]}")
    module, variables = pretrained.from_pretrained(folder)
    assert module.with_head and same(variables, golden("modernbert").variables)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "config.json does not exist"),
        ("{", "is no JSON"),
        ("[]", "holds a list"),
        ('{"model_type": "vit"}', "config.json: The model_type 'vit' is not implemented"),
        ("{}", "model_type None"),
        ('{"model_type": "bert", "hidden_act": "relu"}', "config.json: This bert config asks for .*'relu'"),
    ],
)
def test_an_unusable_config(content, words, checkpoint):
    folder = checkpoint("bert")
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_text(content)
    with pytest.raises(UserError, match=words):
        pretrained.from_pretrained(folder)


def test_no_folder_and_no_weights(checkpoint, tmp_path):
    assert "There is no folder" in refusal(tmp_path / "nowhere")
    folder = checkpoint("bert")
    (folder / "model.safetensors").unlink()
    assert "has no weights" in refusal(folder)


def test_several_files_with_an_index(checkpoint, golden):
    folder = checkpoint("qwen3_tied")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert same(pretrained.from_pretrained(folder)[1], golden("qwen3_tied").variables)
    twice = {name: tensors[name] for name in (names[0], *names[1::2])}
    save_file(twice, folder / "model-00002-of-00002.safetensors")
    assert f"{names[0]} stands in two files" in refusal(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "lacks model-00002-of-00002.safetensors" in refusal(folder)


def test_both_naming_styles_of_dinov3(checkpoint, golden):
    def rename(tensors):
        for name in [name for name in tensors if name.startswith("layer.")]:
            tensors[f"model.{name}"] = tensors.pop(name)

    assert same(pretrained.from_pretrained(checkpoint("dinov3_plain", rename))[1], golden("dinov3_plain").variables)


def test_a_model_without_registers_still_has_their_tensor(golden, golden_folder, tmp_path):
    case = golden("dinov3_gated")
    assert load_file(golden_folder / "dinov3_gated" / "model.safetensors")["embeddings.register_tokens"].size == 0
    assert "register_tokens" not in case.variables["params"]
    pretrained.save_pretrained(tmp_path, case.module, case.variables)
    assert load_file(tmp_path / "model.safetensors")["embeddings.register_tokens"].shape == (1, 0, 16)


def test_tied_copies_must_be_equal(checkpoint, tmp_path):
    """Qwen3-0.6B is published with a copy of its tied table; a copy that differs would be a model of another kind."""

    def copy(tensors):
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].copy()

    folder = checkpoint("qwen3_tied", copy)
    assert isinstance(pretrained.from_pretrained(folder)[0], Qwen3)
    shutil.rmtree(folder)

    def differ(tensors):
        copy(tensors)
        tensors["lm_head.weight"][0, 0] += 1

    assert "lm_head.weight differs from model.embed_tokens.weight" in refusal(checkpoint("qwen3_tied", differ))


@pytest.mark.parametrize(
    ("case", "name", "other"),
    [
        ("qwen3_tied", "model.embed_tokens.weight", "lm_head.weight"),
        ("llama_tied", "model.embed_tokens.weight", "lm_head.weight"),
        ("modernbert", "model.embeddings.tok_embeddings.weight", "decoder.weight"),
        ("bert", "bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"),
        ("bert", "cls.predictions.bias", "cls.predictions.decoder.bias"),
    ],
)
def test_of_tied_tensors_either_name_is_enough(checkpoint, golden, case: str, name: str, other: str):
    folder = checkpoint(case, lambda tensors: tensors.update({other: tensors.pop(name)}))
    assert same(pretrained.from_pretrained(folder)[1], golden(case).variables)


def test_a_head_of_its_own_is_no_table_of_embeddings(checkpoint):
    folder = checkpoint("qwen3_untied", lambda tensors: tensors.pop("model.embed_tokens.weight"))
    assert "model.embed_tokens.weight is missing" in refusal(folder)


def test_old_bert_names_and_heads_that_are_not_ours(checkpoint, golden):
    def change(tensors):
        for name in [name for name in tensors if "LayerNorm" in name]:
            new = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            tensors[new] = tensors.pop(name)
        tensors["bert.pooler.dense.weight"] = np.ones((16, 16), np.float32)
        tensors["cls.seq_relationship.bias"] = np.ones(2, np.float32)
        tensors["bert.embeddings.position_ids"] = np.arange(16)[None]

    assert same(pretrained.from_pretrained(checkpoint("bert", change))[1], golden("bert").variables)


@pytest.mark.usefixtures("standard_promotion")
def test_bfloat16_files_and_dtypes(checkpoint, golden):
    def round_(tensors):
        for name, tensor in tensors.items():
            tensors[name] = tensor.astype(ml_dtypes.bfloat16)

    folder = checkpoint("qwen3_untied", round_)
    module, variables = pretrained.from_pretrained(folder)
    expected = jax.tree.map(lambda x: x.astype(jnp.bfloat16).astype(jnp.float32), golden("qwen3_untied").variables)
    assert module.dtype == jnp.float32
    assert same(variables, expected)
    module, variables = pretrained.from_pretrained(folder, dtype=jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.bfloat16)}
    output = jax.eval_shape(module.apply, variables, jnp.ones((1, 3), jnp.int32))
    assert output.last_hidden_state.dtype == jnp.bfloat16
    pretrained.save_pretrained(folder / "again", module, variables)
    assert json.loads((folder / "again" / "config.json").read_text())["dtype"] == "bfloat16"
    assert same(pretrained.from_pretrained(folder / "again", dtype=jnp.bfloat16)[1], variables)


@pytest.mark.parametrize(
    "case",
    (
        *("dinov2_plain", "dinov2_swiglu", "dinov2_with_registers", "dinov3_plain", "dinov3_gated"),
        *("modernbert", "bert", "qwen3_tied", "qwen3_untied", "llama_tied", "llama_untied"),
    ),
)
def test_saved_and_read_again(case, golden, golden_folder, tmp_path):
    """The same parameters, and the very tensors of the file that transformers wrote."""
    module, variables = golden(case)[:2]
    pretrained.save_pretrained(tmp_path, module, variables)
    again, read = pretrained.from_pretrained(tmp_path)
    assert again == module
    assert same(read, variables)
    with safe_open(golden_folder / case / "model.safetensors", "np") as theirs:
        assert set(load_file(tmp_path / "model.safetensors")) == set(theirs.keys())


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize(
    ("model_type", "kind"),
    [
        ("dinov2", DinoV2),
        ("dinov2_with_registers", DinoV2WithRegisters),
        ("dinov3_vit", DinoV3),
        ("modernbert", ModernBert),
        ("bert", Bert),
        ("qwen3", Qwen3),
        ("llama", Llama),
    ],
)
def test_built_and_random(model_type, kind):
    """Small sizes in place of the defaults, the same numbers for the same seed, others for another."""
    sizes = {
        "hidden_size": 16,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "num_hidden_layers": 1,
        "vocab_size": 9,
    }
    module = pretrained.build({"model_type": model_type, "intermediate_size": 8, **sizes}, dtype=jnp.bfloat16)
    assert isinstance(module, kind)
    assert module.dtype == jnp.bfloat16
    first, again, other = (pretrained.init_random(module, seed) for seed in (1, 1, 2))
    assert set(first) == {"params"}
    assert same(first, again)
    assert {leaf.dtype for leaf in jax.tree.leaves(first)} == {jnp.dtype(jnp.float32)}
    kernels = [(a, b) for a, b in zip(*map(jax.tree.leaves, (first, other)), strict=True) if a.ndim > 1 and a.any()]
    assert not any(np.array_equal(a, b) for a, b in kernels)
    assert all(0.0 < float(a.std()) < 0.03 for a, _ in kernels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("dinov3-vits16-pretrain-lvd1689m", 21_596_544),
        ("dinov3-vitb16-pretrain-lvd1689m", 85_660_416),
        ("dinov3-vitl16-pretrain-lvd1689m", 303_129_600),
        ("dinov3-vit7b16-pretrain-lvd1689m", 6_716_035_072),
        ("ModernBERT-base", 149_655_232),
        ("Qwen3-0.6B", 596_049_920),
        ("Qwen3-1.7B", 1_720_574_976),
        ("Qwen3-4B", 4_022_468_096),
        ("Qwen3-8B", 8_190_735_360),
    ],
)
def test_published_sizes(name, parameters, published):
    module = pretrained.build(published(name))
    params = jax.eval_shape(lambda: pretrained.init_random(module, 0))["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == parameters
