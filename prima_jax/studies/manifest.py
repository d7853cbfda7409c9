"""Reads a study's CSV file and its photographs into records with named fields."""

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prima_jax.errors import UserError
from prima_jax.studies.photographs import compare
from prima_jax.studies.study import Attribute, Record, Study, Value

__all__ = ["LoadedStudy", "is_drawn", "parse_fields", "read", "spellings"]

YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
DRAWN = ", drawn by a program"


@dataclass(frozen=True)
class LoadedStudy:
    """A study read from a folder: its records in the order of the file, and findings about its photographs."""

    study: Study
    folder: Path
    records: tuple[Record, ...]
    missing_images: tuple[str, ...]
    """Ids of rows left out because their photograph is not there (only where the study allows it)."""
    identical: tuple[tuple[str, ...], ...]
    """Groups of record ids whose photographs are identical up to size and compression."""
    pixels: str
    """A hash of all photographs' pixels."""


def read(study: Study, folder: str | Path, *, cache: Path | None = None) -> LoadedStudy:
    """Reads the manifest, checks every row and decodes every photograph; the result is cached in the folder `cache`.

    A folder that is marked as synthetic is read as a synthetic study, and its title says so.

    Raises UserError for: no folder or manifest, columns that are missing or there twice, an unknown class, image type or
    category, a number that is none, an empty subject or unit, a photograph that is not there, cannot be decoded or stands
    in two rows, a unit with two diagnoses or two subjects.
    """
    folder = Path(folder)
    if is_drawn(folder):
        study = replace(study, synthetic=True, title=study.title.removesuffix(DRAWN) + DRAWN)
    path = study.manifest_path(folder)
    records: list[Record] = []
    missing: list[str] = []
    lines: dict[str, int] = {}
    for line, row in _rows(study, folder):
        where = f"{path}, line {line}"
        record = _record(study, folder, row, where)
        if record is None:
            missing.append(row[study.image_column])
            continue
        if record.image in lines:
            raise UserError(
                f"{where}: the photograph {record.id!r} already stands in line {lines[record.image]}; "
                f"keep one row for each photograph."
            )
        lines[record.image] = line
        records.append(record)
    if not records:
        searched = ", ".join(str(folder / name) for name in study.image_folders)
        raise UserError(f"{path}: none of its {len(missing)} rows has a photograph in {searched}; put them there.")
    _check_units(records, lines, path, study)
    compared = compare(
        [str(folder / record.image) for record in records],
        [f"{path}, line {lines[r.image]}" for r in records],
        cache=cache,
    )
    identical = tuple(tuple(records[n].id for n in group) for group in compared.identical)
    return LoadedStudy(study, folder, tuple(records), tuple(missing), identical, compared.digest)


def parse_fields(study: Study, values: Mapping[str, str], where: str) -> dict[str, Value]:
    """Parses raw texts by attribute name into fields, without the missing ones; UserErrors start with `where`."""
    fields = {}
    for name, text in values.items():
        attribute = study.attribute(name)
        if text.strip() not in study.missing:
            fields[name] = _value(attribute, text.strip(), where)
    return fields


def spellings(study: Study, records: Sequence[Record]) -> list[tuple[str, tuple[str, ...]]]:
    """Returns columns with values that differ only in case and blanks, and these values: a category whose values the study
    does not list counts each as another one.
    """
    groups = []
    for attribute in study.attributes:
        if attribute.kind == "category" and not attribute.values:
            alike: dict[str, set[str]] = {}
            for value in {str(r.fields[attribute.name]) for r in records if attribute.name in r.fields}:
                alike.setdefault(" ".join(value.casefold().split()), set()).add(value)
            groups += [(attribute.column, tuple(sorted(group))) for group in alike.values() if len(group) > 1]
    return sorted(groups)


def is_drawn(folder: Path) -> bool:
    """Returns True if a study's folder is marked as synthetic, so that its figures are never taken for patients'."""
    try:
        truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(truth, dict) and truth.get("synthetic") is True


def _rows(study: Study, folder: Path) -> list[tuple[int, dict[str, str]]]:
    """Yields every row with its line number; cells are stripped."""
    path = study.manifest_path(folder)
    if not folder.is_dir():
        raise UserError(
            f"No data folder for {study.title}: looked for {folder.absolute()}, which should hold {study.manifest} and "
            f"the photographs; set config.data.dir to it."
        )
    if not path.is_file():
        raise UserError(f"No {study.manifest} for {study.title} in {folder.absolute()}; put it there.")
    try:
        # utf-8-sig also reads the byte order mark that spreadsheets write.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(study, path, reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV file in UTF-8 ({error}); save it as one.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    if not rows:
        raise UserError(f"{path} has a header but no rows.")
    for line, row in rows:
        if None in row or None in row.values():
            raise UserError(f"{path}, line {line}: not as many cells as the header has columns; mend the row.")
    return [(line, {column: cell.strip() for column, cell in row.items()}) for line, row in rows]


def _check_columns(study: Study, path: Path, present: Sequence[str]) -> None:
    expected = [study.image_column, study.label_column, *study.subject_columns, *study.unit_columns]
    expected += [study.image_type_column] if study.image_type_column else []
    expected += [attribute.column for attribute in study.attributes]
    absent = [column for column in dict.fromkeys(expected) if column not in present]
    if absent:
        raise UserError(
            f"{path} lacks the column(s) {', '.join(absent)}; it has {', '.join(present) or 'none'}: "
            f"add them, or change the column names of the study."
        )
    twice = [column for column in dict.fromkeys(expected) if present.count(column) > 1]
    if twice:
        raise UserError(f"{path} has the column(s) {', '.join(twice)} more than once; keep one of each, or rename the others.")


def _record(study: Study, folder: Path, row: Mapping[str, str], where: str) -> Record | None:
    """Returns one row as a record; None where its photograph is missing and the study allows that."""
    for column in (study.image_column, *study.subject_columns, *study.unit_columns):
        if not row[column]:
            raise UserError(f"{where}: the column {column} is empty; every photograph needs a value there.")
    label = _known(row[study.label_column], study.classes, where, study.label_column, "class")
    image_type = row[study.image_type_column] if study.image_type_column else ""
    if study.image_types:
        _known(image_type, study.image_types, where, study.image_type_column, "image type")
    fields = parse_fields(study, {a.name: row[a.column] for a in study.attributes}, where)
    image = _find_image(study, folder, row[study.image_column])
    if image is None:
        if study.skip_missing_images:
            return None
        searched = ", ".join(study.image_folders)
        raise UserError(f"{where}: the photograph {row[study.image_column]!r} does not exist; looked in {searched} of {folder}.")
    return Record(
        id=row[study.image_column],
        image=image,
        unit="/".join(row[column] for column in study.unit_columns),
        subject="/".join(row[column] for column in study.subject_columns),
        label=label,
        image_type=image_type,
        fields=fields,
    )


def _known(text: str, known: Mapping[str, str], where: str, column: str, kind: str) -> int:
    """Returns the position of a raw value among the known ones; raises UserError for others."""
    if text not in known:
        raise UserError(f"{where}: unknown {kind} {text!r} in column {column}; known are {', '.join(known)}.")
    return list(known).index(text)


def _value(attribute: Attribute, text: str, where: str) -> Value:
    if attribute.kind == "yes_no":
        if text.lower() not in YES_NO:
            raise UserError(f"{where}: {attribute.column} should be yes or no, true or false, 1 or 0, not {text!r}.")
        return YES_NO[text.lower()]
    if attribute.kind == "number":
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UserError(f"{where}: {attribute.column} should be a number, not {text!r}.")
        return number
    if not attribute.values:
        return text
    if text not in attribute.values and text in attribute.values.values():  # a word stands for itself
        return text
    _known(text, attribute.values, where, attribute.column, "value")
    return attribute.values[text]


def _find_image(study: Study, folder: Path, name: str) -> str | None:
    """Returns the photograph's path relative to the study's folder, or None."""
    if not Path(name).name:  # "." or "/"
        return None
    names = [str(Path(name).with_suffix(suffix)) for suffix in study.image_suffixes] or [name]
    for directory in study.image_folders:
        for candidate in names:
            if os.path.isfile(folder / directory / candidate):  # Path.is_file raises for a name that is too long
                return (Path(directory) / candidate).as_posix()
    return None


def _check_units(records: list[Record], lines: Mapping[str, int], path: Path, study: Study) -> None:
    """Raises UserError for a unit with several diagnoses or subjects, since folds and labels would be undefined."""
    first: dict[str, Record] = {}
    for record in records:
        other = first.setdefault(record.unit, record)
        where = f"{path}, lines {lines[other.image]} and {lines[record.image]}"
        if record.label != other.label:
            names = study.class_names
            raise UserError(
                f"{where}: the unit {record.unit} has two diagnoses, {names[other.label]} and {names[record.label]}; "
                f"correct one, or give them different {', '.join(study.unit_columns)}."
            )
        if record.subject != other.subject:
            raise UserError(
                f"{where}: the unit {record.unit} belongs to two subjects, {other.subject} and {record.subject}; "
                f"add the subject's column to unit_columns."
            )
