"""A study's files as rows, one for each photograph."""

from collections.abc import Sequence
from pathlib import Path

from prima_jax.errors import UserError, shown
from prima_jax.studies.study import Study
from prima_jax.studies.table import Table, read_table

__all__ = ["study_rows"]


def study_rows(study: Study, folder: Path) -> list[tuple[int, dict[str, str]]]:
    """Returns every row with its line number; cells are stripped.

    Raises UserError for no folder or manifest, and for columns that are missing or there twice.
    """
    if not folder.is_dir():
        raise UserError(
            f"No data folder for {study.title}: looked for {folder.absolute()}, which should hold {study.manifest} and "
            f"the photographs; set config.data.dir to it."
        )
    table = _read(study, folder, study.manifest)
    _check_columns(study, table, table.columns)
    if not table.rows:
        raise UserError(f"{table.path} has a header but no rows.")
    return list(table.rows)


def _read(study: Study, folder: Path, name: str) -> Table:
    if not (folder / name).is_file():
        raise UserError(f"No {name} for {study.title} in {folder.absolute()}; put it there.")
    return read_table(folder / name, delimiter=study.delimiter, encoding=study.encoding)


def _check_columns(study: Study, table: Table, present: Sequence[str]) -> None:
    expected = [study.image_column, study.label_column, *study.subject_columns, *study.unit_columns]
    expected += [study.image_type_column] if study.image_type_column else []
    expected += [attribute.column for attribute in study.attributes]
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
