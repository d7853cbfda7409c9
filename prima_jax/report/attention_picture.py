"""Attention maps over a few photographs as PNG bytes: a row for each, with the attention of each variant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from prima_jax.metrics.pointing import heat
from prima_jax.report.pictures import headed, png_bytes

__all__ = ["Shown", "attention_picture"]

_INCHES = 1.7
"""Side of one photograph."""


@dataclass(frozen=True)
class Shown:
    """One photograph, the words beside it, and their attention."""

    words: str
    photograph: np.ndarray
    """uint8 [H, W, 3]."""
    mask: np.ndarray | None
    """bool [H, W]: the mask of the sign; None where there is none."""
    attention: Mapping[str, np.ndarray]
    """Variant -> Eq. 4, [K]."""


def attention_picture(name: str, rows: Sequence[Shown], *, synthetic: bool) -> bytes:
    """The photograph with the sign's outline, then for each variant its attention, each on a scale of its own."""
    variants = list(rows[0].attention)
    figure = Figure(figsize=(_INCHES * (1 + len(variants)), 1.25 * _INCHES * len(rows) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 1 + len(variants), squeeze=False)
    figure.suptitle(headed(name, synthetic), fontsize=9)
    for number, (line, row) in enumerate(zip(axes, rows, strict=True)):
        for column, (axis, variant) in enumerate(zip(line, ("", *variants), strict=True)):
            axis.imshow(row.photograph)
            if column:
                axis.imshow(heat(row.attention[variant], row.photograph.shape[:2]), cmap="inferno", alpha=0.6)
            if row.mask is not None:
                axis.contour(row.mask.astype(float), levels=[0.5], colors="cyan", linewidths=0.7)
            axis.set_title("" if number else variant, fontsize=7, wrap=True)
            axis.axis("off")
        line[0].set_title(row.words, fontsize=6, loc="left", wrap=True)
    return png_bytes(figure)
