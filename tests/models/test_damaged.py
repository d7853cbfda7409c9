"""Two hundred damaged checkpoints, each drawn from its own seed: one sentence that refuses it, or the very same model.

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
from prima_jax.models import checkpoint_files, pretrained

CASES = (
    *("dinov3_plain", "dinov3_gated", "modernbert", "modernbert_biases", "bert", "qwen3_tied"),
    *("qwen3_untied", "llama_tied", "llama_untied"),
)
WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
SIZES = {"F64": 8, "I64": 8, "U64": 8, "C64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1}
SIZES |= dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 1)
SHOWN = {  # the fields of each config.json that some tensor's shape shows
    "dinov3": ("hidden_size", "intermediate_size", "num_hidden_layers", "num_register_tokens", "patch_size", "num_channels"),
    "modernbert": ("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size"),
    "bert": ("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size", "max_position_embeddings", "type_vocab_size"),
    "qwen3": (
        *("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size"),
        *("head_dim", "num_attention_heads", "num_key_value_heads"),
    ),
}
SHOWN["llama"] = SHOWN["qwen3"]


class Checkpoint:
    """A copy of a tiny checkpoint, to be damaged."""

    def __init__(self, case: str, source: Path, folder: Path) -> None:
        self.case, self.folder, self.weights = case, folder, folder / WEIGHTS
        for name in (WEIGHTS, CONFIG):
            (folder / name).write_bytes((source / case / name).read_bytes())

    @property
    def data(self) -> bytes:
        return self.weights.read_bytes()

    @property
    def header_end(self) -> int:
        return 8 + struct.unpack("<Q", self.data[:8])[0]

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        return {name: array for name, array in load_file(self.weights).items() if array.size}

    def change(self, *removed: str, **changed: np.ndarray) -> None:
        tensors = {name: array for name, array in load_file(self.weights).items() if name not in removed}
        save_file({**tensors, **changed}, self.weights)

    def change_header(self, change: Any) -> None:
        """`change` edits the header, name -> dtype, shape and data_offsets; the data stay."""
        header = json.loads(self.data[8 : self.header_end])
        change(header)
        text = json.dumps(header).encode()
        self.weights.write_bytes(struct.pack("<Q", len(text)) + text + self.data[self.header_end :])

    def configure(self, **values: Any) -> None:
        path = self.folder / CONFIG
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    def shard(self, damage: Any = lambda weight_map: None) -> tuple[Path, Path]:
        """Splits the weights in two files with an index, whose weight_map `damage` edits."""
        tensors, files = load_file(self.weights), [self.folder / f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
        self.weights.unlink()
        names = sorted(tensors)
        for n, file in enumerate(files):
            save_file({name: tensors[name] for name in names[n::2]}, file)
        weight_map = {name: files[n % 2].name for n, name in enumerate(names)}
        damage(weight_map)
        (self.folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
        return files[0], files[1]


def truncated(rng, c):
    c.weights.write_bytes(c.data[: rng.integers(len(c.data))])


def truncated_in_header(rng, c):
    c.weights.write_bytes(c.data[: rng.integers(c.header_end)])


def header_length(rng, c):
    length = int(rng.integers(2 ** int(rng.integers(1, 63)))) or 1
    assert length != c.header_end - 8
    c.weights.write_bytes(struct.pack("<Q", length) + c.data[8:])


def header_bit(rng, c):
    data = bytearray(c.data)
    data[rng.integers(c.header_end)] ^= 1 << rng.integers(8)
    c.weights.write_bytes(data)


def header_byte(rng, c):
    data = bytearray(c.data)
    data[rng.integers(8, c.header_end)] = rng.integers(32, 127)
    c.weights.write_bytes(data)


def no_weights_file(rng, c):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    found = [pointer, b"", bytes(len(c.data)), b"<!doctype html><html>" * 9, b"PK\x03\x04" + bytes(99), rng.bytes(999)]
    c.weights.write_bytes(found[rng.integers(len(found))])


def appended(rng, c):
    c.weights.write_bytes(c.data + rng.bytes(int(rng.integers(1, 99))))


def shared_data(rng, c):
    def change(header):
        a, b = pick(rng, [n for n in header if n != "__metadata__"], 2)
        header[a]["data_offsets"] = header[b]["data_offsets"]

    c.change_header(change)


def no_dtype_of_weights(rng, c):
    """The numbers are of another type, and the file is otherwise intact."""
    kind = pick(rng, [kind for kind in SIZES if kind != "F64"])
    chosen, data, offset = pick(rng, c.tensors), b"", 0
    header = json.loads(c.data[8 : c.header_end])
    for name in [n for n in header if n != "__metadata__"]:
        begin, end = header[name]["data_offsets"]
        part = c.data[c.header_end + begin : c.header_end + end]
        if name == chosen:
            header[name]["dtype"], part = kind, bytes([1]) * (len(part) // 4 * SIZES[kind])
        header[name]["data_offsets"] = [offset, offset + len(part)]
        data, offset = data + part, offset + len(part)
    text = json.dumps(header).encode()
    c.weights.write_bytes(struct.pack("<Q", len(text)) + text + data)


def reshaped(rng, c):
    array = c.tensors[name := pick(rng, [n for n, a in c.tensors.items() if a.ndim > 1 and a.shape[0] != a.shape[1]])]
    shapes = [array.ravel(), array[None], array[..., None], array.T, array[:, 1:], array[..., :-1], np.stack([array, array])]
    other = [shape for shape in shapes if shape.shape != array.shape]
    c.change(**{name: np.ascontiguousarray(other[rng.integers(len(other))])})


def missing(rng, c):
    c.change(*pick(rng, c.tensors, int(rng.integers(1, 4))))


def renamed(rng, c):
    name = pick(rng, c.tensors)
    new = pick(rng, [name.upper(), f"module.{name}", name[:-1], name.replace(".", "_"), f"{name}.1", f" {name}", "x"])
    array = c.tensors[name]
    c.change(name, **{new: array})


def extra(rng, c):
    name = pick(rng, c.tensors)
    c.change(**{pick(rng, [f"{name}_scale_inv", f"{name}.absmax", "lm_head.bias", "classifier.weight"]): c.tensors[name]})


def not_finite(rng, c):
    array = c.tensors[name := pick(rng, c.tensors)].copy()
    array.flat[rng.integers(array.size)] = pick(rng, [np.nan, np.inf, -np.inf])
    c.change(**{name: array})


def twice(rng, c):
    """The same tensor under two names that files use for it."""
    key_map = next(a.key_map for kind, a in pretrained.ARCHITECTURES.items() if c.case.startswith(kind.split("_")[0]))
    name = pick(rng, [n for n in c.tensors if len(key_map.spellings(n)) > 1])
    other = key_map.spellings(name)[1]
    c.change(**{other: c.tensors[name]})


def tied_copy(rng, c, differs=True):
    own, copy = {"qwen3_tied": ("model.embed_tokens.weight", "lm_head.weight")}.get(
        c.case, ("model.embeddings.tok_embeddings.weight", "decoder.weight")
    )
    array = c.tensors[own].copy()
    if differs:
        array.flat[rng.integers(array.size)] += pick(rng, [1.0, np.nan, 1e-3])
    c.change(**{copy: array})


def equal_tied_copy(rng, c):
    tied_copy(rng, c, differs=False)


def float64(rng, c):
    c.change(**{name: c.tensors[name].astype(np.float64) for name in pick(rng, c.tensors, 3)})


def shard_missing(rng, c):
    pick(rng, c.shard()).unlink()


def shard_truncated(rng, c):
    path = pick(rng, c.shard())
    path.write_bytes(path.read_bytes()[: rng.integers(path.stat().st_size)])


def tensor_in_two_shards(rng, c):
    one, other = c.shard()
    tensors = load_file(one)
    name = pick(rng, tensors)
    save_file({**load_file(other), name: tensors[name]}, other)


def wrong_file_named(rng, c):
    wrong = pick(rng, [CONFIG, "", ".", "..", "../x.safetensors", "/etc/passwd", 5, None, [1], {}, "x" * 5000, "a\0.safetensors"])
    c.shard(lambda weight_map: weight_map.update({pick(rng, weight_map): wrong}))


def index_unreadable(rng, c):
    c.shard()
    text = pick(rng, ["", "{", "[]", "null", "5", "[" * 10**5, "{}", '{"weight_map": []}', '{"weight_map": {}}', "\0", "\x89PNG"])
    (c.folder / INDEX).write_text(text)


def tensor_in_the_other_shard(rng, c):
    def damage(weight_map):
        a, b = sorted(set(weight_map.values()))
        name = pick(rng, weight_map)
        weight_map[name] = b if weight_map[name] == a else a

    c.shard(damage)


def file_not_named(rng, c):
    c.shard()
    (c.folder / "model-00003-of-00003.safetensors").write_bytes(rng.bytes(99))


def other_size(rng, c):
    fields = next(names for kind, names in SHOWN.items() if c.case.startswith(kind))
    name = pick(rng, fields)
    old = json.loads((c.folder / CONFIG).read_text())[name]
    c.configure(**{name: pick(rng, [n for n in (old - 1, old + 1, 2 * old, 10**5 * old + 1) if n >= 0 and n != old])})


def senseless_value(rng, c):
    name = pick(rng, sorted(json.loads((c.folder / CONFIG).read_text())))
    c.configure(
        **{name: pick(rng, ["x", {"x": 1}, [None], -1, float("nan"), float("inf"), 10**30, 10**400, {"full_attention": 3}])}
    )


def config_unreadable(rng, c):
    path = c.folder / CONFIG
    content = pick(
        rng, [None, b"", b"{", b"[]", b"null", b"[" * 10**5, b'{"a": "\xff"}', b"\0\0", b"{}", b"9" * 5000, b"\x80\x02"]
    )
    path.unlink() if content is None else path.write_bytes(content)


def another_config(rng, c):
    other = pick(rng, [case for case in CASES if case != c.case])
    source = Path(__file__).parent / "golden" / other / CONFIG
    (c.folder / CONFIG).write_bytes(source.read_bytes())


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def pickled(rng, c, beside=False):
    kept = pick(rng, [f"pytorch_model{suffix}" for suffix in checkpoint_files.PICKLES] + ([] if beside else [WEIGHTS]))
    if not beside:
        c.weights.unlink()
    (c.folder / kept).write_bytes(pickle.dumps(Trap(c.folder / "opened")))


def pickle_beside(rng, c):
    pickled(rng, c, beside=True)


REFUSED = (
    {truncated: 10, truncated_in_header: 6, header_length: 7, no_weights_file: 8, appended: 4, shared_data: 4}
    | {no_dtype_of_weights: 10, reshaped: 8, missing: 6, renamed: 6, extra: 6, not_finite: 8, twice: 6, tied_copy: 4}
    | {shard_missing: 3, shard_truncated: 4, tensor_in_two_shards: 4, wrong_file_named: 8, index_unreadable: 7}
    | {other_size: 10, config_unreadable: 8, another_config: 6, pickled: 5}
)
SAME = {float64: 2, equal_tied_copy: 2, tensor_in_the_other_shard: 2, file_not_named: 1, pickle_beside: 1}
EITHER = {header_bit: 14, header_byte: 6, senseless_value: 24}
"""It depends on where the damage falls: some letters of a header and some fields of a config mean nothing to us."""
ALLOWED = {refused: {"refused"} for refused in REFUSED} | {same: {"same"} for same in SAME}
DRAWN = [(damage, n) for counts in (REFUSED, SAME, EITHER) for damage, count in counts.items() for n in range(count)]
"""Damage and a seed; the first of each kind is among the fast tests."""


def pick(rng, options, count=None):
    """One of the options, or a list of several different ones."""
    options = list(options)
    chosen = rng.permutation(len(options))[: count or 1]
    return options[chosen[0]] if count is None else [options[i] for i in chosen]


@pytest.mark.parametrize(
    ("damage", "seed"),
    [pytest.param(d, n, id=f"{d.__name__}-{n}", marks=[pytest.mark.slow] if n else []) for d, n in DRAWN],
)
def test_damaged(damage, seed, golden, golden_folder, tmp_path):
    rng = np.random.default_rng([list(ALLOWED | EITHER).index(damage), seed])
    cases = {tied_copy: ("qwen3_tied", "modernbert"), equal_tied_copy: ("qwen3_tied", "modernbert")}
    cases[twice] = ("dinov3_plain", "modernbert", "bert", "qwen3_untied")
    checkpoint = Checkpoint(pick(rng, cases.get(damage, CASES)), golden_folder, tmp_path)
    damage(rng, checkpoint)
    found = outcome(checkpoint.folder, golden(checkpoint.case))
    assert found in ALLOWED.get(damage, {"refused", "same"})
    assert not (checkpoint.folder / "opened").exists(), "a pickle was opened"


def outcome(folder: Path, original: Any) -> str:
    """ "refused" or "same"; anything else fails here."""
    try:
        module, variables = pretrained.from_pretrained(folder)
    except UserError as error:
        message = str(error)
        assert message.endswith(".") and "\n" not in message
        return "refused"
    assert settings(module) == settings(original.module)
    jax.tree.map(np.testing.assert_array_equal, variables, original.variables)
    return "same"


def settings(module: Any) -> Any:
    """All that a module computes with: only a tokenizer has a use for the padding's number."""
    config = module.config
    return type(module), replace(config, pad_token_id=None) if hasattr(config, "pad_token_id") else config


def test_there_are_two_hundred():
    assert len(DRAWN) == 200
