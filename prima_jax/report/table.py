"""A table as text, and how it is written: Markdown, LaTeX, CSV. HTML is in templates/, the terminal's in terminal.py."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Line", "Table", "csv_bytes", "interval_cell", "latex", "markdown"]

_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%_#${}"},
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
    }
)


@dataclass(frozen=True)
class Line:
    """One line of a table: a name, then a figure for each heading after the first."""

    cells: tuple[str, ...]
    kind: Literal["", "own", "published"] = ""
    """PRIMA's own row, or published figures, which were not measured here."""


@dataclass(frozen=True)
class Table:
    """A table with its title and the sentences under it."""

    title: str
    headings: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


def interval_cell(one: Mapping[str, float] | None) -> str:
    """Returns an interval's estimate, low and high in per cent; "-" for none."""
    if one is None:
        return "-"
    return f"{100 * one['estimate']:.1f} ({100 * one['low']:.1f} to {100 * one['high']:.1f})"


def markdown(table: Table) -> str:
    """Returns headings, lines and notes in Markdown, without the title."""
    rule = "|".join(["", " :-- ", *[" --: "] * (len(table.headings) - 1), ""])
    lines = [_line(table.headings), rule, *(_line(line.cells) for line in table.lines)]
    return "\n".join([*lines, "", *(f"- {sentence}" for sentence in table.notes)]) + "\n"


def latex(table: Table) -> str:
    """Returns a tabular for booktabs, with the title and the notes as comments."""
    rows = [" & ".join(map(_escaped, cells)) + r" \\" for cells in (table.headings, *(line.cells for line in table.lines))]
    return "\n".join(
        [
            *(f"% {' '.join(sentence.split())}" for sentence in (table.title, *table.notes)),
            rf"\begin{{tabular}}{{l{'r' * (len(table.headings) - 1)}}}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def csv_bytes(rows: Sequence[Sequence[Any]]) -> bytes:
    """Returns the lines as CSV in UTF-8."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _escaped(cell: str) -> str:
    return cell.translate(_LATEX)
