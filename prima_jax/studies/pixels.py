"""What photographs of every format have in common: a limit on their size, and levels that become 0 to 255."""

import numpy as np

from prima_jax.errors import UserError

__all__ = ["check_size", "to_levels", "too_deep"]

MOST_PIXELS = 178_956_970
"""Half a gigabyte of RGB, which is Pillow's own limit too."""


def check_size(width: int, height: int, what: str) -> None:
    """Raises UserError for more than MOST_PIXELS; to be asked before the pixels are read."""
    if width * height > MOST_PIXELS:
        raise UserError(f"{what} has {width} x {height} pixels, more than {MOST_PIXELS // 10**6} million: save it smaller.")


def to_levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Returns uint8: `low` and what is below it, or is no number, as 0, `high` and what is above it as 255, the rest between."""
    if high <= low:
        return np.where(values > low, 255, 0).astype(np.uint8)
    scaled = (np.nan_to_num(values.astype(np.float64), nan=low) - low) / (high - low)
    return np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)


def too_deep(what: str) -> UserError:
    """Returns the error of a photograph with more than 8 bits, of which nobody said what is black and what is white."""
    return UserError(
        f"{what} has more than 8 bits a channel: set the study's window to the levels (low, high) that are black and white, or "
        "save it with 8."
    )
