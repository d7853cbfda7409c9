"""A table in plain text, for the terminal."""

import textwrap
from collections.abc import Sequence

from prima_jax.report.table import Table

__all__ = ["terminal_table"]

WIDTH = 140  # columns of a terminal
PROSE = 110  # columns of the sentences under a table
NARROWEST_NAME = 14


def terminal_table(table: Table) -> str:
    """Returns title, table and notes in at most 140 columns; a wider table is split into several."""
    lines = [*_wrap(table.title), ""]
    for columns, name_width, gap in _cuts(table):
        lines += [*_block(table, columns, name_width, gap), ""]
    for sentence in table.notes:
        lines += _wrap(sentence)
    return "\n".join(line.rstrip() for line in lines).rstrip("\n")


def _wrap(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, PROSE, subsequent_indent="  ")


def _cuts(table: Table) -> list[tuple[list[int], int, int]]:
    """The columns of each part of the table that fits, with the width of the names and the gap between columns."""
    rows = [table.headings, *(line.cells for line in table.lines)]
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
    """The lines of one part of the table, between rules."""
    rows = [line.cells for line in table.lines]
    widths = {n: max(len(row[n]) for row in (table.headings, *rows)) for n in columns}
    rule = "-" * (name_width + sum(widths.values()) + gap * len(columns))

    def lines(row: Sequence[str]) -> list[str]:
        name = textwrap.wrap(row[0], name_width)
        cells = "".join(" " * gap + row[n].rjust(widths[n]) for n in columns)
        return [name[0].ljust(name_width) + cells, *name[1:]]

    return [rule, *lines(table.headings), rule, *(text for row in rows for text in lines(row)), rule]
