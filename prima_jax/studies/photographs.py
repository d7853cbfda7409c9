"""Decodes photographs of every format, in one way for all who read one."""

import io
import logging
import struct
import warnings
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
            shown = Image.fromarray(to_levels(np.asarray(image), *window)).convert("RGB") if deep else _opaque(image)
            return np.asarray(_upright(shown, _orientation(image)))
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
