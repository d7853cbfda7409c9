"""Adapters as PEFT keeps them: a folder with adapter_config.json and adapter_model.safetensors.

https://huggingface.co/docs/peft/developer_guides/checkpoint. PEFT's lora_A [r, in] and lora_B [out, r] are the
transposes of our A [in, r] and B [r, out].
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from prima_jax.errors import UserError
from prima_jax.files import write_whole
from prima_jax.models.checkpoint_files import Part, Tensors, read_json, write_tensors
from prima_jax.models.config import require
from prima_jax.models.pretrained import architecture_of, has_head, parameter_shapes

__all__ = ["load_adapters", "save_adapters"]

CONFIG, WEIGHTS, PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
PREFIX = "base_model.model."
MOST = 1e6
"""Of rank and alpha."""
PLAIN = {
    "peft_type": "LORA",
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "lora_dropout": 0.0,
    "use_dora": False,
    "use_rslora": False,
}
"""The values written for the fields of PEFT's LoraConfig other than rank, alpha and targets."""
VARIANTS: dict[str, Any] = {
    "peft_type": "LORA",
    "bias": "none",
    "fan_in_fan_out": False,
    "use_rslora": (False, True),
    "init_lora_weights": (True, False, "gaussian", "orthogonal", "eva", "mica"),
    "modules_to_save": (None, []),
    "target_parameters": (None, []),
    "loftq_config": (None, {}),
}
"""Fields that change what an adapter computes, and the values with which it is W + scale * BA on the weights as published.

Other ways to begin (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) change W as well, which no file of the adapter holds.
"""
NEEDED = ("r", "lora_alpha", "rank_pattern", "alpha_pattern")
DESCRIPTIVE = (
    *("auto_mapping", "base_model_name_or_path", "eva_config", "exclude_modules", "inference_mode", "layers_pattern"),
    *("layers_to_transform", "lora_dropout", "megatron_core", "peft_version", "qalora_group_size", "revision"),
    *("runtime_config", "target_modules", "task_type"),
)
"""Fields that say nothing about what a finished adapter computes: its tensors' names do. Any other has to be null or false."""
PATTERN = re.compile(r"[\w.\\^$|()\[\]*+?-]{1,500}")
"""What a key of rank_pattern and alpha_pattern may be made of."""


def save_adapters(folder: str | Path, module: nn.Module, adapters: Mapping[str, Any], *, base_model: str = "") -> None:
    """Writes {"lora", "lora_scale"} of `module` for `peft.PeftModel.from_pretrained(torch_model, folder)`.

    `base_model`, the name or folder of the weights below the adapters, is recorded only. Raises UserError
    if a file cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lora, scales = flatten_dict(adapters["lora"]), flatten_dict(adapters["lora_scale"])
    names = _module_names(module)
    tensors: dict[str, np.ndarray] = {}
    alphas, ranks = {}, {}
    for path in sorted({path[:-1] for path in lora}):
        a, b = (np.asarray(lora[(*path, part)]) for part in "AB")
        name = names[path][0]
        tensors |= {tensor: np.ascontiguousarray(x.T) for tensor, x in zip(_tensor_names(name), (a, b), strict=True)}
        ranks[name], alphas[name] = a.shape[1], _plain(float(scales[(*path, "scale")]) * a.shape[1])
    rank, alpha = _most_common(ranks), _most_common(alphas)
    config = {
        **PLAIN,
        "base_model_name_or_path": base_model or None,
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": sorted(ranks),
        "rank_pattern": {f"^{re.escape(name)}$": r for name, r in ranks.items() if r != rank},
        "alpha_pattern": {f"^{re.escape(name)}$": a for name, a in alphas.items() if a != alpha},
    }
    write_tensors(folder / WEIGHTS, tensors)
    write_whole(folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def load_adapters(folder: str | Path, module: nn.Module) -> dict[str, Any]:
    """Returns {"lora", "lora_scale"} in float32, from a folder that PEFT or `save_adapters` wrote for this architecture.

    Raises UserError: no such folder or file, a pickle, a damaged file, a variant of LoRA that is not implemented, or
    tensors that are not those of a layer of `module`, of another shape or not finite, all of them listed.
    """
    folder = Path(folder)
    config = read_json(folder / CONFIG)
    problems: list[str] = []
    others = sorted(config.keys() - VARIANTS.keys() - {*NEEDED, *DESCRIPTIVE})
    require(config, problems, **VARIANTS, **dict.fromkeys(others, False))
    problems += [line for field in ("rank_pattern", "alpha_pattern") for line in _pattern_problems(field, config.get(field))]
    if problems:
        raise UserError(f"{folder / CONFIG} asks for what is not implemented: {'; '.join(problems)}; choose plain LoRA.")
    tensors = Tensors([_weight_file(folder)])
    problems = tensors.problems
    lora, scale = {}, {}
    used: set[str] = set()
    shapes = parameter_shapes(module)
    for path, spellings in _module_names(module).items():
        held = [name for name in spellings if any(tensor in tensors for tensor in _tensor_names(name))]
        used.update(tensor for name in held for tensor in _tensor_names(name))
        if len(held) > 1:
            problems.append(f"{' and '.join(held)} are one layer given twice")
        if len(held) != 1:
            continue
        inputs, outputs = shapes[(*path, "kernel")]
        rank = _number(config, "r", "rank_pattern", held[0], problems)
        alpha = _number(config, "lora_alpha", "alpha_pattern", held[0], problems)
        for part, tensor, shape in zip("AB", _tensor_names(held[0]), ((rank, inputs), (outputs, rank)), strict=True):
            if tensor not in tensors:
                problems.append(f"{tensor} is missing")
            elif (array := tensors.read(Part(tensor), shape, np.float32)) is not None:
                lora[(*path, part)] = jnp.asarray(array.T)
        scale[(*path, "scale")] = jnp.float32(alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))
    problems += [f"{name} is not the adapter of a layer of this model" for name in sorted(tensors.names - used)]
    if not scale and not problems:
        problems.append("it holds no adapter")
    if problems:
        raise UserError(f"{folder} does not fit this model: {'; '.join(problems)}; use an adapter made for it.")
    return {"lora": unflatten_dict(lora), "lora_scale": unflatten_dict(scale)}


def _module_names(module: nn.Module) -> dict[tuple[str, ...], list[str]]:
    """Returns our path of every dense layer -> the reference's names for it, that of a loaded model first."""
    key_map, shapes = architecture_of(module).key_map, parameter_shapes(module)
    names = {}
    for link in key_map.links(module.config.num_hidden_layers, shapes):
        if link.path[-1] == "kernel" and len(shapes[link.path]) == 2:
            spellings = key_map.spellings(link.name) if has_head(module) else key_map.spellings(link.name)[::-1]
            names[link.path[:-1]] = [name.removesuffix(".weight") for name in spellings]
    return names


def _tensor_names(name: str) -> tuple[str, str]:
    return f"{PREFIX}{name}.lora_A.weight", f"{PREFIX}{name}.lora_B.weight"


def _number(config: Mapping[str, Any], field: str, pattern: str, name: str, problems: list[str]) -> Any:
    """Returns rank or alpha of the layer `name`: of the first matching pattern, as in PEFT, else the common one."""
    patterns: Mapping[str, Any] = config.get(pattern) or {}
    value = next((v for key, v in patterns.items() if re.match(rf"(.*\.)?({key})$", name)), config.get(field))
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < MOST or (field == "r" and value % 1):
        problems.append(f"{field} of {name} = {value!r} (expected a positive number)")
        return 1
    return value


def _pattern_problems(field: str, patterns: Any) -> list[str]:
    """Regular expressions by which a search through every layer's name ends soon: two repetitions, none of a group."""
    if not isinstance(patterns, dict | None):
        return [f"{field} is a {type(patterns).__name__} (expected an object)"]
    problems = []
    for key in patterns or {}:
        try:
            simple = PATTERN.fullmatch(key) and not re.search(r"\)[*+?{]", key) and sum(map(key.count, "*+?")) <= 2
            if not simple:
                problems.append(
                    f"{field} has the pattern {key[:80]!r} (expected names, and at most two of * + ?, none after a group)"
                )
            re.compile(key)
        except re.error as error:
            problems.append(f"{field} has the pattern {key[:80]!r}, which is no regular expression ({error})")
    return problems


def _weight_file(folder: Path) -> Path:
    if (folder / WEIGHTS).exists():
        return folder / WEIGHTS
    if (folder / PICKLE).exists():
        raise UserError(
            f"{folder} holds its adapter as a pickle ({PICKLE}), which can run any code when opened and is not read; "
            f"save it with safe_serialization=True."
        )
    raise UserError(f"{folder} has no adapter: expected {WEIGHTS}; fetch it.")


def _most_common(values: Mapping[str, Any]) -> Any:
    return Counter(values.values()).most_common(1)[0][0]


def _plain(number: float) -> int | float:
    """Whole numbers as such: PEFT declares alpha as an integer."""
    return int(number) if number == int(number) else number
