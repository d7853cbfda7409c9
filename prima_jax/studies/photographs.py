"""Decodes photographs, and checks all of a study once for damaged files and duplicates."""

import hashlib
import io
import json
import logging
import os
import struct
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from scipy.cluster.hierarchy import DisjointSet

from prima_jax.errors import UserError
from prima_jax.json_text import read_object
from prima_jax.progress import progress_bar

__all__ = ["Compared", "compare", "decode"]

# A broken PNG raises SyntaxError, a broken TIFF or WebP ValueError, a broken AVIF RuntimeError, broken EXIF data struct.error,
# TypeError or OverflowError, everything else an OSError.
DECODING_ERRORS = (OSError, SyntaxError, ValueError, TypeError, RuntimeError, OverflowError, struct.error)
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "BMP", "GIF", "JPEG2000", "PPM", "ICO")
"""Photographs' alone: for EPS and the like Pillow starts another program."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF's orientation -> what turns the photograph upright (https://exiftool.org/TagNames/EXIF.html)."""
MOST_PIXELS = 178_956_970
"""Half a gigabyte of RGB, which is Pillow's own limit too; its warnings at half of that name no file."""
Image.MAX_IMAGE_PIXELS = None
# About a file's notes, without its name; what its pixels lack is an error.
logging.getLogger("PIL").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"PIL\.")

FORMAT = 3
THUMBNAIL = (32, 32)
# Copies of one photograph at other sizes or JPEG qualities correlate above 0.9995 in PAD-UFES-20 and differ by 0.8 grey
# levels; of photographs that are not copies the two most alike correlate by 0.94 and differ by 9.2 levels.
LEAST_CORRELATION = 0.99
LARGEST_DIFFERENCE = 3.0
ROWS_AT_ONCE = 1024
_SHOWN = 30
"""The number of further undecodable photographs that an error names."""


def decode(source: bytes | str | Path, what: str) -> Image.Image:
    """Decodes a file or its bytes to RGB, turned upright as its EXIF orientation tells; what is transparent lies on white.

    Raises UserError for what cannot be decoded, and for more than MOST_PIXELS; `what` opens its sentence and names the
    photograph. An orientation that cannot be read is none.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            if image.mode.startswith(("I", "F")):  # Pillow would cut each number off at 255
                raise UserError(f"{what} has more than 8 bits a channel (Pillow's mode {image.mode}); save it with 8.")
            if image.width * image.height > MOST_PIXELS:
                size = f"{image.width} x {image.height} pixels"
                raise UserError(f"{what} has {size}, more than {MOST_PIXELS // 10**6} million: save it smaller.")
            image.load()
            return _upright(_opaque(image), _orientation(image))
    except UnidentifiedImageError as error:
        raise UserError(f"{what} cannot be decoded (it is no image that Pillow reads); replace the file.") from error
    except DECODING_ERRORS as error:
        raise UserError(f"{what} cannot be decoded ({error}); replace the file.") from error


def _opaque(image: Image.Image) -> Image.Image:
    """RGB. The colours below transparent pixels are whatever a program left there, and nobody has seen them."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert("RGB")


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except DECODING_ERRORS:
        return None


def _upright(image: Image.Image, orientation: Any) -> Image.Image:
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


class Compared(NamedTuple):
    """The result of comparing all photographs of a study."""

    identical: list[list[int]]
    """Groups of positions whose photographs are the same: the same pixels, or a copy resampled or recompressed."""
    digest: str
    """A hash of all pixels, in the order of the photographs."""


def compare(paths: Sequence[str], where: Sequence[str], *, cache: Path | None = None) -> Compared:
    """Decodes every photograph and compares it with all others.

    A copy is recognised by its thumbnail: nearly equal to another, and correlated with it after subtracting the mean of all.
    `where` maps each path to its row, for the UserError raised if it cannot be decoded. The outcome is
    cached in the folder `cache`, and read from there for as long as names, sizes and times of the photographs stay as they
    were: thousands of large ones take an hour to decode. Raises UserError where `cache` cannot be written.
    """
    if cache is None:
        return _compare(paths, where)
    note = cache / f"identical-{_fingerprint(paths)}.json"
    try:
        return Compared(**read_object(note, "it is looked at again."))
    except (UserError, TypeError):  # not noted yet, or not readable: look again
        compared = _compare(paths, where)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        temporary = note.with_suffix(f".{os.getpid()}.part")
        temporary.write_text(json.dumps(compared._asdict()))
        os.replace(temporary, note)
    except OSError as error:
        raise UserError(f"{cache} cannot be written ({error.strerror}); free space there or choose another folder.") from error
    return compared


def _fingerprint(paths: Sequence[str]) -> str:
    """Returns a hash of names, sizes and times of the photographs, and of FORMAT, which rises when the grouping changes."""
    stats = [(path, status.st_size, status.st_mtime_ns) for path in paths for status in [os.stat(path)]]
    return hashlib.sha256(json.dumps([FORMAT, stats]).encode()).hexdigest()[:16]


def _compare(paths: Sequence[str], where: Sequence[str]) -> Compared:
    groups = DisjointSet(range(len(paths)))
    thumbnails = np.empty((len(paths), THUMBNAIL[0] * THUMBNAIL[1] * 3), np.float32)
    first: dict[bytes, int] = {}
    whole = hashlib.sha256()

    def digest(position: int) -> bytes | UserError:
        try:
            image = decode(paths[position], f"{where[position]}: the photograph {paths[position]}")
        except UserError as error:
            return error
        thumbnails[position] = np.asarray(image.resize(THUMBNAIL, Image.Resampling.BOX), np.float32).ravel()
        return hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()

    broken: list[UserError] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(digest, range(len(paths)))
        with progress_bar(len(paths), "checking photographs", "image") as bar:
            for position, key in enumerate(digests):
                if isinstance(key, UserError):  # all are looked at, so that all can be replaced at once
                    broken.append(key)
                else:
                    groups.merge(first.setdefault(key, position), position)
                    whole.update(key)
                bar.update()
    if broken:
        raise _all_of(broken)
    for one, other in _copies(thumbnails):
        groups.merge(one, other)
    return Compared(sorted(sorted(group) for group in groups.subsets() if len(group) > 1), whole.hexdigest())


def _all_of(broken: Sequence[UserError]) -> UserError:
    """Returns one sentence for all undecodable photographs: the first in full, then others by name."""
    first, *others = map(str, broken)
    if not others:
        return broken[0]
    shown = "; ".join(other.rstrip(".") for other in others[:_SHOWN])
    more = f"; and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return UserError(f"{first.rstrip('.')}; also: {shown}{more}.")


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
