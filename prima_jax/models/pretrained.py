"""Reads and writes checkpoints as they are published: a folder with config.json and *.safetensors.

Reading is strict: every tensor is used, every parameter is filled, or one error lists all that did not match.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from prima_jax.errors import UserError
from prima_jax.models import key_maps
from prima_jax.models.bert import Bert, BertConfig
from prima_jax.models.dinov3 import DinoV3, DinoV3Config
from prima_jax.models.key_maps import KeyMap
from prima_jax.models.modernbert import ModernBert, ModernBertConfig
from prima_jax.models.qwen3 import Qwen3, Qwen3Config

__all__ = ["build", "from_pretrained", "init_random", "save_pretrained"]

Variables = dict[str, Any]
PICKLES = (".bin", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True)
class Architecture:
    """What a `model_type` stands for."""

    config: Any
    module: Any
    key_map: KeyMap


ARCHITECTURES = {
    "dinov3_vit": Architecture(DinoV3Config, DinoV3, key_maps.DINOV3),
    "modernbert": Architecture(ModernBertConfig, ModernBert, key_maps.MODERNBERT),
    "bert": Architecture(BertConfig, Bert, key_maps.BERT),
    "qwen3": Architecture(Qwen3Config, Qwen3, key_maps.QWEN3),
}


def from_pretrained(folder: str | Path, *, dtype: Any = jnp.float32, remat: bool = False) -> tuple[nn.Module, Variables]:
    """The module that `folder`/config.json describes and its {"params": ...}, stored and computed in `dtype`.

    Raises UserError: no folder, no config, another model_type, something not implemented, pickled weights, a damaged
    file; tensors missing, left over, of another shape, or not finite, all of them listed.
    """
    folder = Path(folder)
    config = _read_json(folder / "config.json")
    try:
        module = build(config, dtype=dtype, remat=remat)
    except UserError as error:
        raise UserError(f"{folder / 'config.json'}: {error}") from error
    return module, {"params": _read_parameters(module, folder, dtype)}


def build(config: Mapping[str, Any], *, dtype: Any = jnp.float32, remat: bool = False) -> nn.Module:
    """The module that the content of a config.json describes; sizes that it leaves out are the architecture's defaults.

    A text encoder has its masked-language head unless `architectures` names the bare model. Raises UserError for
    another model_type, and for what is not implemented.
    """
    architecture = _architecture(config.get("model_type"))
    options = {"dtype": dtype, "remat": remat}
    if architecture.module in (Bert, ModernBert):
        names = config.get("architectures") or []
        options["with_head"] = not any(name in ("BertModel", "ModernBertModel") for name in names)
    return architecture.module(architecture.config.from_dict(config), **options)


def init_random(module: nn.Module, seed: int) -> Variables:
    """{"params": ...} in float32, drawn as the reference implementations draw them, for runs without weights."""
    return dict(module.lazy_init(jax.random.key(seed), _example(module)))


def save_pretrained(folder: str | Path, module: nn.Module, variables: Mapping[str, Any]) -> None:
    """Writes config.json and model.safetensors, which transformers reads; adapters are not written (see lora.merge)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    architecture = _architecture_of(module)
    parameters = flatten_dict(variables["params"])
    tensors = {
        link.name: np.ascontiguousarray(link.to_theirs(np.asarray(parameters[link.path])))
        for link in architecture.key_map.links(module.config.num_hidden_layers, parameters)
    }
    for name in set(architecture.key_map.empty) - set(tensors):
        tensors[name] = np.zeros((1, 0, module.config.hidden_size), np.float32)
    head = {"with_head": module.with_head} if hasattr(module, "with_head") else {}
    config = module.config.to_dict(**head) | {"dtype": next(iter(tensors.values())).dtype.name}
    _replace(folder / "model.safetensors", lambda path: save_file(tensors, path, metadata={"format": "pt"}))
    _replace(folder / "config.json", lambda path: path.write_text(json.dumps(config, indent=2) + "\n"))


def _architecture(model_type: Any) -> Architecture:
    if model_type not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise UserError(f"The model_type {model_type!r} is not implemented; choose a checkpoint of one of {known}.")
    return ARCHITECTURES[model_type]


def _architecture_of(module: nn.Module) -> Architecture:
    return next(a for a in ARCHITECTURES.values() if a.module is type(module))


def _example(module: nn.Module) -> jax.ShapeDtypeStruct:
    """The smallest input of a module."""
    if isinstance(module, DinoV3):
        size = module.config.patch_size
        return jax.ShapeDtypeStruct((1, size, size, module.config.num_channels), jnp.float32)
    return jax.ShapeDtypeStruct((1, 1), jnp.int32)


def _read_parameters(module: nn.Module, folder: Path, dtype: Any) -> Variables:
    """Every parameter of `module`, tensor by tensor, so that no more than one is held twice."""
    key_map = _architecture_of(module).key_map
    expected = flatten_dict(jax.eval_shape(module.init, jax.random.key(0), _example(module))["params"])
    links = key_map.links(module.config.num_hidden_layers, expected)
    tensors = Tensors(folder)
    parameters, problems = {}, tensors.problems
    found = {}
    for link in links:
        names = [name for name in key_map.spellings(link.name) if name in tensors]
        found[link.name] = names
        if len(names) != 1:
            problems.append(f"{' and '.join(names)} are one tensor given twice" if names else f"{link.name} is missing")
            continue
        shape = link.to_theirs(np.broadcast_to(np.float32(0), expected[link.path].shape)).shape
        array = tensors.read(names[0], shape, dtype)
        if array is not None:
            parameters[link.path] = jnp.asarray(link.to_ours(array))
    left = sorted(tensors.names - {name for names in found.values() for name in names})
    problems += [problem for name in left if (problem := _left_over(name, key_map, found, tensors))]
    if problems:
        raise UserError(f"{folder} does not fit its config.json: {'; '.join(problems)}; use an intact checkpoint.")
    return unflatten_dict(parameters)


def _left_over(name: str, key_map: KeyMap, found: Mapping[str, list[str]], tensors: "Tensors") -> str:
    """What is wrong with a tensor that is no parameter of ours; nothing, if it is known and may be left aside."""
    if any(re.search(pattern, name) for pattern in key_map.unused):
        return ""
    if any(name in key_map.spellings(known) for known in key_map.empty) and 0 in tensors.shape(name):
        return ""
    original = found.get((key_map.copies or {}).get(name, ""), [])
    if len(original) != 1:
        return f"{name} is not part of this model"
    return "" if tensors.equal(name, original[0]) else f"{name} differs from {original[0]}, to which it is tied"


class Tensors:
    """The tensors of a folder's safetensors file or files, none of them in memory."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError where there is no such file, or one is damaged."""
        self.problems: list[str] = []
        self._files: dict[str, Any] = {}
        for path in _weight_files(folder):
            try:
                file = safe_open(path, framework="np")
            except (SafetensorError, OSError) as error:
                raise UserError(f"{path} is damaged or incomplete ({error}); fetch it again.") from error
            for name in file.keys():  # noqa: SIM118 (not a mapping)
                if name in self._files:
                    self.problems.append(f"{name} stands in two files")
                self._files[name] = file

    def __contains__(self, name: str) -> bool:
        return name in self._files

    @property
    def names(self) -> set[str]:
        return set(self._files)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._files[name].get_slice(name).get_shape())

    def read(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray | None:
        """The tensor in `dtype`; None, and a line in `problems`, where it is not of `shape`, not real or not finite."""
        if self.shape(name) != shape:
            self.problems.append(f"{name} has the shape {list(self.shape(name))} (expected {list(shape)})")
            return None
        array = self._files[name].get_tensor(name)
        if not jnp.issubdtype(array.dtype, jnp.floating):
            self.problems.append(f"{name} holds {array.dtype} (expected floating-point numbers)")
            return None
        array = array.astype(dtype, copy=False)
        if not np.isfinite(array).all():
            self.problems.append(f"{name} holds numbers that are not finite in {np.dtype(dtype).name}")
            return None
        return array

    def equal(self, name: str, other: str) -> bool:
        same_shape = self.shape(name) == self.shape(other)
        return same_shape and np.array_equal(self._files[name].get_tensor(name), self._files[other].get_tensor(other))


def _weight_files(folder: Path) -> list[Path]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.exists():
        return [single]
    if index.exists():
        weight_map = _read_json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise UserError(f"{index} has no weight_map that names its files; fetch it again.")
        files = [folder / name for name in sorted(set(weight_map.values()))]
        missing = [path.name for path in files if not path.exists()]
        if missing:
            raise UserError(f"{folder} lacks {', '.join(missing)}, which {index.name} names; fetch them.")
        return files
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise UserError(
            f"{folder} holds its weights as pickles ({', '.join(pickles)}), which can run any code when opened and are "
            "not read; convert them to model.safetensors."
        )
    raise UserError(f"{folder} has no weights: expected model.safetensors or {index.name}; fetch them.")


def _read_json(path: Path) -> dict[str, Any]:
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent}: expected a checkpoint with config.json and *.safetensors there.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: expected a checkpoint with config.json and *.safetensors there.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}); fetch it again.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__} (expected an object); fetch it again.")
    return content


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    try:
        write(temporary)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"Cannot write {path} ({error}); free some space or choose another folder.") from error
