"""Decodes photographs of every format, in one way for all who read one."""

import io
import logging
import struct
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from prima_jax.errors import UserError
from prima_jax.studies.dicom import decode_dicom, is_dicom
from prima_jax.studies.pixels import check_size, to_levels, too_deep

__all__ = ["decode"]

# A broken PNG raises SyntaxError, a broken TIFF or WebP ValueError, a broken AVIF RuntimeError, broken EXIF data struct.error,
# TypeError or OverflowError, everything else an OSError.
DECODING_ERRORS = (OSError, SyntaxError, ValueError, TypeError, RuntimeError, OverflowError, struct.error)
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "BMP", "GIF", "JPEG2000", "PPM", "ICO")
"""Photographs' alone: for EPS and the like Pillow starts another program."""
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, 3),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""EXIF's orientation -> what turns the photograph upright (https://exiftool.org/TagNames/EXIF.html)."""
_BAND = 2**20
"""Pixels that are converted at once: a photograph of the largest size would else be in memory five times."""
Image.MAX_IMAGE_PIXELS = None  # its warnings at half of ours name no file
# About a file's notes, without its name; what its pixels lack is an error.
logging.getLogger("PIL").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(data: bytes, what: str, window: tuple[float, ...] = ()) -> np.ndarray:
    """Decodes a file's bytes to RGB, uint8 `[H, W, 3]`, turned upright as its EXIF orientation tells, on white if transparent.

    window: the levels that are black and white where it has more than 8 bits a channel; without it such a photograph is refused.
    Raises UserError for what cannot be decoded, and for too many pixels; `what` opens its sentence and names the photograph. An
    orientation that cannot be read is none.
    """
    if is_dicom(data):
        return decode_dicom(data, what, window)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            check_size(image.width, image.height, what)
            if image.format in ("PNG", "TIFF") and any(";16" in str(tile) for tile in image.tile) and image.mode[0] != "I":
                raise UserError(f"{what} has 16 bits a channel in colour, of which 8 would be cut off; save it with 8.")
            deep = image.mode.startswith(("I", "F"))  # Pillow would cut each number off at 255
            if deep and not window:
                raise too_deep(what)
            image.load()
            return _upright(_rgb(image, window if deep else ()), _orientation(image))
    except UnidentifiedImageError as error:
        raise UserError(f"{what} cannot be decoded (it is no image that Pillow reads); replace the file.") from error
    except DECODING_ERRORS as error:
        raise UserError(f"{what} cannot be decoded ({error}); replace the file.") from error


def _rgb(image: Image.Image, window: tuple[float, ...]) -> np.ndarray:
    """Returns uint8 `[H, W, 3]`. window: the levels that are black and white; without it they are 0 and 255."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        shown = Image.fromarray(to_levels(np.asarray(band), *window)) if window else band
        pixels[top : top + rows] = np.asarray(_opaque(shown))
    return pixels


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


def _upright(pixels: np.ndarray, orientation: Any) -> np.ndarray:
    return np.ascontiguousarray(TURNS[orientation](pixels)) if orientation in TURNS else pixels
