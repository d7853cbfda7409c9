"""Does attention over patches look where a sign is? Against a mask: the pointing game, and average precision.

The pointing game is Zhang et al. 2018 (doi 10.1007/s11263-017-1059-x): a hit where the largest attention lies on the object.
Here it lies on a patch, so a hit is a patch that the sign touches. What blind attention would get stands beside both.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from sklearn.metrics import average_precision_score

__all__ = ["Pointing", "heat", "pointing"]


@dataclass(frozen=True)
class Pointing:
    """How one map of attention meets one mask."""

    hit: float
    """1 if the sign touches the patch of the largest attention, else 0."""
    average_precision: float
    """Of the pixels, ranked by the attention in between patches' centres."""
    chance_hit: float
    """The share of patches that the sign touches: what a patch taken at random would hit."""
    chance_precision: float
    """The share of the sign's pixels: the average precision of a random order."""


def pointing(attention: np.ndarray, mask: np.ndarray) -> Pointing:
    """attention [K], the patches of a square grid row by row; mask bool [H, W] with a pixel of the sign at least."""
    side = _side(attention)
    assert mask.any()
    rows, columns = np.nonzero(mask)
    touched = np.zeros((side, side), bool)
    touched[rows * side // mask.shape[0], columns * side // mask.shape[1]] = True
    return Pointing(
        hit=float(touched.ravel()[attention.argmax()]),
        average_precision=float(average_precision_score(mask.ravel(), heat(attention, mask.shape).ravel())),
        chance_hit=float(touched.mean()),
        chance_precision=float(mask.mean()),
    )


def heat(attention: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The attention [K] of a square grid of patches as a picture [H, W], bilinear between their centres."""
    side = _side(attention)
    grid = Image.fromarray(attention.reshape(side, side).astype(np.float32))
    return np.asarray(grid.resize(shape[::-1], Image.Resampling.BILINEAR))


def _side(attention: np.ndarray) -> int:
    side = round(len(attention) ** 0.5)
    assert side**2 == len(attention), attention.shape
    return side
