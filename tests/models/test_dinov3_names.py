"""DINOv3 under Meta's names and timm's: the golden checkpoints with their tensors renamed and fused are the same models."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from prima_jax.errors import UserError
from prima_jax.models import pretrained
from prima_jax.models.dinov3 import DinoV3Config
from prima_jax.models.dinov3_names import TIMM_SIZES, from_timm

PLAIN = {"up_proj": "fc1", "down_proj": "fc2"}
GATED = {"gate_proj": "w1", "up_proj": "w2", "down_proj": "w3"}
TIMM_GATED = {"gate_proj": "fc1_g", "up_proj": "fc1_x", "down_proj": "fc2"}


def fuse(tensors, layer, part, size):
    """Query, key and value in one, zeros where one has none."""
    found = [tensors.pop(f"{layer}.attention.{name}_proj.{part}", None) for name in "qkv"]
    shape = (size, size) if part == "weight" else (size,)
    return np.concatenate([np.zeros(shape, np.float32) if tensor is None else tensor for tensor in found])


def meta(tensors):
    """Tensors of transformers under Meta's names, with what else stands in Meta's files."""
    gated = "layer.0.mlp.gate_proj.weight" in tensors
    found = {
        "cls_token": tensors.pop("embeddings.cls_token"),
        "mask_token": tensors.pop("embeddings.mask_token")[0],
        "patch_embed.proj.weight": tensors.pop("embeddings.patch_embeddings.weight"),
        "patch_embed.proj.bias": tensors.pop("embeddings.patch_embeddings.bias"),
        "rope_embed.periods": np.ones(2, np.float32),
        "local_cls_norm.weight": np.ones(16, np.float32),
        "local_cls_norm.bias": np.zeros(16, np.float32),
    }
    if (registers := tensors.pop("embeddings.register_tokens")).size:
        found["storage_tokens"] = registers
    for i in range(2):
        for part in ("weight", "bias"):
            found[f"blocks.{i}.attn.qkv.{part}"] = fuse(tensors, f"layer.{i}", part, 16)
    for name, tensor in tensors.items():
        name = name.replace("layer.", "blocks.").replace("attention.o_proj", "attn.proj")
        name = re.sub(r"layer_scale(\d)\.lambda1", r"ls\1.gamma", name)
        for ours, theirs in (GATED if gated else PLAIN).items():
            name = name.replace(f"mlp.{ours}", f"mlp.{theirs}")
        found[name] = tensor
    return found


def timm(tensors):
    """The same under timm's: no mask token, biases of query and value apart, none of the key."""
    found = {}
    for name, tensor in meta(tensors).items():
        if name == "mask_token" or name.startswith(("rope_embed", "local_cls_norm")):
            continue
        if name.endswith("attn.qkv.bias"):
            for number, part in ((0, "q"), (2, "v")):
                found[name.replace("qkv.bias", f"{part}_bias")] = tensor[16 * number : 16 * (number + 1)]
            continue
        for ours, theirs in zip(GATED.values(), TIMM_GATED.values(), strict=True):
            name = name.replace(f"mlp.{ours}.", f"mlp.{theirs}.")
        found[re.sub(r"ls(\d)\.gamma", r"gamma_\1", name.replace("storage_tokens", "reg_token"))] = tensor
    return found


@pytest.fixture
def renamed(golden_folder, tmp_path):
    """A golden checkpoint whose tensors have passed through functions."""

    def make(case, *changes):
        tensors = load_file(golden_folder / case / "model.safetensors")
        for change in changes:
            tensors = change(tensors) or tensors
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text((golden_folder / case / "config.json").read_text())
        return tmp_path

    return make


def same(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def refusal(folder):
    with pytest.raises(UserError) as error:
        pretrained.from_pretrained(folder)
    return str(error.value)


@pytest.mark.parametrize("case", ("dinov3_plain", "dinov3_gated"))
def test_metas_names(case, renamed, golden):
    same(pretrained.from_pretrained(renamed(case, meta))[1], golden(case).variables)


def test_timms_names(renamed, golden):
    """The mask token, which timm leaves out, is zero."""
    read = pretrained.from_pretrained(renamed("dinov3_plain", timm))[1]["params"]
    expected = golden("dinov3_plain").variables["params"]
    same(read, {**expected, "mask_token": jnp.zeros_like(expected["mask_token"])})


def test_timms_gated_mlp(renamed, golden, golden_folder):
    def without_key_bias(tensors):
        return {name: tensor for name, tensor in tensors.items() if not re.search(r"[qkv]_bias$", name)}

    folder = renamed("dinov3_gated", timm, without_key_bias)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"key_bias": False}))
    read = pretrained.from_pretrained(folder)[1]["params"]
    for i in range(2):
        same(read[f"layers_{i}"]["mlp"], golden("dinov3_gated").variables["params"][f"layers_{i}"]["mlp"])


def test_what_is_read_is_saved_under_the_names_of_transformers(renamed, golden_folder, tmp_path):
    module, variables = pretrained.from_pretrained(renamed("dinov3_plain", meta))
    pretrained.save_pretrained(tmp_path / "saved", module, variables)
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    same(saved, load_file(golden_folder / "dinov3_plain" / "model.safetensors"))


@pytest.mark.parametrize("value", (5.0, np.nan))
def test_a_masked_bias_of_the_key_is_left_aside(value, renamed, golden):
    def change(tensors):
        for i in range(2):
            tensors[f"blocks.{i}.attn.qkv.bias"][16:32] = value
            tensors[f"blocks.{i}.attn.qkv.bias_mask"] = np.repeat(np.float32([1, 0, 1]), 16)

    same(pretrained.from_pretrained(renamed("dinov3_plain", meta, change))[1], golden("dinov3_plain").variables)


def test_the_mask_is_applied_to_the_other_biases(renamed):
    def change(tensors):
        for i in range(2):
            tensors[f"blocks.{i}.attn.qkv.bias_mask"] = np.zeros(48, np.float32)

    params = pretrained.from_pretrained(renamed("dinov3_plain", meta, change))[1]["params"]
    assert not params["layers_0"]["attention"]["q_proj"]["bias"].any()
    assert params["layers_0"]["attention"]["o_proj"]["bias"].any()


def test_a_bias_of_the_key_that_counts_is_refused(renamed):
    def change(tensors):
        tensors["blocks.1.attn.qkv.bias"][20] = 1

    told = refusal(renamed("dinov3_plain", meta, change))
    assert "part 2 of 3 of blocks.1.attn.qkv.bias is not part of this model" in told
    assert "blocks.0" not in told


def test_all_that_does_not_fit_is_listed_by_the_files_own_names(renamed):
    def change(tensors):
        del tensors["blocks.0.attn.qkv.weight"], tensors["blocks.1.ls1.gamma"]
        tensors["blocks.1.attn.qkv.weight"] = tensors["blocks.1.attn.qkv.weight"][:32]
        tensors["blocks.2.norm1.weight"] = np.ones(16, np.float32)

    told = refusal(renamed("dinov3_plain", meta, change))
    for problem in (
        "blocks.0.attn.qkv.weight is missing",
        "blocks.1.ls1.gamma is missing",
        "blocks.1.attn.qkv.weight has the shape [32, 16] (expected [48, 16])",
        "blocks.2.norm1.weight is not part of this model",
    ):
        assert told.count(problem) == 1


@pytest.mark.parametrize("size", TIMM_SIZES)
def test_timms_configs_are_the_published_ones(size, published):
    """But for biases, of which timm's own are all or none."""
    names = {"small": "vits16", "base": "vitb16", "large": "vitl16", "7b": "vit7b16"}
    biased = from_timm({"architecture": f"vit_{size}_patch16_dinov3_qkvb", "num_classes": 0, "pretrained_cfg": {}})
    assert biased["query_bias"] and biased["value_bias"] and not biased["key_bias"]
    plain = from_timm({"architecture": f"vit_{size}_patch16_dinov3", "model_args": {"dynamic_img_size": True}})
    assert not plain["query_bias"] and not plain["value_bias"]
    if size in names:
        expected = DinoV3Config.from_dict(published(f"dinov3-{names[size]}-pretrain-lvd1689m"))
        assert DinoV3Config.from_dict(plain if size == "7b" else biased) == expected


def test_a_config_of_timm_builds_and_reads(renamed):
    """Of a small one: names alone make the config, so that its tensors do not fit and are told of by timm's names."""
    folder = renamed("dinov3_plain", timm)
    (folder / "config.json").write_text(json.dumps({"architecture": "vit_small_patch16_dinov3_qkvb", "num_classes": 0}))
    told = refusal(folder)
    assert "cls_token has the shape [1, 1, 16] (expected [1, 1, 384])" in told
    assert "layer.0" not in told


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"architecture": "vit_base_patch16_224"}, "'vit_base_patch16_224' is not implemented; choose one of vit_small_patch16_"),
        ({"architecture": "vit_tiny_patch16_dinov3"}, "'vit_tiny_patch16_dinov3' is not implemented"),
        ({"architecture": "vit_base_patch16_dinov3", "model_args": {"depth": 6}}, r"model_args = \{'depth': 6\}"),
    ],
)
def test_another_model_of_timm(config, words):
    with pytest.raises(UserError, match=words):
        pretrained.build(config)
