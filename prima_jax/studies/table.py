"""Reads one CSV file, as spreadsheets of any country write it: which sign parts its cells and how its text is encoded."""

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prima_jax.errors import UserError
from prima_jax.problems import Problems

__all__ = ["DELIMITERS", "Table", "read_table"]

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks, which spreadsheets write."""


@dataclass(frozen=True)
class Table:
    """A CSV file's cells, without blanks at their ends."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    """Each with the number of its last line in the file. Rows without a value are left out."""
    form: str
    """How it was read, in words."""


def read_table(path: Path, problems: Problems, *, delimiter: str = "", encoding: str = "") -> Table:
    """Reads a CSV file with a header.

    Where the delimiter or the encoding is empty it is found, and what is found besides commas and UTF-8 is told on stderr. Rows
    with more or fewer cells than the header are left out and added to the problems. Raises UserError for a file that cannot be
    read, is not in the encoding or in none that can be told, or is no CSV.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    known = encoding or _encoding(content)
    text = _decoded(content, known, path)
    sign = delimiter or _delimiter(text, path)
    form = f"{DELIMITERS[sign]} between its columns and in {known.upper()}"
    if (delimiter or sign, encoding or known) != (delimiter or ",", encoding or "utf-8"):
        print(f"{path} is read with {form}.", file=sys.stderr)
    cells = _cells(text, sign, path)
    _, columns = next(cells, (0, []))
    whole, uneven = [], []
    for line, row in cells:
        if len(row) == len(columns):
            whole.append((line, dict(zip(columns, row, strict=True))))
        else:
            uneven.append(line)
    for line in uneven:
        told = f"not as many cells as the header has columns, read with {form}; mend the row"
        problems.add("rows", f"{path}, line {line}: {told}.")
    return Table(path, tuple(columns), tuple(whole), form)


def _encoding(content: bytes) -> str:
    """The encoding that a byte order mark tells, else UTF-8: between those of one byte a guess would be wrong in silence."""
    return next((encoding for mark, encoding in MARKS.items() if content.startswith(mark)), "utf-8")


def _decoded(content: bytes, encoding: str, path: Path) -> str:
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except LookupError as error:
        raise UserError(f"Python knows no encoding {encoding!r}: give another, such as cp1252, latin-1 or gb18030.") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not in {encoding.upper()} (byte {error.start + 1}): set the study's encoding to what it was saved "
            "in, such as cp1252 (Western Europe), latin-1, gb18030 (China) or utf-16, or save it as CSV in UTF-8."
        ) from error
    if "\0" in text[:2]:
        raise UserError(
            f"{path} has a zero byte at its start: set the study's encoding to utf-16-le or utf-16-be, or save it as UTF-8."
        )
    return text


def _delimiter(text: str, path: Path) -> str:
    """The sign that cuts the header into most columns."""
    counts = {sign: len(_header(text, sign)) for sign in DELIMITERS}
    most = max(counts.values())
    found = [sign for sign, count in counts.items() if count == most]
    if most > 1 and len(found) > 1:
        signs = " and ".join(DELIMITERS[sign] for sign in found)
        raise UserError(f"{path} may have {signs} between its columns: set the study's delimiter to the one that is meant.")
    return found[0]


def _header(text: str, sign: str) -> Sequence[str]:
    try:
        return next(_reader(text, sign), [])
    except csv.Error:
        return []


def _cells(text: str, sign: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The header, and each row with a value, with the number of its last line in the file."""
    reader, after = _reader(text, sign), 0
    try:
        for row in reader:
            # Most cells say what thousands do: interned, they are there once.
            cells = [sys.intern(cell.strip()) for cell in row]
            if any(cells) or (cells and not after):
                yield reader.line_num, cells
            after = reader.line_num if cells else after
    except csv.Error as error:
        raise UserError(
            f"{path}: the row after line {after} is no CSV ({error}), say by a quote that is not closed; mend it."
        ) from error


def _reader(text: str, sign: str):  # type: ignore[no-untyped-def]  # csv's own class has no public name
    return csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True, skipinitialspace=True)
