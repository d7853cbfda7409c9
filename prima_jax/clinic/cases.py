"""New cases, without a diagnosis: from Python, from a data frame, records or a CSV file, and as the records of a study."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prima_jax.data.builder import resample
from prima_jax.errors import UserError
from prima_jax.studies.records import find_image, parse_fields
from prima_jax.studies.rows import case_rows
from prima_jax.studies.study import Record, Study

__all__ = ["NewCase", "cases_of_rows", "notes_on", "photograph", "records_of"]

_UNKNOWN = -1
"""The label of a case that has no diagnosis yet."""


@dataclass(frozen=True)
class NewCase:
    """A case without a diagnosis: its photographs and what is known of the patient."""

    images: Sequence[tuple[str, str | Path | bytes]]
    """(view, file or its bytes); the view is the empty string where the study has photographs of one kind."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Attribute, or column of the study's file, -> its value as the file has it; what is unknown is left out."""
    name: str = ""
    """What the answer is called by."""


def cases_of_rows(study: Study, rows: Any, images: str | Path = "", *, by_unit: bool) -> list[NewCase]:
    """Cases from a CSV file, a data frame, or mappings of column -> value: a row for each photograph, as in the study's file.

    Rows of one unit are one case if `by_unit` and its columns are there; the first row's metadata speak for it. Columns that the
    study does not know are ignored, its own may be missing, but for that of the photograph. images: the photographs' folder.
    Raises UserError where there is none, or where a row has no photograph.
    """
    if isinstance(rows, (str, Path)):
        records = [row for _, row in case_rows(study, Path(rows))]
    else:
        records = rows.to_dict("records") if hasattr(rows, "to_dict") else rows
    grouped: dict[Any, list[Mapping[str, str]]] = {}
    for number, row in enumerate(records, start=1):
        texts = {str(column): _text(value, study.decimal) for column, value in row.items()}
        if not texts.get(study.image_column):
            raise UserError(f"Row {number} of the cases has no photograph: fill in the column {study.image_column}.")
        whole = by_unit and all(texts.get(column) for column in study.unit_columns)
        grouped.setdefault(tuple(texts[column] for column in study.unit_columns) if whole else number, []).append(texts)
    shown = {attribute.column for attribute in study.shown()} | {attribute.name for attribute in study.shown()}
    cases = []
    for key, of_case in grouped.items():
        files = [_found(study, Path(images), row[study.image_column]) for row in of_case]
        views = [row.get(study.image_type_column, "") if study.image_types else "" for row in of_case]
        known = {column: text for column, text in of_case[0].items() if column in shown}
        name = "/".join(key) if isinstance(key, tuple) else of_case[0][study.image_column]
        cases.append(NewCase(list(zip(views, files, strict=True)), known, name))
    if not cases:
        raise UserError("There is no case to predict: the file has a header but no rows.")
    return cases


def records_of(study: Study, number: int, case: NewCase) -> list[Record]:
    """A case as records without a label, one for each photograph. Raises UserError for what the study does not know."""
    names = {a.column: a.name for a in study.attributes} | {a.name: a.name for a in study.attributes}
    shown, whose = {a.name for a in study.shown()}, f"case {number + 1}, metadata" if case.name else "--metadata"
    for key in case.metadata:
        if names.get(key) not in shown:
            raise UserError(f"{whose}: {study.name} has no attribute {key!r} to show a model; known: {', '.join(sorted(shown))}.")
    fields = parse_fields(study, {names[key]: value for key, value in case.metadata.items()}, whose)
    if not case.images:
        raise UserError(f"Case {number + 1} has no photograph: give it one or more.")
    unit, records = f"case {number + 1}", []
    for position, (named, file) in enumerate(case.images):
        view = next(iter(study.image_types)) if len(study.image_types) == 1 else named
        if study.image_types and view not in study.image_types:
            where = f"{unit}, photograph {position + 1}" if isinstance(file, bytes) or case.name else f"--image={file}"
            raise UserError(f"{where}: say which view it is, as VIEW:FILE with one of {', '.join(study.image_types)}.")
        records.append(Record(f"{unit}, photograph {position + 1}", "", unit, unit, _UNKNOWN, view, fields))
    return records


def notes_on(kind: str, records: Sequence[Record]) -> tuple[str, ...]:
    """Sentences on what is done with photographs that have no place of their own."""
    by_type: dict[str, int] = {}
    for record in records:
        by_type[record.image_type] = by_type.get(record.image_type, 0) + 1
    if kind == "record" and len(records) > 1:
        return (f"{len(records)} photographs: each was diagnosed apart, and the answer is their mean.",)
    if kind == "unit":
        several = [f"{count} of kind {name!r}" if name else f"{count}" for name, count in by_type.items() if count > 1]
        if several:
            return (f"Photographs for one place ({', '.join(several)}): each was shown in turn, and the answer is the mean.",)
    return ()


def photograph(file: str | Path | bytes, name: str, size: int, window: tuple[float, ...] = ()) -> bytes:
    """The photograph, resampled as in training. name: what an error calls one that is given as bytes."""
    if isinstance(file, bytes):
        return resample(file, size, name, window)
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"The photograph {name}: cannot read {file} ({os.strerror(error.errno or 0)}).") from error
    return resample(data, size, str(file), window)


def _found(study: Study, folder: Path, name: str) -> Path:
    """The photograph's file in this folder, or in the folders of it that the study names."""
    anywhere = replace(study, image_folders=("", *study.image_folders))
    return folder / (find_image(anywhere, folder, name) or name)


def _text(value: Any, decimal: str) -> str:
    """A cell as the study's CSV file would have it; missing values of a data frame are empty."""
    if value is None or (not isinstance(value, str) and str(value) in ("nan", "NaT", "<NA>")):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with a gap is one of floats in a data frame
    return str(value).replace(".", decimal) if isinstance(value, float) else str(value).strip()
