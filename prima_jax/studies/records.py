"""One row of a study's file as a record: the one place where texts become values."""

import math
import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from prima_jax.errors import UserError, shown
from prima_jax.problems import Problems
from prima_jax.studies.study import YES_NO, Attribute, Record, Study, Value, as_said

__all__ = ["IMAGE_SUFFIXES", "find_image", "parse_fields", "to_record"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".avif", ".bmp", ".gif", ".jp2", ".ppm", ".ico", ".dcm")
"""What may be replaced by another of the study's; anything else after a dot is part of a photograph's name."""


def to_record(study: Study, row: Mapping[str, str], image: str, where: str, problems: Problems) -> Record | None:
    """Returns one row as a record, without the fields that cannot be read; None where subject, unit, site or class cannot.

    image: the path of its photograph.
    """
    before = len(problems)
    for column in dict.fromkeys((study.image_column, *study.subject_columns, *study.unit_columns, *study.site_columns)):
        if not row[column] or (column != study.image_column and row[column] in study.missing):
            problems.add(
                f"column {column}",
                f"{where}: the column {column} is empty or says 'not known'; every photograph needs a value there.",
            )
    label = problems.attempt(f"column {', '.join(study.label_sources)}", _label, study, row, where)
    image_type = row[study.image_type_column] if study.image_type_column else ""
    if study.image_types:
        column = study.image_type_column
        problems.attempt(f"column {column}", _known, image_type, study.image_types, where, column, "image type")
    complete = len(problems) == before
    fields: dict[str, Value] = {}
    for attribute in study.attributes:
        if attribute.column in row:
            text = {attribute.name: row[attribute.column]}
            fields |= problems.attempt(f"column {attribute.column}", parse_fields, study, text, where) or {}
    if label is None or not complete:
        return None
    return Record(
        id=row[study.image_column],
        image=image,
        unit="/".join(row[column] for column in study.unit_columns),
        subject="/".join(row[column] for column in study.subject_columns),
        label=label,
        image_type=image_type,
        fields=fields,
        site="/".join(row[column] for column in study.site_columns),
    )


def parse_fields(study: Study, values: Mapping[str, str], where: str) -> dict[str, Value]:
    """Parses raw texts by attribute name into fields, without the missing ones; UserErrors start with `where`."""
    fields = {}
    for name, text in values.items():
        attribute = study.attribute(name)
        if text.strip() not in study.missing:
            fields[name] = _value(study, attribute, text.strip(), where)
    return fields


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


def _label(study: Study, row: Mapping[str, str], where: str) -> int:
    """Returns the position of the row's class."""
    if study.label_column:
        return _known(row[study.label_column], study.classes, where, study.label_column, "class")
    said = []
    for column, label in study.label_columns.items():
        text = row[column].removesuffix(f"{study.decimal}0")  # ISIC writes 1.0 and 0.0
        answer = False if text in study.missing else _yes_no(study, text)
        if answer is None:
            raise UserError(f"{where}: {column} should be yes or no, 1 or 0 ({shown(text)}); correct it.")
        said += [label] if answer else []
    if len(said) != 1:
        raise UserError(
            f"{where}: {len(said)} of the columns {', '.join(study.label_columns)} say yes, and exactly one should; correct it."
        )
    return study.class_names.index(said[0])


def _known(text: str, known: Mapping[str, str], where: str, column: str, kind: str) -> int:
    """Returns the position of a raw value among the known ones; raises UserError for others."""
    if text not in known:
        raise UserError(
            f"{where}: unknown {kind} in column {column} ({shown(text)}); known are {', '.join(known)}; correct it, or add it "
            "to the study."
        )
    return list(known).index(text)


def _value(study: Study, attribute: Attribute, text: str, where: str) -> Value:
    if attribute.kind == "yes_no":
        answer = _yes_no(study, text)
        if answer is None:
            own = "".join(f", {yes} or {no}" for yes, no in zip(study.yes, study.no, strict=False))
            raise UserError(
                f"{where}: {attribute.column} should be yes or no, true or false, 1 or 0{own} ({shown(text)}); correct it, or "
                "add the word to the study's yes or no."
            )
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
        advice = f'where {other!r} is the decimal sign, set the study\'s decimal="{other}"' if other in text else "correct it"
        raise UserError(f"{where}: {column} should be a number ({shown(text)}); {advice}.")
    return number
