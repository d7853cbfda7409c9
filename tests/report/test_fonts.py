"""Names in any script can be read in the pictures: no letter becomes an empty box."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from prima_jax.report import fonts
from prima_jax.report.confusion_picture import confusion_picture
from prima_jax.report.fonts import drawable, fit_fonts, font_of
from prima_jax.report.pictures import blank_figure
from prima_jax.report.risk_coverage_picture import risk_coverage_picture


@pytest.fixture(autouse=True)
def caches():
    before = list(font_manager.fontManager.ttflist)
    font_of.cache_clear()
    yield
    font_manager.fontManager.ttflist[:] = before
    font_of.cache_clear()
    fonts._letters.cache_clear()


def without_other_fonts() -> None:
    ttflist = font_manager.fontManager.ttflist
    ttflist[:] = [entry for entry in ttflist if entry.name == "DejaVu Sans"]


def install(folder: Path, name: str, letters: str) -> None:
    """A font with a square for each of these letters."""
    pen = TTGlyphPen(None)
    for move, point in ((pen.moveTo, (0, 0)), (pen.lineTo, (0, 500)), (pen.lineTo, (500, 500)), (pen.lineTo, (500, 0))):
        move(point)
    pen.closePath()
    square, builder = pen.glyph(), FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({ord(letter): "square" for letter in letters})
    builder.setupGlyf({".notdef": square, "square": square})
    builder.setupHorizontalMetrics({".notdef": (600, 0), "square": (600, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": name, "styleName": "Regular", "psName": name.replace(" ", "")})
    builder.setupOS2()
    builder.setupPost()
    builder.save(folder / f"{name}.ttf")
    font_manager.fontManager.addfont(folder / f"{name}.ttf")


@pytest.mark.parametrize("others", [True, False])
def test_a_class_in_chinese_is_drawn_without_a_missing_letter(others):
    if not others:
        without_other_fonts()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of each letter that its font has not
        confusion_picture("真菌, فطري, कवक", np.eye(2, dtype=int), ("真菌", "बैक्टीरिया"), synthetic=False)
        risk_coverage_picture(np.array([0, 1]), {"真菌": np.eye(2)}, "真菌", synthetic=False)


def test_letters_that_no_font_has_are_escaped_and_all_others_stay():
    without_other_fonts()
    assert drawable("fungal 真菌 فطري Грибок\n") == r"fungal \u771f\u83cc فطري Грибок" + "\n"


def test_a_font_of_the_system_that_has_the_letters_is_taken(tmp_path):
    without_other_fonts()
    install(tmp_path, "Last Resort", "真菌")
    install(tmp_path, "Invented Sans", "真菌")
    assert drawable("真菌") == "真菌" and font_of("真") == "Invented Sans" and font_of("a") == "DejaVu Sans"
    figure, axes = blank_figure(2, 2)
    axes.set_xticks([0, 1], ["真菌", "a$b$c"])
    fit_fonts(figure)
    first, second = axes.get_xticklabels()
    assert first.get_text() == "真菌" and first.get_fontfamily() == ["DejaVu Sans", "Invented Sans"]
    assert second.get_fontfamily() != first.get_fontfamily() and not second.get_parse_math()
