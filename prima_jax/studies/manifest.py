"""Reads a study's rows and its photographs into records with named fields."""

import math
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prima_jax.errors import UserError, shown
from prima_jax.json_text import read_object
from prima_jax.studies.copies import compare
from prima_jax.studies.rows import study_rows
from prima_jax.studies.study import YES_NO, Attribute, Record, Study, Value, as_said

__all__ = ["LoadedStudy", "contradictions", "find_image", "is_drawn", "parse_fields", "read", "spellings"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".avif", ".bmp", ".gif", ".jp2", ".ppm", ".ico", ".dcm")
"""What may be replaced by another of the study's; anything else after a dot is part of a photograph's name."""
DRAWN = ", drawn by a program"


@dataclass(frozen=True)
class LoadedStudy:
    """A study read from a folder: its records in the order of the file, and findings about its photographs."""

    study: Study
    folder: Path
    records: tuple[Record, ...]
    lines: tuple[int, ...]
    """Where each record stands in the manifest."""
    missing_images: tuple[int, ...]
    """Lines left out because their photograph is not there (only where the study allows it)."""
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
    missing: list[int] = []
    lines: dict[str, int] = {}
    for line, row in study_rows(study, folder):
        where = f"{path}, line {line}"
        record = _record(study, folder, row, where)
        if record is None:
            missing.append(line)
            continue
        if record.image in lines:
            raise UserError(
                f"{where}: its photograph already stands in line {lines[record.image]}; keep one row for each photograph."
            )
        lines[record.image] = line
        records.append(record)
    if not records:
        searched = ", ".join(str(folder / name) for name in study.image_folders)
        raise UserError(f"{path}: none of its {len(missing)} rows has a photograph in {searched}; put them there.")
    _check_units(records, lines, path, study)
    compared = compare(
        [str(folder / record.image) for record in records],
        [f"{path}, line {line}" for line in lines.values()],
        window=study.window,
        cache=cache,
    )
    identical = tuple(tuple(records[n].id for n in group) for group in compared.identical)
    return LoadedStudy(study, folder, tuple(records), tuple(lines.values()), tuple(missing), identical, compared.digest)


def parse_fields(study: Study, values: Mapping[str, str], where: str) -> dict[str, Value]:
    """Parses raw texts by attribute name into fields, without the missing ones; UserErrors start with `where`."""
    fields = {}
    for name, text in values.items():
        attribute = study.attribute(name)
        if text.strip() not in study.missing:
            fields[name] = _value(study, attribute, text.strip(), where)
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


def contradictions(reading: LoadedStudy) -> dict[str, list[tuple[int, int]]]:
    """Column -> of each unit whose photographs give it different values, the lines of the first two that do.

    A case that is a unit takes the fields of its first photograph (stages/cases.py).
    """
    first: dict[tuple[str, str], tuple[Value, int]] = {}
    torn: dict[tuple[str, str], tuple[int, int]] = {}
    for record, line in zip(reading.records, reading.lines, strict=True):
        for name, value in record.fields.items():
            other, its_line = first.setdefault((name, record.unit), (value, line))
            if value != other:
                torn.setdefault((name, record.unit), (its_line, line))
    columns: dict[str, list[tuple[int, int]]] = {}
    for (name, _), lines in torn.items():
        columns.setdefault(reading.study.attribute(name).column, []).append(lines)
    return columns


def is_drawn(folder: Path) -> bool:
    """Returns True if a study's folder is marked as synthetic, so that its figures are never taken for patients'."""
    try:
        return read_object(folder / "truth.json", "it marks a synthetic study.").get("synthetic") is True
    except UserError:
        return False


def find_image(study: Study, folder: Path, name: str) -> str | None:
    """Returns the photograph's path relative to the study's folder, or None."""
    if not Path(name).name:  # "." or "/"
        return None
    names = [name, *(name + suffix for suffix in study.image_suffixes)]
    if Path(name).suffix.lower() in IMAGE_SUFFIXES:
        names += [str(Path(name).with_suffix(suffix)) for suffix in study.image_suffixes]
    # A name with accents may be composed in the file and not on the disk, or the other way round: macOS decomposes.
    spelled = [unicodedata.normalize(form, candidate) for form in ("NFC", "NFD") for candidate in names]
    for directory in study.image_folders:
        for candidate in dict.fromkeys([*names, *spelled]):
            if os.path.isfile(folder / directory / candidate):  # Path.is_file raises for a name that is too long
                return (Path(directory) / candidate).as_posix()
    return None


def _record(study: Study, folder: Path, row: Mapping[str, str], where: str) -> Record | None:
    """Returns one row as a record; None where its photograph is missing and the study allows that."""
    for column in (study.image_column, *study.subject_columns, *study.unit_columns):
        if not row[column] or (column != study.image_column and row[column] in study.missing):
            raise UserError(f"{where}: the column {column} is empty or says 'not known'; every photograph needs a value there.")
    label = _label(study, row, where)
    image_type = row[study.image_type_column] if study.image_type_column else ""
    if study.image_types:
        _known(image_type, study.image_types, where, study.image_type_column, "image type")
    fields = parse_fields(study, {a.name: row[a.column] for a in study.attributes}, where)
    image = find_image(study, folder, row[study.image_column])
    if image is None:
        if study.skip_missing_images:
            return None
        searched = ", ".join(study.image_folders)
        name = shown(row[study.image_column])
        raise UserError(f"{where}: the photograph does not exist ({name}); looked in {searched} of {folder}.")
    return Record(
        id=row[study.image_column],
        image=image,
        unit="/".join(row[column] for column in study.unit_columns),
        subject="/".join(row[column] for column in study.subject_columns),
        label=label,
        image_type=image_type,
        fields=fields,
    )


def _label(study: Study, row: Mapping[str, str], where: str) -> int:
    """Returns the position of the row's class."""
    if study.label_column:
        return _known(row[study.label_column], study.classes, where, study.label_column, "class")
    said = []
    for column, label in study.label_columns.items():
        text = row[column].removesuffix(f"{study.decimal}0")  # ISIC writes 1.0 and 0.0
        answer = False if text in study.missing else _yes_no(study, text)
        if answer is None:
            raise UserError(f"{where}: {column} should be yes or no, 1 or 0 ({shown(text)}).")
        said += [label] if answer else []
    if len(said) != 1:
        raise UserError(f"{where}: {len(said)} of the columns {', '.join(study.label_columns)} say yes, and exactly one should.")
    return study.class_names.index(said[0])


def _known(text: str, known: Mapping[str, str], where: str, column: str, kind: str) -> int:
    """Returns the position of a raw value among the known ones; raises UserError for others."""
    if text not in known:
        raise UserError(f"{where}: unknown {kind} in column {column} ({shown(text)}); known are {', '.join(known)}.")
    return list(known).index(text)


def _value(study: Study, attribute: Attribute, text: str, where: str) -> Value:
    if attribute.kind == "yes_no":
        answer = _yes_no(study, text)
        if answer is None:
            own = "".join(f", {yes} or {no}" for yes, no in zip(study.yes, study.no, strict=False))
            raise UserError(f"{where}: {attribute.column} should be yes or no, true or false, 1 or 0{own} ({shown(text)}).")
        return answer
    if attribute.kind == "number":
        return _number(study, attribute.column, text, where)
    if not attribute.values:
        return text
    if text not in attribute.values and text in attribute.values.values():  # a word stands for itself
        return text
    _known(text, attribute.values, where, attribute.column, "value")
    return attribute.values[text]


def _yes_no(study: Study, text: str) -> bool | None:
    """Returns what the text says, in any case; None for anything else."""
    words = YES_NO | {as_said(word): True for word in study.yes} | {as_said(word): False for word in study.no}
    return words.get(as_said(text))


def _number(study: Study, column: str, text: str, where: str) -> float:
    """Returns a finite number. Raises UserError too for the decimal sign that is not the study's: it may group thousands."""
    other = {".": ",", ",": "."}[study.decimal]
    try:
        # Python's own way to group digits is nobody's in a CSV file
        number = math.nan if "_" in text or other in text else float(text.replace(study.decimal, "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        advice = f'; where {other!r} is the decimal sign, set the study\'s decimal="{other}"' if other in text else ""
        raise UserError(f"{where}: {column} should be a number ({shown(text)}){advice}.")
    return number


def _check_units(records: list[Record], lines: Mapping[str, int], path: Path, study: Study) -> None:
    """Raises UserError for a unit with several diagnoses or subjects, since folds and labels would be undefined."""
    first: dict[str, Record] = {}
    for record in records:
        other = first.setdefault(record.unit, record)
        where = f"{path}, lines {lines[other.image]} and {lines[record.image]}"
        if record.label != other.label:
            raise UserError(
                f"{where}: one unit has two diagnoses; correct one, or give them different {', '.join(study.unit_columns)}."
            )
        if record.subject != other.subject:
            raise UserError(f"{where}: one unit belongs to two subjects; add the subject's column to unit_columns.")
