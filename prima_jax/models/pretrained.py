"""Reads and writes checkpoints as they are published: a folder with config.json and *.safetensors.

Reading is strict: every tensor is used, every parameter is filled, or one error lists all that did not match.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from prima_jax.errors import UserError
from prima_jax.files import write_whole
from prima_jax.models import dinov3_names, key_maps
from prima_jax.models.bert import Bert, BertConfig
from prima_jax.models.checkpoint_files import Part, Tensors, read_json, weight_files, write_tensors
from prima_jax.models.decoder import Decoder
from prima_jax.models.dinov2 import DinoV2, DinoV2Config, DinoV2WithRegisters, DinoV2WithRegistersConfig
from prima_jax.models.dinov3 import DinoV3, DinoV3Config
from prima_jax.models.key_maps import KeyMap, Link
from prima_jax.models.llama import Llama, LlamaConfig
from prima_jax.models.modernbert import ModernBert, ModernBertConfig
from prima_jax.models.quantized import keep, whole
from prima_jax.models.qwen3 import Qwen3, Qwen3Config
from prima_jax.models.vision_transformer import VisionTransformer

__all__ = [
    "architecture_of",
    "build",
    "from_pretrained",
    "has_head",
    "init_head",
    "init_random",
    "parameter_shapes",
    "save_pretrained",
]

Variables = dict[str, Any]


@dataclass(frozen=True)
class Architecture:
    """The classes and tensor names of one `model_type`."""

    config: Any
    module: Any
    key_map: KeyMap
    """The tensor names of transformers, in which checkpoints are written."""
    others: tuple[KeyMap, ...] = ()
    """Other published tensor names."""


ARCHITECTURES = {
    "dinov2": Architecture(DinoV2Config, DinoV2, key_maps.DINOV2),
    "dinov2_with_registers": Architecture(
        DinoV2WithRegistersConfig, DinoV2WithRegisters, replace(key_maps.DINOV2, empty=("embeddings.register_tokens",))
    ),
    "dinov3_vit": Architecture(DinoV3Config, DinoV3, key_maps.DINOV3, (dinov3_names.ORIGINAL,)),
    "modernbert": Architecture(ModernBertConfig, ModernBert, key_maps.MODERNBERT),
    "bert": Architecture(BertConfig, Bert, key_maps.BERT),
    "qwen3": Architecture(Qwen3Config, Qwen3, key_maps.QWEN3),
    "llama": Architecture(LlamaConfig, Llama, key_maps.LLAMA),
}


def from_pretrained(
    folder: str | Path, *, dtype: Any = jnp.float32, remat: bool = False, quantized: str = ""
) -> tuple[nn.Module, Variables]:
    """Returns the module that `folder`/config.json describes and its {"params": ...}, stored and computed in `dtype`.

    quantized: "int8" or "nf4", in which the kernels of its blocks are stored (quantized.py).
    Raises UserError: no folder, no config, another model_type, something not implemented, pickled weights, a damaged
    file; tensors missing, left over, of another shape, or not finite, all of them listed.
    """
    folder = Path(folder)
    config = read_json(folder / "config.json")
    try:
        module = build(config, dtype=dtype, remat=remat)
    except UserError as error:
        raise UserError(f"{folder / 'config.json'}: {error}") from error
    return module, {"params": _read_parameters(module, folder, dtype, quantized)}


def build(config: Mapping[str, Any], *, dtype: Any = jnp.float32, remat: bool = False) -> nn.Module:
    """Returns the module that the content of a config.json describes; missing sizes are the architecture's defaults.

    For DINOv3 timm's form, which names an architecture and no sizes, is accepted.
    A text encoder has its masked-language head unless `architectures` names the bare model. Raises UserError for
    another model_type, and for what is not implemented.
    """
    config = dinov3_names.from_timm(config)
    architecture = _architecture(config.get("model_type"))
    options = {"dtype": dtype, "remat": remat}
    if architecture.module in (Bert, ModernBert):
        names = config.get("architectures") or []
        if not isinstance(names, list | tuple):
            raise UserError(f"architectures = {names!r} (expected a list of words); choose another checkpoint.")
        options["with_head"] = not any(name in ("BertModel", "ModernBertModel") for name in names)
    return architecture.module(architecture.config.from_dict(config), **options)


def init_random(module: nn.Module, seed: int) -> Variables:
    """Returns {"params": ...} in float32, initialised as in the reference implementations, for runs without weights."""
    return dict(module.lazy_init(jax.random.key(seed), _example(module)))


def init_head(module: nn.Module, params: Mapping[str, Any], key: jax.Array) -> Variables:
    """Returns fresh float32 parameters of `module`'s masked-language head where `params`, of a bare encoder, lacks them.

    The kernel is drawn as the encoder's own are, norms are one, biases zero; the decoder is the table of embeddings.
    """
    hidden = jnp.zeros((1, module.config.hidden_size))
    drawn = jax.jit(lambda: module.init(key, hidden, method="head")["params"])()
    return {name: leaves for name, leaves in drawn.items() if name not in params}


def save_pretrained(folder: str | Path, module: nn.Module, variables: Mapping[str, Any]) -> None:
    """Writes config.json and model.safetensors, which transformers reads; for adapters see peft.py and lora.merge."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    architecture = architecture_of(module)
    parameters = flatten_dict(variables["params"])
    bare = getattr(module, "with_head", True) is False
    parts: dict[str, list[tuple[Part, np.ndarray]]] = {}
    for link in architecture.key_map.links(module.config.num_hidden_layers, parameters):
        part = architecture.key_map.saved(link.name, bare=bare)
        parts.setdefault(part.name, []).append((part, link.to_theirs(np.asarray(whole(parameters[link.path])))))
    tensors = {
        name: np.ascontiguousarray(_joined([array for _, array in sorted(found, key=lambda pair: pair[0])]))
        for name, found in parts.items()
    }
    for name in set(architecture.key_map.empty) - set(tensors):
        tensors[name] = np.zeros((1, 0, module.config.hidden_size), np.float32)
    head = {"with_head": module.with_head} if hasattr(module, "with_head") else {}
    config = module.config.to_dict(**head) | {"dtype": next(iter(tensors.values())).dtype.name}
    write_tensors(folder / "model.safetensors", tensors)
    write_whole(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _architecture(model_type: Any) -> Architecture:
    if not isinstance(model_type, str) or model_type not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise UserError(f"The model_type {model_type!r} is not implemented; choose a checkpoint of one of {known}.")
    return ARCHITECTURES[model_type]


def architecture_of(module: nn.Module) -> Architecture:
    """The architecture of a module."""
    return next(a for a in ARCHITECTURES.values() if a.module is type(module))


def has_head(module: nn.Module) -> bool:
    """Returns True if a module outputs logits."""
    return getattr(module, "with_head", isinstance(module, Decoder))


def parameter_shapes(module: nn.Module) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Returns path -> shape of every parameter of a module."""
    params = jax.eval_shape(module.init, jax.random.key(0), _example(module))["params"]
    return {path: leaf.shape for path, leaf in flatten_dict(params).items()}


def _example(module: nn.Module) -> jax.ShapeDtypeStruct:
    """Returns the smallest input of a module."""
    if isinstance(module, VisionTransformer):
        size = module.config.patch_size
        return jax.ShapeDtypeStruct((1, size, size, module.config.num_channels), jnp.float32)
    return jax.ShapeDtypeStruct((1, 1), jnp.int32)


def _read_parameters(module: nn.Module, folder: Path, dtype: Any, quantized: str) -> Variables:
    """Reads the parameters of `module` tensor by tensor, so that no more than one is in memory twice."""
    tensors = Tensors(weight_files(folder))
    expected = parameter_shapes(module)
    key_map, links = _names(module, expected, tensors)
    parameters, problems = {}, tensors.problems
    parts_of = {}
    tied = {name: original for name, original in key_map.copies.items() if all(name != link.name for link in links)}
    for link in links:
        parts = [part for part in key_map.places(link.name) if part.name in tensors]
        # Of two tied tensors safetensors' save_model stores the one whose name comes first.
        parts = parts or [Part(name) for name, original in tied.items() if original == link.name and name in tensors]
        names = [part.name for part in parts]
        parts_of[link.name] = parts
        if not parts and link.name in key_map.zero:
            parameters[link.path] = jnp.zeros(expected[link.path], dtype)
            continue
        if len(parts) != 1:
            missing = f"{key_map.saved(link.name).name} is missing"
            problems.append(f"{' and '.join(names)} are one tensor given twice" if names else missing)
            continue
        shape = link.to_theirs(np.broadcast_to(np.float32(0), expected[link.path])).shape
        array = tensors.read(parts[0], shape, dtype)
        mask = parts[0]._replace(name=names[0] + key_map.mask)
        if array is not None and key_map.mask and mask.name in tensors:
            array = None if (factor := tensors.read(mask, shape, dtype)) is None else array * factor
        if array is not None:
            parameters[link.path] = keep(link.path, jax.device_put(link.to_ours(array)), quantized)
    used = {part for parts in parts_of.values() for part in parts}
    problems += _unused_parts(used, key_map, tensors)
    left = sorted(tensors.names - {part.name + end for part in used for end in ("", key_map.mask)})
    problems += [problem for name in left if (problem := _left_over(name, key_map, parts_of, tensors))]
    if problems:
        listed = "; ".join(dict.fromkeys(problems))
        raise UserError(f"{folder} does not fit its config.json: {listed}; use an intact checkpoint.")
    return unflatten_dict(parameters)


def _names(module: nn.Module, expected: Mapping[tuple[str, ...], Any], tensors: Tensors) -> tuple[KeyMap, list[Link]]:
    """Returns the key map that matches most tensors of the files, transformers' first among equals, and its links."""
    architecture = architecture_of(module)
    layers = module.config.num_hidden_layers
    candidates = [(key_map, key_map.links(layers, expected)) for key_map in (architecture.key_map, *architecture.others)]

    def known(candidate: tuple[KeyMap, list[Link]]) -> int:
        key_map, links = candidate
        return sum(part.name in tensors for link in links for part in key_map.places(link.name))

    return max(candidates, key=known)


def _unused_parts(used: set[Part], key_map: KeyMap, tensors: Tensors) -> list[str]:
    """Returns the problems of unused parts of fused tensors: they have to be zero, or masked."""
    others = {part._replace(number=number) for part in used for number in range(part.of)} - used
    return [
        f"part {part.number + 1} of {part.of} of {part.name} is not part of this model"
        for part in sorted(others)
        if not tensors.blank(part, part.name + key_map.mask if key_map.mask else "")
    ]


def _left_over(name: str, key_map: KeyMap, parts_of: Mapping[str, list[Part]], tensors: Tensors) -> str:
    """Returns the problem of a tensor that is not a parameter of ours; nothing if it is a known unused one."""
    if any(re.search(pattern, name) for pattern in key_map.unused):
        return ""
    if any(name in key_map.spellings(known) for known in key_map.empty) and 0 in tensors.shape(name):
        return ""
    original = parts_of.get(key_map.copies.get(name, ""), [])
    if len(original) != 1:
        return f"{name} is not part of this model"
    return "" if tensors.equal(name, original[0].name) else f"{name} differs from {original[0].name}, to which it is tied"
