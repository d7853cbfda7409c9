"""A file of features, whole or not at all: an array that is written part by part and then read as a memory map."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

from prima_jax.errors import UserError
from prima_jax.files import digest, folder_lock, write_whole
from prima_jax.hosts import as_first, is_first
from prima_jax.json_text import read_object
from prima_jax.progress import count_first, progress_bar
from prima_jax.stages.context import CostLog
from prima_jax.training.made_with import made_with

__all__ = ["Parts", "stored_table", "unnamed_table"]

_checked: set[Path] = set()
"""The files that this process has written, or found as they were written."""
Parts = Callable[[], Iterator[tuple[Any, np.ndarray]]]
"""Computes an array: where each part goes, and its values."""


def stored_table(
    path: Path, shape: tuple[int, ...], dtype: str, parts: Parts, count: int, unit: str, costs: CostLog, *, replaces: str = ""
) -> np.ndarray:
    """Returns the array in a file, read-only; written first where it is not there, in the place of the files `replaces`.

    One that is not as it was written is computed anew: looked at once in a process. count: how many of `unit` the parts are in
    all, zero elsewhere; costs: gets what it was made with. Raises UserError where there is no room.
    """
    noted = path.with_suffix(".json")
    with folder_lock(path.parent) if is_first() else nullcontext():
        if not as_first(lambda: _is_there(path)):
            if is_first():
                for old in path.parent.glob(replaces) if replaces else ():
                    old.unlink()
                _write(path, shape, dtype, parts, count, unit)
                write_whole(noted, json.dumps(made_with()).encode())
                write_whole(path.with_suffix(".sha256"), digest(path).encode())
            else:
                for _ in parts():  # a share of each is computed here
                    pass
            as_first(path.exists)  # not before may the others look
        _checked.add(path)
        costs.tables[path] = read_object(noted, f"delete {path}, which is then computed anew.") if noted.exists() else {}
    return np.load(path, mmap_mode="r")


def unnamed_table(folder: Path, shape: tuple[int, ...], dtype: str, parts: Parts, unit: str) -> np.ndarray:
    """Returns the array as a memory map of a file without a name in the folder, which is gone with the array.

    Zero where no part goes. Raises UserError where there is no room.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            table = np.memmap(file, dtype, "w+", shape=shape)
            _reserve(file)
    except OSError as error:
        raise _no_room(folder, shape, dtype, unit, error) from error
    for where, values in parts():
        table[where] = values
    return table


def _is_there(path: Path) -> bool:
    """Whether the file is there as it was written; one that is not is removed."""
    if path not in _checked and path.exists() and not _is_whole(path):
        print(f"{path} is not as it was written; it is computed anew.", file=sys.stderr)
        path.unlink()
    return path.exists()


def _is_whole(path: Path) -> bool:
    try:
        return path.with_suffix(".sha256").read_bytes() == digest(path).encode()
    except OSError:
        return False


def _write(path: Path, shape: tuple[int, ...], dtype: str, parts: Parts, count: int, unit: str) -> None:
    """Writes it whole or not at all."""
    temporary = path.with_suffix(".part.npy")
    try:
        table = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        with temporary.open("r+b") as file:
            _reserve(file)
        title = f"{path.parent.name.partition('-')[0].replace('_', ' ')} {path.parent.parent.name}"
        with progress_bar(count, title, unit) as bar:
            for number, (where, values) in enumerate(parts()):
                table[where] = values
                if number:
                    bar.update(len(values))
                else:
                    count_first(bar, len(values))
        table.flush()
        del table
        os.replace(temporary, path)
    except OSError as error:
        raise _no_room(path.parent, shape, dtype, unit, error) from error


def _no_room(folder: Path, shape: tuple[int, ...], dtype: str, unit: str, error: OSError) -> UserError:
    need = np.prod(shape) * np.dtype(dtype).itemsize / 2**20
    return UserError(
        f"Cannot write {need:,.1f} MiB of {unit} features to {folder}: {error.strerror}; free some space, choose "
        "another --workdir, or lower features.views."
    )


def _reserve(file: IO[bytes]) -> None:
    """Takes a file's place on the disk, so that a full one is told now: later the kernel would end the process unheard."""
    if hasattr(os, "posix_fallocate"):  # macOS has none
        os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
