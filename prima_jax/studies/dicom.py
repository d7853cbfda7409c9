"""A photograph in DICOM as RGB. Its pixels alone leave this module: no tag is kept, printed or part of an error."""

import io
import logging
import warnings
from typing import Any

import numpy as np

from prima_jax.errors import UserError
from prima_jax.studies.pixels import check_size, to_levels, too_deep

__all__ = ["decode_dicom", "is_dicom"]

warnings.filterwarnings("ignore", module=r"pydicom\.")  # they speak of tags and their values, as its log does

_READ_BY_PILLOW = (
    "1.2.840.10008.1.2.4.50",  # JPEG, 8 bits
    "1.2.840.10008.1.2.4.51",  # JPEG extended, with 8 bits; neither reads 12
    "1.2.840.10008.1.2.4.90",  # JPEG 2000, lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
)
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
"""The kinds of colours that the library gives as RGB; the retired ones it gives as they stand."""


def is_dicom(data: bytes) -> bool:
    """Returns whether a file's bytes begin as DICOM does."""
    return data[128:132] == b"DICM"


def decode_dicom(data: bytes, what: str, window: tuple[float, ...] = ()) -> np.ndarray:
    """Decodes to uint8 `[H, W, 3]`, through the modality's and the file's own look-up table or window.

    window: in place of the latter, for more than 8 bits, the levels that are black and white. Raises UserError where the extra
    `dicom` is not installed, for several frames, for more than 8 bits without any window, and for what cannot be decoded.
    """
    try:
        import gdcm
        from pydicom import dcmread
        from pydicom.pixels import pixel_array
    except ImportError as error:
        raise UserError(f"{what} is a DICOM file: pip install pydicom python-gdcm to read it, or save it as PNG.") from error
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # importing it has set another
    for quiet in (gdcm.Trace.DebugOff, gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff):
        quiet()
    try:
        dataset = dcmread(io.BytesIO(data))
        if int(dataset.get("NumberOfFrames") or 1) > 1:
            raise UserError(f"{what} has several frames: save the one that is meant as a file of its own.")
        check_size(dataset.Columns, dataset.Rows, what)
        # Both read these, to the same levels; a damaged one makes GDCM end the process. What Pillow does not read still can: a
        # process for each file would take longer than all the rest (0.4 s).
        plugin = "pillow" if dataset.file_meta.TransferSyntaxUID in _READ_BY_PILLOW else ""
        return _rgb(dataset, pixel_array(dataset, decoding_plugin=plugin), what, window)
    except UserError:
        raise
    except Exception as error:  # the libraries raise all kinds, with values of tags in their texts
        raise UserError(f"{what} cannot be decoded (as DICOM, {type(error).__name__}); replace the file.") from None


def _rgb(dataset: Any, values: np.ndarray, what: str, window: tuple[float, ...]) -> np.ndarray:
    """Returns what a viewer shows."""
    from pydicom.pixels import apply_color_lut

    kind = str(dataset.PhotometricInterpretation)
    if kind == "PALETTE COLOR":
        bits = dataset.RedPaletteColorLookupTableDescriptor[2]
        return to_levels(apply_color_lut(values, dataset)[..., :3], 0, 2**bits - 1)
    if kind in ("MONOCHROME1", "MONOCHROME2"):
        levels = _grey(dataset, values, what, window)
        return np.repeat((255 - levels if kind == "MONOCHROME1" else levels)[..., None], 3, axis=-1)
    if kind not in _COLOURS:
        raise UserError(f"{what} has colours of a kind that is not read; save it as RGB.")
    if dataset.BitsStored <= 8:
        return to_levels(values, 0, 2**dataset.BitsStored - 1)
    if not window:
        raise too_deep(what)
    return to_levels(values, *window)


def _grey(dataset: Any, values: np.ndarray, what: str, window: tuple[float, ...]) -> np.ndarray:
    """Returns grey levels `[H, W]`, black as 0 (PS3.3 C.11.1 and C.11.2)."""
    from pydicom.pixels import apply_modality_lut, apply_voi

    bits = dataset.BitsStored
    values = apply_modality_lut(values, dataset)
    if window and bits > 8:
        return to_levels(values, *window)
    if dataset.get("VOILUTSequence"):
        depth = dataset.VOILUTSequence[0].LUTDescriptor[2]
        return to_levels(apply_voi(np.rint(values).astype(np.int32), dataset), 0, 2**depth - 1)
    if dataset.get("WindowWidth"):
        return _windowed(dataset, values)
    if bits > 8:
        raise too_deep(what)
    ends = np.array([0, 2**bits - 1]) - (2 ** (bits - 1) if dataset.PixelRepresentation else 0)
    ends = apply_modality_lut(ends, dataset)  # a negative slope turns them round
    return to_levels(values, ends.min(), ends.max())


def _windowed(dataset: Any, values: np.ndarray) -> np.ndarray:
    """Returns the levels of the first of the file's windows."""
    centre, width = (float(np.atleast_1d(dataset[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    if function == "SIGMOID":
        return to_levels(1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -500, 500))), 0, 1)
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    elif function != "LINEAR_EXACT":
        raise ValueError(function)
    return to_levels(values, centre - width / 2, centre + width / 2)
