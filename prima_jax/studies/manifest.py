"""Reads a study's rows and its photographs into records with named fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

from prima_jax.errors import UserError, shown
from prima_jax.json_text import read_object
from prima_jax.problems import Problems
from prima_jax.studies.copies import compare
from prima_jax.studies.records import find_image, to_record
from prima_jax.studies.rows import study_rows
from prima_jax.studies.study import Record, Study, Value

__all__ = ["LoadedStudy", "contradictions", "gather", "is_drawn", "read", "spellings"]

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
    in two rows, a unit with two diagnoses, subjects or sites. Of several problems it is the first; photographs are decoded
    only where the rows have none.
    """
    problems = Problems()
    rows = gather(study, folder, problems)
    problems.raise_first()
    reading = rows.compared(problems, cache)
    problems.raise_first()
    return reading


@dataclass(frozen=True)
class Rows:
    """A study's rows as far as they can be read."""

    study: Study
    folder: Path
    records: tuple[Record, ...]
    lines: Mapping[str, int]
    """Photographs that are there, also of rows that are no records, and the line of each."""
    missing: tuple[int, ...]

    def compared(self, problems: Problems, cache: Path | None) -> LoadedStudy:
        """Returns the study with what comparing its photographs finds; adds those that cannot be decoded to the problems."""
        path = self.study.manifest_path(self.folder)
        compared = compare(
            [str(self.folder / image) for image in self.lines],
            [f"{path}, line {line}" for line in self.lines.values()],
            problems,
            window=self.study.window,
            cache=cache,
        )
        ids = {record.image: record.id for record in self.records}
        images = list(self.lines)
        groups = ([ids[images[n]] for n in group if images[n] in ids] for group in (compared.identical if compared else ()))
        return LoadedStudy(
            self.study,
            self.folder,
            self.records,
            tuple(self.lines[record.image] for record in self.records),
            self.missing,
            tuple(map(tuple, groups)),
            compared.digest if compared else "",
        )


def gather(study: Study, folder: str | Path, problems: Problems) -> Rows:
    """Reads the manifest and finds its photographs; adds to the problems all that `read` raises, but for undecodable ones.

    Raises UserError where there are no rows to read.
    """
    folder = Path(folder)
    if is_drawn(folder):
        study = replace(study, synthetic=True, title=study.title.removesuffix(DRAWN) + DRAWN)
    path = study.manifest_path(folder)
    records: list[Record] = []
    missing: list[int] = []
    lines: dict[str, int] = {}
    for line, row in study_rows(study, folder, problems):
        where = f"{path}, line {line}"
        name = row[study.image_column]
        image = find_image(study, folder, name)
        record = to_record(study, row, image or "", where, problems)
        if image is None and study.skip_missing_images:
            missing.append(line)
        elif image is None and name:  # an empty name has been told
            searched = f"{', '.join(study.image_folders)} of {folder}"
            told = f"the photograph does not exist ({shown(name)}); looked in {searched}: put it there, or take the row out"
            problems.add("photographs", f"{where}: {told}.")
        elif image in lines:
            told = f"its photograph already stands in line {lines[image]}; keep one row for each photograph"
            problems.add("photographs", f"{where}: {told}.")
        elif image is not None:
            lines[image] = line
            records += [record] if record else []
    if not lines and not problems:
        searched = ", ".join(str(folder / name) for name in study.image_folders)
        raise UserError(f"{path}: none of its {len(missing)} rows has a photograph in {searched}; put them there.")
    _check_units(records, lines, path, study, problems)
    return Rows(study, folder, tuple(records), lines, tuple(missing))


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
    units: dict[str, list[int]] = {}
    for position, record in enumerate(reading.records):
        units.setdefault(record.unit, []).append(position)
    torn = [found for positions in units.values() for found in _torn(reading, positions)]
    columns: dict[str, list[tuple[int, int]]] = {}
    for _, name, lines in sorted(torn, key=itemgetter(0)):
        columns.setdefault(reading.study.attribute(name).column, []).append(lines)
    return columns


def _torn(reading: LoadedStudy, positions: Sequence[int]) -> list[tuple[int, str, tuple[int, int]]]:
    """Each field in which the records of one unit differ, with the position and the lines at which they first do."""
    first: dict[str, tuple[Value, int]] = {}
    torn: dict[str, tuple[int, str, tuple[int, int]]] = {}
    for position in positions:
        line = reading.lines[position]
        for name, value in reading.records[position].fields.items():
            other, its_line = first.setdefault(name, (value, line))
            if value != other:
                torn.setdefault(name, (position, name, (its_line, line)))
    return list(torn.values())


def is_drawn(folder: Path) -> bool:
    """Returns True if a study's folder is marked as synthetic, so that its figures are never taken for patients'."""
    try:
        return read_object(folder / "truth.json", "it marks a synthetic study.").get("synthetic") is True
    except UserError:
        return False


def _check_units(records: list[Record], lines: Mapping[str, int], path: Path, study: Study, problems: Problems) -> None:
    """Adds each unit with several diagnoses, subjects or sites, once, since folds and labels would be undefined."""
    first: dict[str, Record] = {}
    told: set[str] = set()
    for record in records:
        other = first.setdefault(record.unit, record)
        if record.unit in told or (record.label, record.subject, record.site) == (*(other.label, other.subject, other.site),):
            continue
        told.add(record.unit)
        what = "one unit belongs to two subjects; add the subject's column to unit_columns"
        if record.subject == other.subject:
            what = "one unit belongs to two sites; correct one, or add the site's column to unit_columns"
        if record.label != other.label:
            what = f"one unit has two diagnoses; correct one, or give them different {', '.join(study.unit_columns)}"
        problems.add("units", f"{path}, lines {lines[other.image]} and {lines[record.image]}: {what}.")
