"""A confusion matrix as PNG bytes."""

from collections.abc import Sequence

import numpy as np

from prima_jax.metrics.confusion import row_shares
from prima_jax.report.fonts import drawable
from prima_jax.report.pictures import blank_figure, headed, png_bytes

__all__ = ["confusion_picture"]


def confusion_picture(name: str, counts: np.ndarray, class_names: Sequence[str], *, synthetic: bool) -> bytes:
    """Returns PNG bytes: the counts `[C, C]`, and under each its share of the true class in per cent, which also shades it."""
    longest = max(len(drawable(class_name)) for class_name in class_names)
    side = 2.0 + 0.65 * len(class_names) + 0.06 * max(0, longest - 15)  # long names would leave no room for the counts
    figure, axes = blank_figure(side, side)
    shares = np.nan_to_num(row_shares(counts))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (true, predicted), count in np.ndenumerate(counts):
        share = shares[true, predicted]
        color = "white" if share > 0.5 else "black"
        axes.text(predicted, true, f"{count:,}\n{share:.0%}", ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(len(class_names)), class_names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(class_names)), class_names, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(headed(name, synthetic), fontsize=9)
    return png_bytes(figure)
