"""Attention over patches against the mask of a sign: the pointing game and average precision.

The pointing game is Zhang et al. 2018 (doi 10.1007/s11263-017-1059-x): a hit where the largest attention lies on the object.
Here it lies on a patch, so a hit is a patch that the sign touches. Beside both stands the same attention on randomly
permuted patches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

__all__ = ["Pointing", "heat", "pointing"]

DEALS = 4
"""Random orders of the patches for the average precision by chance, others for each map; its mean is over thousands of maps."""


@dataclass(frozen=True)
class Pointing:
    """The scores of one attention map against one mask."""

    hit: float
    """1 if the sign touches the patch of the largest attention, else 0."""
    average_precision: float
    """The average precision of the pixels, ranked by attention interpolated between the patches' centres."""
    chance_hit: float
    """The share of patches that the sign touches: what a patch taken at random would hit."""
    chance_precision: float
    """The mean average precision of the same attention on patches in random order."""
    touched: np.ndarray
    """bool [K]: the patches that the sign touches."""
    cover: np.ndarray
    """[K]: the share of the sign's pixels that each patch holds."""


def pointing(attention: np.ndarray, mask: np.ndarray, seed: Sequence[int] = (0,)) -> Pointing:
    """attention [K], the patches of a square grid row by row; mask bool [H, W] with a pixel of the sign at least.

    Give each map its own seed: with the same permutations for all maps the mean over signs with usual places would be noisy.
    """
    side = _side(attention)
    assert mask.any()
    rows, columns = np.nonzero(mask)
    patches = rows * side // mask.shape[0] * side + columns * side // mask.shape[1]
    cover = np.bincount(patches, minlength=side**2) / len(patches)
    generator = np.random.default_rng(list(seed))
    dealt = [_average_precision(generator.permutation(attention), mask) for _ in range(DEALS)]
    return Pointing(
        hit=float(cover[attention.argmax()] > 0),
        average_precision=_average_precision(attention, mask),
        chance_hit=float(np.mean(cover > 0)),
        chance_precision=float(np.mean(dealt)),
        touched=cover > 0,
        cover=cover,
    )


def heat(attention: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Returns the attention [K] of a square grid of patches as an image [H, W], bilinear between their centres."""
    side = _side(attention)
    grid = Image.fromarray(attention.reshape(side, side).astype(np.float32))
    return np.asarray(grid.resize(shape[::-1], Image.Resampling.BILINEAR))


def _average_precision(attention: np.ndarray, mask: np.ndarray) -> float:
    """Equals scikit-learn's average_precision_score, without its checks, which dominated the last step of `make tables`."""
    scores = heat(attention, mask.shape).ravel()
    order = np.argsort(scores)[::-1]
    scores, signs = scores[order], np.cumsum(mask.ravel()[order])
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # of each threshold's pixels
    return float(np.sum(np.diff(signs[last], prepend=0) * signs[last] / (last + 1)) / signs[-1])


def _side(attention: np.ndarray) -> int:
    side = round(len(attention) ** 0.5)
    assert side**2 == len(attention), attention.shape
    return side
