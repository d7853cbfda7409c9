"""What every picture of this room shares: a figure that needs no display, its title, and its bytes."""

import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["blank_figure", "headed", "png_bytes"]


def blank_figure(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of so many inches and its one pair of axes; needs no display and no global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def headed(name: str, synthetic: bool) -> str:
    """The title of a picture, which says so where no patient stands behind the figures."""
    return f"SYNTHETIC study\n{name}" if synthetic else name


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG. Without the library's version inside, the same run gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()
