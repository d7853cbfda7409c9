"""Checks all photographs of a study once, for damaged files and for copies of one another."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.cluster.hierarchy import DisjointSet

from prima_jax.errors import UserError
from prima_jax.json_text import read_object
from prima_jax.problems import Problem, Problems
from prima_jax.progress import progress_bar
from prima_jax.studies.photographs import decode

__all__ = ["Compared", "compare"]

FORMAT = 4
THUMBNAIL = (32, 32)
# Copies of one photograph at other sizes or JPEG qualities correlate above 0.9995 in PAD-UFES-20 and differ by 0.8 grey
# levels; of photographs that are not copies the two most alike correlate by 0.94 and differ by 9.2 levels.
LEAST_CORRELATION = 0.99
LARGEST_DIFFERENCE = 3.0
ROWS_AT_ONCE = 1024


class Compared(NamedTuple):
    """The result of comparing all photographs of a study."""

    identical: list[list[int]]
    """Groups of positions whose photographs are the same: the same pixels, or a copy resampled or recompressed."""
    digest: str
    """A hash of all pixels, in the order of the photographs."""


def compare(
    paths: Sequence[str], where: Sequence[str], problems: Problems, *, window: tuple[float, ...] = (), cache: Path | None = None
) -> Compared | None:
    """Decodes every photograph and compares it with all others.

    A copy is recognised by its thumbnail: nearly equal to another, and correlated with it after subtracting the mean of all.
    `where` names each path's row, for the problem that is added if it cannot be decoded, and then None is returned; `window`: as
    for `decode`. The outcome is cached in the folder `cache`, and read from there for as long as names, sizes and times of the
    photographs stay as they were: thousands of large ones take an hour. Raises UserError where `cache` cannot be written.
    """
    if cache is None:
        return _compare(paths, where, problems, window)
    note = cache / f"identical-{_fingerprint(paths, window)}.json"
    try:
        return Compared(**read_object(note, "it is looked at again."))
    except (UserError, TypeError):  # not noted yet, or not readable: look again
        compared = _compare(paths, where, problems, window)
    if compared is None:
        return None
    try:
        cache.mkdir(parents=True, exist_ok=True)
        temporary = note.with_suffix(f".{os.getpid()}.part")
        temporary.write_text(json.dumps(compared._asdict()))
        os.replace(temporary, note)
    except OSError as error:
        raise UserError(f"{cache} cannot be written ({error.strerror}); free space there or choose another folder.") from error
    return compared


def _fingerprint(paths: Sequence[str], window: tuple[float, ...]) -> str:
    """Returns a hash of names, sizes and times of the photographs, the window and FORMAT, which rises when the result changes."""
    stats = [(path, status.st_size, status.st_mtime_ns) for path in paths for status in [os.stat(path)]]
    return hashlib.sha256(json.dumps([FORMAT, window, stats]).encode()).hexdigest()[:16]


def _compare(paths: Sequence[str], where: Sequence[str], problems: Problems, window: tuple[float, ...]) -> Compared | None:
    groups = DisjointSet(range(len(paths)))
    thumbnails = np.empty((len(paths), THUMBNAIL[0] * THUMBNAIL[1] * 3), np.float32)
    first: dict[bytes, int] = {}
    whole = hashlib.sha256()

    def digest(position: int) -> bytes | UserError:
        try:
            image = Image.fromarray(_decoded(paths[position], where[position], window))
        except UserError as error:
            return error
        thumbnails[position] = np.asarray(image.resize(THUMBNAIL, Image.Resampling.BOX), np.float32).ravel()
        return hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()

    before = len(problems)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(digest, range(len(paths)))
        with progress_bar(len(paths), "checking photographs", "image") as bar:
            for position, key in enumerate(digests):
                if isinstance(key, UserError):  # all are looked at, so that all can be replaced at once
                    problems.append(Problem("photographs", key))
                else:
                    groups.merge(first.setdefault(key, position), position)
                    whole.update(key)
                bar.update()
    if len(problems) > before:
        return None
    for one, other in _copies(thumbnails):
        groups.merge(one, other)
    return Compared(sorted(sorted(group) for group in groups.subsets() if len(group) > 1), whole.hexdigest())


def _decoded(path: str, where: str, window: tuple[float, ...]) -> np.ndarray:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{where}: the photograph {path} cannot be read ({error.strerror}).") from error
    return decode(data, f"{where}: the photograph {path}", window)


def _copies(thumbnails: np.ndarray) -> Iterator[tuple[int, int]]:
    """Returns pairs of rows of `[N, D]`, in grey levels, that are thumbnails of one photograph."""
    residual = thumbnails - thumbnails.mean(axis=0)
    residual -= residual.mean(axis=1, keepdims=True)
    residual /= np.linalg.norm(residual, axis=1, keepdims=True) + np.finfo(np.float32).eps
    for start in range(0, len(residual), ROWS_AT_ONCE):
        similar = residual[start : start + ROWS_AT_ONCE] @ residual.T > LEAST_CORRELATION
        for row, column in zip(*np.nonzero(similar), strict=True):
            one, other = start + int(row), int(column)
            if one < other and np.sqrt(np.mean((thumbnails[one] - thumbnails[other]) ** 2)) < LARGEST_DIFFERENCE:
                yield one, other
