"""The files of a checkpoint: tensors read one at a time from safetensors, JSON."""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from prima_jax.errors import UserError
from prima_jax.files import whole_file
from prima_jax.json_text import read_object

__all__ = ["PICKLES", "Part", "Tensors", "read_json", "weight_files", "write_tensors"]

PICKLES = (".bin", ".pt", ".pth", ".ckpt")
FLOATS = ("F64", "F32", "F16", "BF16")
"""The types in which a weight may be stored; 8-bit types are useless without their separate scales."""
PIECE = 2**22
"""Elements that are read or compared at a time."""


class Part(NamedTuple):
    """The place of a tensor in a file: a whole tensor, or the part `number` `of` several equal ones along the first axis."""

    name: str
    number: int = 0
    of: int = 1


class Tensors:
    """The tensors of one or several safetensors files, none of them in memory."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Raises UserError where a file is damaged."""
        self.problems: list[str] = []
        self._stored: dict[str, tuple[tuple[int, ...], str]] = {}
        self._paths: dict[str, Path] = {}
        for path in paths:
            try:
                with safe_open(path, framework="np") as file:
                    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
                    stored = {name: (tuple(part.get_shape()), str(part.get_dtype())) for name, part in slices.items()}
            except (SafetensorError, OSError) as error:
                raise UserError(f"{path} is damaged or incomplete ({error}); fetch it again.") from error
            self.problems += [f"{name} stands in two files" for name in stored if name in self._paths]
            self._stored |= stored
            self._paths |= dict.fromkeys(stored, path)

    def __contains__(self, name: str) -> bool:
        return name in self._paths

    @property
    def names(self) -> set[str]:
        return set(self._paths)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._stored[name][0]

    def read(self, part: Part, shape: tuple[int, ...], dtype: Any) -> np.ndarray | None:
        """Returns the part in `dtype`; None, with a line in `problems`, if it has another shape, is not real or not finite."""
        name, whole = part.name, (shape[0] * part.of, *shape[1:]) if part.of > 1 else shape
        if self.shape(name) != whole:
            self.problems.append(f"{name} has the shape {list(self.shape(name))} (expected {list(whole)})")
            return None
        if self._stored[name][1] not in FLOATS:
            self.problems.append(f"{name} holds {self._stored[name][1]} (expected one of {', '.join(FLOATS)})")
            return None
        # Piece by piece into its final place; and a file that stays open keeps in memory whatever was read of it.
        array = _aligned(shape, dtype)
        with safe_open(self._paths[name], framework="np") as file:
            stored, start = file.get_slice(name), part.number * shape[0] if part.number else 0
            for piece in _pieces(shape):
                array[piece] = stored[start + piece.start : start + piece.stop].astype(dtype, copy=False)
        if not _all_finite(array):
            self.problems.append(f"{name} holds numbers that are not finite in {np.dtype(dtype).name}")
            return None
        return array

    def blank(self, part: Part, mask: str = "") -> bool:
        """Returns True if a part, times the same part of the tensor `mask` if there is one, holds only 0 and NaN."""
        factors = []
        for name in filter(None, (part.name, mask if mask in self else "")):
            with safe_open(self._paths[name], framework="np") as file:
                rows = self.shape(name)[0] // part.of
                factors.append(file.get_slice(name)[part.number * rows : (part.number + 1) * rows].astype(np.float32))
        return not np.nan_to_num(math.prod(factors)).any()

    def equal(self, name: str, other: str) -> bool:
        """Returns True if two tensors are equal, compared piece by piece."""
        shape = self.shape(name)
        if shape != self.shape(other) or not all(self._stored[n][1] in FLOATS for n in (name, other)):
            return False
        with safe_open(self._paths[name], framework="np") as a, safe_open(self._paths[other], framework="np") as b:
            first, second = a.get_slice(name), b.get_slice(other)
            return all(np.array_equal(first[piece], second[piece]) for piece in _pieces(shape))


def _pieces(shape: tuple[int, ...]) -> list[slice]:
    """Returns slices of the first axis that cover a tensor, about PIECE elements each; none for an empty tensor."""
    rows = max(1, PIECE // max(1, math.prod(shape[1:])))
    return [slice(start, min(start + rows, shape[0])) for start in range(0, shape[0], rows)] if math.prod(shape) else []


def _aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Returns an array aligned to 64 bytes, which JAX uses without a copy."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.empty(size + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + size].view(dtype).reshape(shape)


def _all_finite(array: np.ndarray) -> bool:
    """np.isfinite(array).all() without a boolean array: min and max of an array with NaN are NaN."""
    with np.errstate(invalid="ignore"):
        return not array.size or bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def weight_files(folder: Path) -> list[Path]:
    """Returns the safetensors files of a model's folder; raises UserError where there are none, or some are missing."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.exists():
        return [single]
    if index.exists():
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise UserError(f"{index} has no weight_map that names its files; fetch it again.")
        wrong = [name for name in weight_map.values() if not _is_file_name(name)]
        if wrong:
            raise UserError(f"{index} names {wrong[0]!r:.80} (expected files beside it, *.safetensors); fetch it again.")
        files = [folder / name for name in sorted(set(weight_map.values()))]
        missing = [path.name for path in files if not path.exists()]
        if missing:
            raise UserError(f"{folder} lacks {', '.join(missing)}, which {index.name} names; fetch them.")
        return files
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise UserError(
            f"{folder} holds its weights as pickles ({', '.join(pickles)}), which can run any code when opened and are "
            f"not read: convert them with transformers and torch, {_class_name(folder)}.from_pretrained({str(folder)!r})"
            f".save_pretrained({str(folder)!r})."
        )
    raise UserError(f"{folder} has no weights: expected model.safetensors or {index.name}; fetch them.")


def _class_name(folder: Path) -> str:
    """Returns the class in a checkpoint's config.json that saved it: another class of transformers would lose the head."""
    try:
        names = read_json(folder / "config.json").get("architectures")
    except UserError:
        names = None
    name = names[0] if isinstance(names, list) and names else None
    return f"transformers.{name if isinstance(name, str) and name.isidentifier() else 'AutoModel'}"


def _is_file_name(name: Any) -> bool:
    return isinstance(name, str) and bool(re.fullmatch(r"[\w.-]{1,100}\.safetensors", name))


def read_json(path: Path) -> dict[str, Any]:
    """Returns the object in a checkpoint's JSON file; raises UserError where there is none."""
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent}: expected a checkpoint with config.json and *.safetensors there.")
    if not path.exists():
        raise UserError(f"{path} does not exist: expected a checkpoint with config.json and *.safetensors there.")
    return read_object(path, "fetch it again.")


def write_tensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Writes *.safetensors, whole or not at all, as transformers reads it; raises UserError if it cannot be written."""
    try:
        with whole_file(path) as temporary:
            save_file(tensors, temporary, metadata={"format": "pt"})
    except SafetensorError as error:
        raise UserError(f"Cannot write {path} ({error}): free space there or choose another folder.") from error
