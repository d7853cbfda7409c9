"""Letters of every script in pictures: by a font of the system that has them, else as their escaped code points."""

import unicodedata
from functools import cache

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

__all__ = ["drawable", "fit_fonts", "font_of"]

_USUAL = "DejaVu Sans"
"""Matplotlib brings it along: Latin, Greek, Cyrillic, Arabic and more, but neither Chinese nor Hindi."""


def fit_fonts(figure: Figure) -> None:
    """Gives every text of the figure fonts that have its letters, and escapes the letters that no font has."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), FuncFormatter):  # that of `set_xticks`, which writes its labels when drawn
                axis.set_ticklabels([drawable(label.get_text()) for label in axis.get_ticklabels()])
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a class may have a $ in its name
        text.set_text(drawable(text.get_text()))
        others = dict.fromkeys(font for letter in text.get_text() if (font := font_of(letter)) not in (None, _USUAL))
        if others:
            text.set_fontfamily([_USUAL, *others])


def drawable(text: str) -> str:
    """Returns the text with the letters that no font has as code points: "\\\\u771f" for 真."""
    return "".join(letter if font_of(letter) else letter.encode("unicode_escape").decode() for letter in text)


@cache
def font_of(letter: str) -> str | None:
    """Returns the name of a font that has the letter, the usual one if it can; None where there is none."""
    if letter.isspace() or unicodedata.category(letter) == "Cf" or ord(letter) in _letters(_USUAL):
        return _USUAL
    # Matplotlib's other fonts are for formulas, and one has a box for every letter.
    found = [entry for entry in fontManager.ttflist if "mpl-data" not in entry.fname]
    found.sort(key=lambda entry: ("Sans" not in entry.name, entry.name))
    names = (name for name in dict.fromkeys(entry.name for entry in found) if "lastresort" not in name.replace(" ", "").lower())
    return next((name for name in names if ord(letter) in _letters(name)), None)


@cache
def _letters(font: str) -> frozenset[int]:
    """The code points that it has; none if it cannot be read."""
    try:
        return frozenset(get_font(fontManager.findfont(FontProperties(family=[font]))).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
