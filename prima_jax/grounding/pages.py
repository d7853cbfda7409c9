"""Writes the results: grounding.json, grounding.md, grounding.html and a picture for each visible attribute."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from prima_jax.files import write_whole
from prima_jax.report.captions import conditions

__all__ = ["markdown", "write"]

_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .25rem .55rem; text-align: right; border-bottom: 1px solid #eee; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
.synthetic { background: #fde8e8; border-left: 4px solid #b00020; padding: .5rem .8rem; font-weight: 600; }
img { max-width: 100%; height: auto; }"""
_HEADINGS = (
    "Attention of",
    "Words on",
    "Looks",
    "Pointing game",
    "On others",
    "Blind",
    "Average precision",
    "Blind",
    "PRIMA's is higher by",
)
_SYNTHETIC = "SYNTHETIC study, drawn by a program: no figure here says anything about patients."


def write(workdir: Path, results: Mapping[str, Any], pictures: Mapping[str, bytes]) -> None:
    """Writes every file. Raises UserError if one cannot be written."""
    for attribute, picture in pictures.items():
        write_whole(workdir / f"grounding_{attribute}.png", picture)
    write_whole(workdir / "grounding.md", markdown(results).encode())
    write_whole(workdir / "grounding.html", html(results, list(pictures)).encode())
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)  # in the order of the rows
    write_whole(workdir / "grounding.json", f"{text}\n".encode())


def markdown(results: Mapping[str, Any]) -> str:
    """Returns the table, if signs have masks, and the notes under it, as Markdown."""
    lines = [f"**{title(results)}**", ""]
    if results["figures"]:
        lines += [_line(_HEADINGS), "| :-- | :-- |" + " --: |" * (len(_HEADINGS) - 2)]
        lines += [*map(_line, cells(results)), ""]
    return "\n".join([*lines, *(f"- {sentence}" for sentence in notes(results))]) + "\n"


def html(results: Mapping[str, Any], attributes: list[str]) -> str:
    """Returns one page with the table and the pictures beside it."""
    body = [f'<p class="synthetic">{_SYNTHETIC}</p>'] if results["synthetic"] else []
    body += [f"<h1>{escape(title(results))}</h1>"]
    if results["figures"]:
        rows = [_row(_HEADINGS, "th"), *(_row(row, "td") for row in cells(results))]
        body += [f"<table>{''.join(rows)}</table>"]
    body += ["<ul>", *(f"<li>{escape(sentence)}</li>" for sentence in notes(results)), "</ul>"]
    body += [f'<p><img src="grounding_{escape(a)}.png" alt="attention of the words on {escape(a)}"></p>' for a in attributes]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style>'
    head += f"<title>{escape(title(results))}</title>"
    return f"<!DOCTYPE html>\n<html lang='en'><head>{head}</head><body>{''.join(body)}</body></html>\n"


def cells(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Returns a row for each variant and attribute, in per cent."""
    rows: list[tuple[str, ...]] = []
    for variant, attributes in results["figures"].items():
        for attribute, row in attributes.items():
            below = row["below_reference"]["hit"] if variant != results["reference"] else None
            rows.append(
                (
                    results["variants"][variant],
                    attribute,
                    f"{row['looks']}",
                    _interval(row["hit"]),
                    _estimate(row["elsewhere"]),
                    _estimate(row["chance_hit"]),
                    _interval(row["average_precision"]),
                    _estimate(row["chance_precision"]),
                    _interval(below) if below else "",
                )
            )
    return rows


def title(results: Mapping[str, Any]) -> str:
    """Returns the title of the page."""
    return f"{results['title']}: where the words of a visible sign look (Eq. 4)"


def notes(results: Mapping[str, Any]) -> list[str]:
    """Returns the sentences under the table: how the figures were measured, and their limits."""
    sentences = [*([_SYNTHETIC] if results["synthetic"] else []), *conditions(results)]
    sentences += [
        f"Held-out photographs of all {results['folds']} folds, seed {results['seed']}; encoders and projection heads as stage 2 "
        "leaves them. A look is one photograph with the words on one attribute in its own sentence; its attention is their mean.",
    ]
    if not results["figures"]:
        return [*sentences, "No mask says where the signs are in these photographs, so there are pictures and no figures."]
    return [
        *sentences,
        "Pointing game: how often the sign touches the patch of the largest attention. On others: how often the same sign of "
        "another subject touches that patch; what the pointing game is above it comes from this photograph or from its words, "
        "which can say where the sign lies. Average precision: of the pixels, ranked by attention. Blind: the same attention "
        "on patches in random order. Per cent, with 95% intervals over subjects (of the looks, not of another training; none "
        "where all are hits), not corrected for their number. The last column is PRIMA's pointing game minus the row's, on "
        "the same photographs. All: every look, so that a sign that two attributes speak of counts twice.",
        "Words beside another's photograph: the same model and words look at a photograph of another subject, against the sign "
        "of their own; what PRIMA is above it comes from seeing this photograph.",
        "Usual places: the mean mask of the sign in the other folds, which sees no photograph.",
    ]


def _estimate(interval: Mapping[str, float] | None) -> str:
    return "n/a" if interval is None else f"{100 * interval['estimate']:.1f}"


def _interval(interval: Mapping[str, float] | None) -> str:
    if interval is None:
        return "n/a"
    if interval["low"] == interval["high"]:
        return _estimate(interval)  # every draw is the same, which says nothing of the next subject
    return f"{100 * interval['estimate']:.1f} ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})"


def _line(row: tuple[str, ...]) -> str:
    return f"| {' | '.join(row)} |"


def _row(row: tuple[str, ...], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"
