"""The reliability diagram as PNG bytes: accuracy against confidence."""

import numpy as np

from prima_jax.metrics.calibration import calibration_error, reliability
from prima_jax.report.pictures import blank_figure, headed, png_bytes

__all__ = ["reliability_picture"]


def reliability_picture(name: str, labels: np.ndarray, probabilities: np.ndarray, *, synthetic: bool, bins: int = 15) -> bytes:
    """Bars of the share right per bin of confidence, the diagonal, and at their feet how many cases each holds.

    `labels` `[N]` are class positions, `probabilities` `[N, C]`; bins of equal width, empty ones left blank.
    """
    probabilities = np.asarray(probabilities)
    right, confidence = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    cases, means, shares = reliability(right, confidence, bins)
    filled = cases > 0
    centres = (np.arange(bins) + 0.5) / bins
    figure, axes = blank_figure(4.2, 4.2)
    axes.bar(centres[filled], shares[filled], width=1 / bins, color="C0", edgecolor="white", label="share right")
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--", label="as promised")
    axes.plot(means[filled], shares[filled], "o", color="C1", markersize=3, label="mean confidence")
    for centre, count in zip(centres[filled], cases[filled], strict=True):
        axes.text(centre, 0.01, f"{count:,}", rotation=90, ha="center", va="bottom", fontsize=6, color="white")
    error = calibration_error(labels, probabilities, bins)
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(headed(f"{name}, ECE {100 * error:.1f} %", synthetic), fontsize=9)
    axes.legend(frameon=False, fontsize=7, loc="upper left")
    return png_bytes(figure)
