"""What each attribute and photograph adds to a probability, as bars in PNG bytes."""

from collections.abc import Sequence

from prima_jax.report.pictures import blank_figure, headed, png_bytes

__all__ = ["contributions_picture"]


def contributions_picture(
    title: str, names: Sequence[str], values: Sequence[float], errors: Sequence[float], *, synthetic: bool
) -> bytes:
    """Bars in points of probability, the largest first, with their standard errors."""
    order = sorted(range(len(names)), key=lambda n: abs(values[n]))
    figure, axis = blank_figure(6.0, 0.8 + 0.28 * len(names))
    colours = ["tab:red" if values[n] > 0 else "tab:blue" for n in order]
    widths, spreads = ([100 * numbers[n] for n in order] for numbers in (values, errors))
    axis.barh([names[n] for n in order], widths, xerr=spreads, color=colours, height=0.7)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_xlabel("adds to the probability, in points")
    axis.set_title(headed(title, synthetic), fontsize=9)
    axis.tick_params(labelsize=8)
    return png_bytes(figure)
