"""A file of features, whole or not at all: an array that is written part by part and then read as a memory map."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from prima_jax.errors import UserError
from prima_jax.files import folder_lock
from prima_jax.progress import progress_bar

__all__ = ["Parts", "stored_table"]

Parts = Callable[[], Iterator[tuple[Any, np.ndarray]]]
"""Computes an array: where each part goes, and its values."""


def stored_table(
    path: Path, shape: tuple[int, ...], dtype: str, parts: Parts, count: int, unit: str, *, replaces: str = ""
) -> np.ndarray:
    """Returns the array in a file, read-only; written first where it is not there, in the place of the files `replaces`.

    count: how many of `unit` the parts are in all, zero elsewhere. Raises UserError where there is no room.
    """
    with folder_lock(path.parent):
        if not path.exists():
            for old in path.parent.glob(replaces) if replaces else ():
                old.unlink()
            _write(path, shape, dtype, parts, count, unit)
    return np.load(path, mmap_mode="r")


def _write(path: Path, shape: tuple[int, ...], dtype: str, parts: Parts, count: int, unit: str) -> None:
    """Writes it whole or not at all."""
    temporary = path.with_suffix(".part.npy")
    try:
        table = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        _reserve(temporary)
        title = f"{path.parent.name.partition('-')[0].replace('_', ' ')} {path.parent.parent.name}"
        with progress_bar(count, title, unit) as bar:
            for where, values in parts():
                table[where] = values
                bar.update(len(values))
        table.flush()
        del table
        os.replace(temporary, path)
    except OSError as error:
        need = np.prod(shape) * np.dtype(dtype).itemsize / 2**20
        raise UserError(
            f"Cannot write {need:,.1f} MiB of {unit} features to {path.parent}: {error.strerror}; free some space, choose "
            "another --workdir, or lower features.views."
        ) from error


def _reserve(path: Path) -> None:
    """Takes a file's place on the disk, so that a full one is told now: later the kernel would end the process unheard."""
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
