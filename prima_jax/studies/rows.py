"""A study's files as rows, one for each photograph."""

from collections.abc import Sequence
from pathlib import Path

from prima_jax.errors import UserError, shown
from prima_jax.studies.study import SIDE, Study
from prima_jax.studies.table import Table, read_table

__all__ = ["case_rows", "study_rows"]

Row = dict[str, str]


def study_rows(study: Study, folder: Path) -> list[tuple[int, Row]]:
    """Returns a row for each photograph, with its line in the manifest; cells are stripped.

    The second file is joined first, then each side becomes a row, then each photograph of a cell. Raises UserError for no folder,
    manifest or second file, columns that are missing or there twice, and a key that the second file lacks or has twice.
    """
    if not folder.is_dir():
        raise UserError(
            f"No data folder for {study.title}: looked for {folder.absolute()}, which should hold {study.manifest} and "
            f"the photographs; set config.data.dir to it."
        )
    table = _read(study, folder, study.manifest)
    columns, rows = list(table.columns), list(table.rows)
    if study.join:
        joined = _read(study, folder, study.join.manifest)
        for file in (table, joined):
            _check_columns(file, file.columns, [study.join.key])
        columns += [column for column in joined.columns if column != study.join.key]
    _check_columns(table, *_named(study, columns))
    if not rows:
        raise UserError(f"{table.path} has a header but no rows.")
    if study.join:
        rows = _joined(table, joined, study.join.key)
    if study.sides:
        rows = [(line, side) for line, row in rows for side in _sides(study, row)]
    if study.image_separator:
        rows = [(line, one) for line, row in rows for one in _photographs(study, row)]
    return rows


def case_rows(study: Study, path: Path) -> list[tuple[int, Row]]:
    """Returns a row for each photograph of a file of new cases, which has the study's form but may lack what nobody knows yet.

    The study's second file is joined where it lies beside. Raises UserError as `study_rows`, but for columns other than that of
    the photograph.
    """
    table = read_table(path, delimiter=study.delimiter, encoding=study.encoding)
    rows = list(table.rows)
    if study.join and (path.parent / study.join.manifest).is_file():
        joined = _read(study, path.parent, study.join.manifest)
        for file in (table, joined):
            _check_columns(file, file.columns, [study.join.key])
        rows = _joined(table, joined, study.join.key)
    photographs = [study.image_column]
    if study.sides:
        photographs = [side[study.image_column] for side in study.sides.values()]
    _check_columns(table, table.columns, photographs)
    if study.sides:
        rows = [(line, side) for line, row in rows for side in _sides(study, row)]
    if study.image_separator:
        rows = [(line, one) for line, row in rows for one in _photographs(study, row)]
    return rows


def _read(study: Study, folder: Path, name: str) -> Table:
    if not (folder / name).is_file():
        raise UserError(f"No {name} for {study.title} in {folder.absolute()}; put it there.")
    return read_table(folder / name, delimiter=study.delimiter, encoding=study.encoding)


def _named(study: Study, columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns that a row will have, and those that the study reads."""
    read = [study.image_column, *study.label_sources, *study.subject_columns, *study.unit_columns]
    read += [study.image_type_column] if study.image_type_column else []
    read += [attribute.column for attribute in study.attributes]
    if not study.sides:
        return list(columns), read
    made = [SIDE, *dict.fromkeys(column for side in study.sides.values() for column in side)]
    return [*columns, *made], [*read, *(column for side in study.sides.values() for column in side.values())]


def _check_columns(table: Table, present: Sequence[str], expected: Sequence[str]) -> None:
    absent = [column for column in dict.fromkeys(expected) if column not in present]
    if absent:
        others = [column for column in present if column not in expected]  # a first line that is none may be a patient's
        has = f"others: {len(others)}" + (f" ({shown(', '.join(others))})" if others else "")
        raise UserError(
            f"{table.path}, read with {table.form}, lacks the column(s) {', '.join(absent)}; {has}; add them, or change the "
            "column names of the study."
        )
    twice = [column for column in dict.fromkeys(expected) if present.count(column) > 1]
    if twice:
        raise UserError(
            f"{table.path} has the column(s) {', '.join(twice)} more than once; keep one of each, or rename the others."
        )


def _joined(table: Table, joined: Table, key: str) -> list[tuple[int, Row]]:
    """Each row with what the second file says of its key."""
    known: dict[str, tuple[int, Row]] = {}
    for line, row in joined.rows:
        first, _ = known.setdefault(row[key], (line, row))
        if first != line:
            raise UserError(f"{joined.path}, line {line}: its {key} already stands in line {first}; keep one row for each.")
    for line, row in table.rows:
        if row[key] not in known:
            raise UserError(f"{table.path}, line {line}: {joined.path} has no row of its {key} ({shown(row[key])}); add it.")
    return [(line, {**known[row[key]][1], **row}) for line, row in table.rows]


def _sides(study: Study, row: Row) -> list[Row]:
    """A row for each side that has a photograph."""
    rows = [{**row, SIDE: name, **{to: row.get(source, "") for to, source in side.items()}} for name, side in study.sides.items()]
    return [row for row in rows if row[study.image_column] not in ("", *study.missing)]


def _photographs(study: Study, row: Row) -> list[Row]:
    """A row for each photograph that its cell names."""
    names = [name.strip() for name in row[study.image_column].split(study.image_separator)]
    return [{**row, study.image_column: name} for name in [name for name in names if name] or [""]]
