"""A study's files as rows, one for each photograph."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from prima_jax.errors import UserError, shown
from prima_jax.problems import Problems
from prima_jax.studies.study import SIDE, Study
from prima_jax.studies.table import Table, read_table

__all__ = ["case_rows", "photograph_rows", "study_rows"]

Row = dict[str, str]


def study_rows(study: Study, folder: Path, problems: Problems) -> Iterable[tuple[int, Row]]:
    """Returns a row for each photograph, with its line in the manifest; cells are stripped.

    The second file is joined first, then each side becomes a row, then each photograph of a cell. Adds to the problems: columns
    that are missing (where an attribute's is, its rows lack it; without another there are no rows) or there twice, rows of
    another length, and a key that the second file lacks or has twice. Raises UserError for no folder, manifest, second file
    or rows.
    """
    if not folder.is_dir():
        raise UserError(
            f"No data folder for {study.title}: looked for {folder.absolute()}, which should hold {study.manifest} and "
            f"the photographs; set config.data.dir to it."
        )
    table = _read(study, folder, study.manifest, problems)
    columns = list(table.columns)
    joined = _read(study, folder, study.join.manifest, problems) if study.join else None
    if study.join and joined:
        _check_columns(table, table.columns, [study.join.key], problems)
        _check_columns(joined, joined.columns, [study.join.key], problems)
        columns += [column for column in joined.columns if column != study.join.key]
    present, read = _named(study, columns)
    _check_columns(table, present, read, problems)
    if not table.rows and not problems:
        raise UserError(f"{table.path} has a header but no rows.")
    optional = {attribute.column for attribute in study.attributes}
    if any(column not in present for column in read if column not in optional):
        return []
    return _expanded(study, table, joined, problems)


def case_rows(study: Study, path: Path) -> list[tuple[int, Row]]:
    """Returns a row for each photograph of a file of new cases, which has the study's form but may lack what nobody knows yet.

    The study's second file is joined where it lies beside. Raises UserError for what `study_rows` raises or adds, but for columns
    other than that of the photograph.
    """
    problems = Problems()
    table = read_table(path, problems, delimiter=study.delimiter, encoding=study.encoding)
    joined = None
    if study.join and (path.parent / study.join.manifest).is_file():
        joined = _read(study, path.parent, study.join.manifest, problems)
        for file in (table, joined):
            _check_columns(file, file.columns, [study.join.key], problems)
    photographs = [study.image_column]
    if study.sides:
        photographs = [side[study.image_column] for side in study.sides.values()]
    read = [column for column in _named(study, table.columns)[1] if column in table.columns]
    _check_columns(table, table.columns, [*photographs, *read], problems)
    problems.raise_first()
    rows = list(_expanded(study, table, joined, problems))
    problems.raise_first()
    return rows


def photograph_rows(study: Study, rows: Iterable[tuple[int, Row]]) -> Iterator[tuple[int, Row]]:
    """Returns rows as the file has them, each with its number, as one for each photograph: of each side, of each in a cell."""
    if study.sides:
        rows = ((line, side) for line, row in rows for side in _sides(study, row))
    return ((line, one) for line, row in rows for one in _photographs(study, row))


def _expanded(study: Study, table: Table, joined: Table | None, problems: Problems) -> Iterator[tuple[int, Row]]:
    """The rows of the file, those of the second one joined, one for each photograph."""
    rows: Sequence[tuple[int, Row]] = table.rows
    if study.join and joined:
        in_both = all(study.join.key in file.columns for file in (table, joined))
        rows = _joined(table, joined, study.join.key, problems) if in_both else []
    return photograph_rows(study, rows)


def _read(study: Study, folder: Path, name: str, problems: Problems) -> Table:
    if not (folder / name).is_file():
        raise UserError(f"No {name} for {study.title} in {folder.absolute()}; put it there.")
    return read_table(folder / name, problems, delimiter=study.delimiter, encoding=study.encoding)


def _named(study: Study, columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns that a row will have, and those that the study reads."""
    read = [study.image_column, *study.label_sources, *study.subject_columns, *study.unit_columns, *study.site_columns]
    read += [study.image_type_column] if study.image_type_column else []
    read += [attribute.column for attribute in study.attributes]
    if not study.sides:
        return list(columns), read
    made = [SIDE, *dict.fromkeys(column for side in study.sides.values() for column in side)]
    return [*columns, *made], [*read, *(column for side in study.sides.values() for column in side.values())]


def _check_columns(table: Table, present: Sequence[str], expected: Sequence[str], problems: Problems) -> None:
    absent = [column for column in dict.fromkeys(expected) if column not in present]
    if absent:
        others = [column for column in present if column not in expected]  # a first line that is none may be a patient's
        has = f"others: {len(others)}" + (f" ({shown(', '.join(others))})" if others else "")
        problems.add(
            "columns",
            f"{table.path}, read with {table.form}, lacks the column(s) {', '.join(absent)}; {has}; add them, or change the "
            "column names of the study.",
        )
    twice = [column for column in dict.fromkeys(expected) if present.count(column) > 1]
    if twice:
        problems.add(
            "columns",
            f"{table.path} has the column(s) {', '.join(twice)} more than once; keep one of each, or rename the others.",
        )


def _joined(table: Table, joined: Table, key: str, problems: Problems) -> list[tuple[int, Row]]:
    """Each row with what the second file says of its key; without those that it says nothing of."""
    known: dict[str, tuple[int, Row]] = {}
    for line, row in joined.rows:
        first, _ = known.setdefault(row[key], (line, row))
        if first != line:
            told = f"its {key} already stands in line {first}; keep one row for each"
            problems.add(f"column {key}", f"{joined.path}, line {line}: {told}.")
    for line, row in table.rows:
        if row[key] not in known:
            told = f"{joined.path} has no row of its {key} ({shown(row[key])}); add it"
            problems.add(f"column {key}", f"{table.path}, line {line}: {told}.")
    return [(line, {**known[row[key]][1], **row}) for line, row in table.rows if row[key] in known]


def _sides(study: Study, row: Row) -> list[Row]:
    """A row for each side that has a photograph."""
    rows = [{**row, SIDE: name, **{to: row.get(source, "") for to, source in side.items()}} for name, side in study.sides.items()]
    return [row for row in rows if row[study.image_column] not in ("", *study.missing)]


def _photographs(study: Study, row: Row) -> list[Row]:
    """A row for each photograph that its cell names."""
    if not study.image_separator and study.image_column in row:
        return [row]
    cell = row.get(study.image_column, "")
    names = [name.strip() for name in cell.split(study.image_separator)] if study.image_separator else [cell]
    return [{**row, study.image_column: name} for name in [name for name in names if name] or [""]]
