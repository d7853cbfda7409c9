"""New cases, without a diagnosis: from Python, from a data frame, records or a CSV file, and as the records of a study."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prima_jax.data.builder import resample
from prima_jax.errors import UserError
from prima_jax.studies.records import find_image, parse_fields
from prima_jax.studies.rows import case_rows, photograph_rows
from prima_jax.studies.study import Record, Study

__all__ = ["NewCase", "cases_of_rows", "notes_on", "photograph", "records_of"]

_UNKNOWN = -1
"""The label of a case that has no diagnosis yet."""


@dataclass(frozen=True)
class NewCase:
    """A case without a diagnosis: its photographs and what is known of the patient."""

    images: Sequence[tuple[str, str | Path | bytes]]
    """(view, file or its bytes); the view is the empty string where the study has photographs of one kind."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Attribute, or column of the study's file, -> its value: as the file has it, a number, True or False. What is unknown is
    left out, or None."""
    name: str = ""
    """What the answer is called by."""
    notes: tuple[str, ...] = ()
    """Sentences that its answer repeats."""


def cases_of_rows(study: Study, rows: Any, images: str | Path = "", *, by_unit: bool) -> list[NewCase]:
    """Returns cases from a CSV file, a data frame, or mappings of column -> value, in the form of the study's own file.

    Rows of one unit are one case if `by_unit` and its columns say which; the first row's metadata speak for it. Columns that the
    study does not know are ignored, its own may be missing, but for that of the photograph. images: the photographs' folder.
    Raises UserError where there is no row, where one is no mapping, or has no photograph.
    """
    if isinstance(rows, (str, Path)):
        numbered = case_rows(study, Path(rows))
    else:
        numbered = list(photograph_rows(study, enumerate(_texts(study, rows), start=1)))
    grouped: dict[Any, list[Mapping[str, str]]] = {}
    for place, (number, row) in enumerate(numbered):
        if not row[study.image_column]:
            where = f"{rows}, line {number}" if isinstance(rows, (str, Path)) else f"Row {number} of the cases"
            raise UserError(f"{where} has no photograph: fill in the column {study.image_column}.")
        unit = tuple(row.get(column, "") for column in study.unit_columns)
        whole = by_unit and all(text and text not in study.missing for text in unit)  # two who are "unknown" are two
        grouped.setdefault(unit if whole else place, []).append(row)
    cases = []
    for key, of_case in grouped.items():
        files = [_found(study, Path(images), row[study.image_column]) for row in of_case]
        views = [row.get(study.image_type_column, "") if study.image_types else "" for row in of_case]
        name = "/".join(key) if isinstance(key, tuple) else of_case[0][study.image_column]
        known = [_known(study, row) for row in of_case]
        cases.append(NewCase(list(zip(views, files, strict=True)), known[0], name, _contradictions(study, known)))
    if not cases:
        raise UserError("There is no case to predict: there are no rows, or none with a photograph.")
    return cases


def records_of(study: Study, number: int, case: NewCase) -> list[Record]:
    """A case as records without a label, one for each photograph. Raises UserError for what the study does not know."""
    names = {a.column: a.name for a in study.attributes} | {a.name: a.name for a in study.attributes}
    shown, whose = {a.name for a in study.shown()}, f"case {number + 1}, metadata" if case.name else "--metadata"
    texts: dict[str, str] = {}
    for key, value in case.metadata.items():
        name = names.get(key, "")
        if name not in shown:
            raise UserError(f"{whose}: {study.name} has no attribute {key!r} to show a model; known: {', '.join(sorted(shown))}.")
        if name in texts:
            raise UserError(f"{whose}: {name} is given twice, by its name and by its column; give it once.")
        if isinstance(value, (list, tuple, dict)):
            raise UserError(f"{whose}: {key} holds several values; give one text, number, true or false.")
        texts[name] = _text(value, study.decimal)
    fields = parse_fields(study, texts, whose)
    if not case.images:
        raise UserError(f"Case {number + 1} has no photograph: give it one or more.")
    if not all(isinstance(one, (tuple, list)) and len(one) == 2 for one in case.images):
        raise UserError(f"Case {number + 1}: its images are pairs (view, file); the view is '' where there are none.")
    unit, records = f"case {number + 1}", []
    for position, (named, file) in enumerate(case.images):
        view = next(iter(study.image_types)) if len(study.image_types) == 1 else named
        if study.image_types and view not in study.image_types:
            known = ", ".join(study.image_types)
            if isinstance(file, bytes) or case.name:
                raise UserError(f"{unit}, photograph {position + 1}: say which view it is, one of {known}.")
            raise UserError(f"--image={file}: say which view it is, as VIEW:FILE with one of {known}.")
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


def _texts(study: Study, rows: Any) -> list[dict[str, str]]:
    """The rows of a data frame, or mappings, as the study's CSV file would have them."""
    records = rows.to_dict("records") if hasattr(rows, "to_dict") else rows
    if not isinstance(records, Sequence) or not all(isinstance(row, Mapping) for row in records):
        raise UserError("Cases are a list of NewCase, a data frame, a list of mappings (column: value), or a CSV file's name.")
    return [{str(column): _text(value, study.decimal) for column, value in row.items()} for row in records]


def _known(study: Study, row: Mapping[str, str]) -> dict[str, str]:
    """Returns attribute -> cell for the attributes that a model may see, from its own column or, without one, one of its name."""
    columns = {attribute.column for attribute in study.attributes}
    found = {}
    for attribute in study.shown():
        named = attribute.column in row or attribute.name in columns  # which then is another attribute's
        column = attribute.column if named else attribute.name
        if column in row:
            found[attribute.name] = row[column]
    return found


def _contradictions(study: Study, known: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """A sentence on the attributes in which the rows of one case differ."""
    said = {name: {row[name] for row in known if row.get(name, "") not in ("", *study.missing)} for name in known[0]}
    torn = [name for name, texts in said.items() if len(texts) > 1]
    return (f"The rows of this case differ in {', '.join(torn)}: the first one's value counts.",) if torn else ()


def _text(value: Any, decimal: str) -> str:
    """A value as the study's CSV file would have it; missing values, also of a data frame, are empty."""
    if value is None or (not isinstance(value, str) and str(value) in ("nan", "NaT", "<NA>")):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with a gap is one of floats in a data frame
    return str(value).replace(".", decimal) if isinstance(value, float) else str(value).strip()
