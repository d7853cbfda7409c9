"""A damaged checkpoint is refused in one sentence, or read as the very same model; what test_pretrained.py names is not here.

Left out is what no reader could notice, since it leaves another valid checkpoint: bits of a weight that stay a finite
number (the format has no checksum), two tensors of one shape exchanged, and numbers of config.json that no shape shows,
such as the count of BERT's heads.
"""

import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from prima_jax.errors import UserError
from prima_jax.models import pretrained

CASES = ("dinov3_gated", "modernbert", "bert", "qwen3_tied", "llama_untied")
DRAWS = 8
"""Of each damage: of another place in the file, or another field."""
WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
SHOWN = {  # the fields of each config.json that some tensor's shape shows
    "dinov3_gated": ("hidden_size", "intermediate_size", "num_hidden_layers", "patch_size", "num_channels"),
    "modernbert": ("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size"),
    "bert": ("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size", "max_position_embeddings", "type_vocab_size"),
}
SHOWN |= dict.fromkeys(
    ("qwen3_tied", "llama_untied"),
    ("intermediate_size", "num_hidden_layers", "vocab_size", "head_dim", "num_attention_heads", "num_key_value_heads"),
)


def truncated(rng, data, end):
    return data[: rng.integers(len(data))]


def header_length(rng, data, end):
    return struct.pack("<Q", int(rng.integers(2 ** int(rng.integers(1, 63)))) or 1) + data[8:]


def header_bit(rng, data, end):
    changed = bytearray(data)
    changed[rng.integers(end)] ^= 1 << rng.integers(8)
    return bytes(changed)


def no_weights_file(rng, data, end):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    return pick(rng, [pointer, b"", bytes(len(data)), b"<!doctype html><html>" * 9, rng.bytes(999)])


def appended(rng, data, end):
    return data + rng.bytes(int(rng.integers(1, 99)))


def shared_data(rng, data, end):
    header = json.loads(data[8:end])
    one, other = rng.permutation([name for name in header if name != "__metadata__"])[:2]
    header[one]["data_offsets"] = header[other]["data_offsets"]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[end:]


def wrong_file_named(rng, weight_map):
    wrong = [CONFIG, "", ".", "..", "../x.safetensors", "/etc/passwd", 5, None, [1], {}, "x" * 5000, "a\0.safetensors"]
    return json.dumps({"weight_map": weight_map | {pick(rng, weight_map): pick(rng, wrong)}})


def index_unreadable(rng, weight_map):
    return pick(rng, ["", "{", "[]", "null", "5", "[" * 10**5, "{}", '{"weight_map": []}', '{"weight_map": {}}', "\0", "\x89PNG"])


def tensor_in_the_other_shard(rng, weight_map):
    name = pick(rng, weight_map)
    other = next(file for file in weight_map.values() if file != weight_map[name])
    return json.dumps({"weight_map": weight_map | {name: other}})


def other_size(rng, config, case):
    name = pick(rng, SHOWN[case])
    old = config[name]
    return json.dumps(config | {name: pick(rng, [n for n in (old - 1, old + 1, 2 * old, 10**5 * old + 1) if n != old])})


def senseless_value(rng, config, case):
    values = ["x", {"x": 1}, [None], -1, float("nan"), float("inf"), 10**30, 10**400, {"full_attention": 3}]
    return json.dumps(config | {pick(rng, sorted(config)): pick(rng, values)})


def config_unreadable(rng, config, case):
    return pick(rng, ["", "{", "[]", "null", "[" * 10**5, "\0\0", "{}", "9" * 5000])


def pick(rng, options):
    options = list(options)
    return options[rng.integers(len(options))]


@pytest.fixture(params=range(DRAWS), ids=lambda n: f"draw {n}")
def rng(request):
    return np.random.default_rng(request.param)


@pytest.fixture
def case(rng, golden_folder, tmp_path):
    """The name of a tiny checkpoint, copied to the test's folder."""
    name = pick(rng, CASES)
    for file in (WEIGHTS, CONFIG):
        (tmp_path / file).write_bytes((golden_folder / name / file).read_bytes())
    return name


def outcome(folder: Path, original: Any) -> str:
    """ "refused" or "same"; anything else fails here."""
    try:
        module, variables = pretrained.from_pretrained(folder)
    except UserError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
        return "refused"
    assert settings(module) == settings(original.module)
    jax.tree.map(np.testing.assert_array_equal, variables, original.variables)
    return "same"


def settings(module: Any) -> Any:
    """All that a module computes with: only a tokenizer has a use for the padding's number."""
    config = module.config
    return type(module), replace(config, pad_token_id=None) if hasattr(config, "pad_token_id") else config


@pytest.mark.parametrize("damage", [truncated, header_length, header_bit, no_weights_file, appended, shared_data])
def test_damaged_weights(damage, rng, case, golden, tmp_path):
    data = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(damage(rng, data, 8 + struct.unpack("<Q", data[:8])[0]))
    found = outcome(tmp_path, golden(case))
    assert found == "refused" or damage is header_bit  # some letters of a header mean nothing


@pytest.mark.parametrize("damage", [wrong_file_named, index_unreadable, tensor_in_the_other_shard])
def test_a_damaged_index(damage, rng, case, golden, tmp_path):
    tensors = load_file(tmp_path / WEIGHTS)
    (tmp_path / WEIGHTS).unlink()
    weight_map = {name: f"model-0000{1 + n % 2}-of-00002.safetensors" for n, name in enumerate(sorted(tensors))}
    for file in set(weight_map.values()):
        save_file({name: tensors[name] for name in tensors if weight_map[name] == file}, tmp_path / file)
    (tmp_path / "model-00003-of-00003.safetensors").write_bytes(rng.bytes(99))  # which no index names
    (tmp_path / INDEX).write_text(damage(rng, weight_map))
    # Where a tensor lies is read from the files themselves.
    assert outcome(tmp_path, golden(case)) == ("same" if damage is tensor_in_the_other_shard else "refused")


@pytest.mark.parametrize("damage", [other_size, senseless_value, config_unreadable])
def test_a_damaged_config(damage, rng, case, golden, tmp_path):
    (tmp_path / CONFIG).write_text(damage(rng, json.loads((tmp_path / CONFIG).read_text()), case))
    found = outcome(tmp_path, golden(case))
    assert found == "refused" or damage is senseless_value  # some fields mean nothing to us


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", [WEIGHTS, "pytorch_model.bin"])
def test_no_pickle_is_opened(name, golden, golden_folder, tmp_path):
    """Neither in place of the weights nor beside them, where they are read."""
    for file in (WEIGHTS, CONFIG):
        (tmp_path / file).write_bytes((golden_folder / "bert" / file).read_bytes())
    (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "opened")))
    assert outcome(tmp_path, golden("bert")) == ("refused" if name == WEIGHTS else "same")
    assert not (tmp_path / "opened").exists()
