"""The risk-coverage curves of all rows as PNG bytes: the error among the most confident share of the cases."""

from collections.abc import Mapping

import numpy as np

from prima_jax.metrics.selective import risk_coverage
from prima_jax.report.pictures import blank_figure, headed, png_bytes

__all__ = ["risk_coverage_picture"]


def risk_coverage_picture(labels: np.ndarray, rows: Mapping[str, np.ndarray], own: str, *, synthetic: bool) -> bytes:
    """Draws a curve for each row's calibrated probabilities `[N, C]` by its title, the row `own` in black and thicker.

    `labels` `[N]` are class positions.
    """
    figure, axes = blank_figure(7.2, 4.2)
    for number, (title, probabilities) in enumerate(rows.items()):
        shares, errors = risk_coverage(probabilities.argmax(axis=1) == labels, probabilities.max(axis=1))
        style = (
            {"color": "black", "linewidth": 2.0, "zorder": 3} if title == own else {"color": f"C{number % 10}", "linewidth": 1.0}
        )
        axes.plot(shares, errors, label=title, **style)
    axes.set(xlabel="share of the cases that is answered, the most confident first", ylabel="error among them", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    axes.set_title(headed("Risk and coverage", synthetic), fontsize=9)
    axes.grid(alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7, ncols=2)
    return png_bytes(figure)
