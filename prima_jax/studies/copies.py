"""Checks all photographs of a study once, for damaged files and for copies of one another."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from prima_jax.errors import UserError
from prima_jax.json_text import read_object
from prima_jax.problems import Problem, Problems
from prima_jax.progress import progress_bar
from prima_jax.studies.photographs import decode

__all__ = ["Compared", "compare"]

FORMAT = 4
SIDE, BLOCKS = 32, 4
"""Pixels and blocks along each side of a thumbnail."""
COMPONENTS = 16
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
        return _compare(paths, where, problems, window, None)
    note = cache / f"identical-{_fingerprint(paths, window)}.json"
    with suppress(UserError, TypeError):  # not noted yet, or not readable: look again
        return Compared(**read_object(note, "it is looked at again."))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        compared = _compare(paths, where, problems, window, cache)
        if compared:
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


def _compare(
    paths: Sequence[str], where: Sequence[str], problems: Problems, window: tuple[float, ...], cache: Path | None
) -> Compared | None:
    before, keys, whole = len(problems), _Numbers(), hashlib.sha256()
    same = np.empty(len(paths), np.int64)  # equal for photographs of the same pixels
    with TemporaryFile(dir=cache) as file:  # a million thumbnails take 3 GB
        for position, looked_at in enumerate(_looked_at(paths, where, window)):
            if isinstance(looked_at, UserError):  # all are looked at, so that all can be replaced at once
                problems.append(Problem("photographs", looked_at))
            else:
                key, thumbnail = looked_at
                same[position] = keys[key]
                whole.update(key)
                file.write(thumbnail)
        if len(problems) > before:
            return None
        file.flush()
        pairs = _copies(file, len(paths), np.unique(same, return_index=True)[1])
    return Compared(_groups(same, pairs), whole.hexdigest())


class _Numbers(dict[bytes, int]):
    """Key -> 0, 1, ... in the order in which they are asked for."""

    def __missing__(self, key: bytes) -> int:
        return self.setdefault(key, len(self))


def _looked_at(
    paths: Sequence[str], where: Sequence[str], window: tuple[float, ...]
) -> Iterator[tuple[bytes, bytes] | UserError]:
    """Of each photograph a hash of its pixels and its thumbnail, uint8 [SIDE, SIDE, 3]; or why it cannot be decoded."""

    def look(position: int) -> tuple[bytes, bytes] | UserError:
        try:
            image = Image.fromarray(_decoded(paths[position], where[position], window))
        except UserError as error:
            return error
        key = hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()
        return key, image.resize((SIDE, SIDE), Image.Resampling.BOX).tobytes()

    bar = progress_bar(len(paths), "checking photographs", "image")
    with ThreadPoolExecutor(os.cpu_count()) as pool, bar:
        for start in range(0, len(paths), ROWS_AT_ONCE):  # a pool holds a kilobyte for each that waits
            for looked_at in pool.map(look, range(start, min(start + ROWS_AT_ONCE, len(paths)))):
                yield looked_at
                bar.update()


def _decoded(path: str, where: str, window: tuple[float, ...]) -> np.ndarray:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{where}: the photograph {path} cannot be read ({error.strerror}).") from error
    return decode(data, f"{where}: the photograph {path}", window)


def _copies(file: Any, count: int, chosen: np.ndarray) -> np.ndarray:
    """Pairs [P, 2] of the chosen rows that are thumbnails of one photograph; in the file there are `count`.

    Looked for among those whose first principal components are near: the mean over a block differs no more than its pixels do,
    as squares go, and a projection makes no distance larger. So nothing is missed, and few are compared whole.
    """
    pairs = [np.empty((0, 2), np.int64)]
    if len(chosen) > 1:
        thumbnails = np.memmap(file, np.uint8, "r", shape=(count, SIDE * SIDE * 3))
        sums = _in_parts(thumbnails, lambda part: part.sum(axis=0, dtype=np.float64, keepdims=True))
        mean = (sums.sum(axis=0) / count).astype(np.float32)
        points = _components(_in_parts(thumbnails, _block_means)[chosen])
        radius = 1.001 * LARGEST_DIFFERENCE * BLOCKS * np.sqrt(3)  # a thousandth for float32's rounding
        for near in _neighbours(points, radius):
            for start in range(0, len(near), ROWS_AT_ONCE):
                few = chosen[near[start : start + ROWS_AT_ONCE]]
                one, other = thumbnails[few.T].astype(np.float32)
                pairs.append(few[_alike(one, other, mean)])
    return np.concatenate(pairs)


def _neighbours(points: np.ndarray, radius: float) -> Iterator[np.ndarray]:
    """Pairs [P, 2] of rows of `[N, D]` that are no farther apart."""
    tree = KDTree(points)
    for start in range(0, len(points), ROWS_AT_ONCE):
        near = tree.query_ball_point(points[start : start + ROWS_AT_ONCE], radius, return_sorted=False)
        rows = np.repeat(np.arange(start, start + len(near)), list(map(len, near)))
        columns = np.concatenate(near).astype(np.int64)
        yield np.stack([rows, columns], axis=1)[rows < columns]


def _components(values: np.ndarray) -> np.ndarray:
    """The first principal components of `[N, D]`: [N, COMPONENTS]."""
    values = values - values.mean(axis=0)
    _, directions = np.linalg.eigh(values.T @ values)
    return values @ directions[:, -COMPONENTS:]


def _in_parts(thumbnails: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The rows that the function makes of each part of the thumbnails."""
    starts = range(0, len(thumbnails), ROWS_AT_ONCE)
    return np.concatenate([function(thumbnails[start : start + ROWS_AT_ONCE]) for start in starts])


def _block_means(thumbnails: np.ndarray) -> np.ndarray:
    """[N, D] -> float32 [N, BLOCKS * BLOCKS * 3]."""
    blocks = thumbnails.reshape(-1, BLOCKS, SIDE // BLOCKS, BLOCKS, SIDE // BLOCKS, 3)
    return blocks.mean(axis=(2, 4), dtype=np.float32).reshape(len(thumbnails), -1)


def _alike(one: np.ndarray, other: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Which rows of two `[P, D]` are nearly equal, and correlated after subtracting the mean of all photographs: bool `[P]`."""
    near = np.sqrt(np.mean((one - other) ** 2, axis=1)) < LARGEST_DIFFERENCE
    first, second = (_unit_rows(rows - mean) for rows in (one, other))
    return near & (np.einsum("pd,pd->p", first, second) > LEAST_CORRELATION)


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    residual = rows - rows.mean(axis=1, keepdims=True)
    return residual / (np.linalg.norm(residual, axis=1, keepdims=True) + np.finfo(np.float32).eps)


def _groups(same: np.ndarray, pairs: np.ndarray) -> list[list[int]]:
    """Positions that are joined by equal numbers in `same` [N] or by a pair [P, 2], where they are two or more."""
    _, first, inverse = np.unique(same, return_index=True, return_inverse=True)
    ends = np.concatenate([np.stack([np.arange(len(same)), first[inverse]], axis=1), pairs])
    graph = coo_array((np.ones(len(ends), bool), tuple(ends.T)), (len(same), len(same)))
    _, component = connected_components(graph, directed=False)
    joined = np.flatnonzero(np.bincount(component)[component] > 1)
    order = joined[np.argsort(component[joined], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
    return sorted(group.tolist() for group in groups if len(group))
