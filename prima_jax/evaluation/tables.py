"""The paper's Table 1 or 2 with our rows, and the published ones marked as such: as Markdown and for the terminal."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prima_jax.evaluation.captions import caption, figure, method_name, ordered, title
from prima_jax.evaluation.published import (
    PUBLISHED,
    PublishedElsewhere,
    PublishedRow,
    PublishedTable,
    published_cells,
    published_notes,
)

__all__ = ["Table", "build", "class_order", "markdown_table", "terminal_table"]

WIDTH = 140  # columns of a terminal
PROSE = 110  # columns of the caption under it
NARROWEST_NAME = 14


@dataclass(frozen=True)
class Table:
    """A table as text: cells of a row are its method's name and one figure per heading after the first."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    published: tuple[tuple[str, ...], ...]
    published_notes: tuple[str, ...]


def build(results: Mapping[str, Any]) -> Table:
    """Lays out results (see results.json), in per cent, in the columns of the paper's table for the study.

    The published rows are there if the study has any, but not beside a synthetic or shuffled one.
    """
    classes, known = class_order(results), _paper_table(results)
    names = known.classes if known else {name: name for name in classes}
    rows = tuple(_row(method_name(name, results), results["methods"][name], classes) for name in ordered(results["methods"]))
    headings = ("Method", *(names[c] for c in classes), "Macro F1", "Accuracy", "Balanced acc.")
    if known is None or results["synthetic"] or results.get("shuffled"):
        return Table(headings, rows, (), ())
    published: list[PublishedRow | PublishedElsewhere] = [*known.rows, *known.elsewhere]
    cells = tuple(published_cells(row, classes) for row in published)
    return Table(headings, rows, cells, tuple(published_notes(known)))


def class_order(results: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes as the paper's columns have them, else as the study has them, else as they come."""
    known = _paper_table(results)
    return tuple(known.classes if known else results.get("classes") or _scored_classes(results))


def markdown_table(results: Mapping[str, Any]) -> str:
    """The table and its caption in Markdown."""
    table = build(results)
    rule = "|".join(["", " :-- ", *[" --: "] * (len(table.headings) - 1), ""])
    lines = [f"**{title(results)}**", "", _markdown(table.headings), rule]
    lines += map(_markdown, [*table.rows, *table.published])
    lines += ["", *(f"- {sentence}" for sentence in (*caption(results), *table.published_notes))]
    return "\n".join(lines) + "\n"


def terminal_table(results: Mapping[str, Any]) -> str:
    """The table and its caption in plain text of at most 140 columns; a table too wide for them is cut into several."""
    table = build(results)
    lines = [*_wrap(title(results)), ""]
    for columns, name_width, gap in _cuts(table):
        lines += [*_block(table, columns, name_width, gap), ""]
    for sentence in (*caption(results), *table.published_notes):
        lines += _wrap(sentence)
    return "\n".join(line.rstrip() for line in lines).rstrip("\n")


def _scored_classes(results: Mapping[str, Any]) -> Sequence[str]:
    return list(next(iter(results["methods"].values()))["f1"])


def _paper_table(results: Mapping[str, Any]) -> PublishedTable | None:
    """The paper's table of the study, if its classes are the paper's."""
    known = PUBLISHED.get(results["study"])
    return known if known and set(known.classes) == set(_scored_classes(results)) else None


def _row(name: str, found: Mapping[str, Any], classes: Sequence[str]) -> tuple[str, ...]:
    columns = [*(found["f1"][name] for name in classes)]
    columns += [found[name] for name in ("macro_f1", "accuracy", "balanced_accuracy")]
    return (name, *(figure(values) for values in columns))


def _markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _wrap(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, PROSE, subsequent_indent="  ")


def _cuts(table: Table) -> list[tuple[list[int], int, int]]:
    """The columns of each part of the table that fits, with the width of the names and the gap between columns."""
    rows = [table.headings, *table.rows, *table.published]
    widths = [max(len(row[n]) for row in rows) for n in range(len(table.headings))]
    columns = list(range(1, len(widths)))
    for gap, narrowest in ((2, min(widths[0], 24)), (1, min(widths[0], NARROWEST_NAME))):
        left = WIDTH - sum(widths[1:]) - gap * len(columns)
        if left >= narrowest:
            return [(columns, min(widths[0], left), gap)]
    name_width = min(widths[0], 24)
    each = max(1, (WIDTH - name_width) // (max(widths[1:]) + 2))
    return [(columns[start : start + each], name_width, 2) for start in range(0, len(columns), each)]


def _block(table: Table, columns: Sequence[int], name_width: int, gap: int) -> list[str]:
    """The lines of one part of the table, with a rule before the published rows."""
    rows = [table.headings, *table.rows, *table.published]
    widths = {n: max(len(row[n]) for row in rows) for n in columns}
    rule = "-" * (name_width + sum(widths.values()) + gap * len(columns))

    def lines(row: Sequence[str]) -> list[str]:
        name = textwrap.wrap(row[0], name_width)
        cells = "".join(" " * gap + row[n].rjust(widths[n]) for n in columns)
        return [name[0].ljust(name_width) + cells, *name[1:]]

    found = [rule]
    for group in ([table.headings], table.rows, table.published):
        for row in group:
            found += lines(row)
        found += [rule] if group else []
    return found
