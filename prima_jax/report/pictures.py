"""Helpers of all pictures: a figure without a display, its title, and its PNG bytes."""

import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from prima_jax.report.fonts import fit_fonts

__all__ = ["blank_figure", "headed", "png_bytes"]


def blank_figure(width: float, height: float) -> tuple[Figure, Any]:
    """Returns a figure of this size in inches and its axes, without a display or global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def headed(name: str, synthetic: bool) -> str:
    """Returns the title of a picture, marked if the study is synthetic."""
    return f"SYNTHETIC study\n{name}" if synthetic else name


def png_bytes(figure: Figure) -> bytes:
    """Returns the figure as PNG, with letters of every script; without the library's version, so that its bytes are the same."""
    fit_fonts(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()
