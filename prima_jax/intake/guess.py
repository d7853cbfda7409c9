"""Guesses what the columns of a cohort's CSV files mean, each with its reason, in counts and never in values."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from prima_jax.errors import UserError
from prima_jax.intake.words import DIAGNOSIS, HINTS, MISSING, PERSONAL, SITE, SUBJECT, UNIT
from prima_jax.studies.records import IMAGE_SUFFIXES
from prima_jax.studies.study import SIDE
from prima_jax.studies.table import Table

__all__ = ["FEWEST", "Guesses", "guess", "known_values"]

FEWEST = 5
"""Subjects that share a value of an attribute, or rows that share a diagnosis, before it may be written into a config."""
_MOST_CLASSES = 20
Rows = list[dict[str, str]]


@dataclass
class Guesses:
    """The keys of a study with their guessed values, and why."""

    keys: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    rows: Rows = field(default_factory=list)
    """One for each photograph, the second file joined and sides apart."""
    taken: set[str] = field(default_factory=set)
    """Columns that are no attributes."""

    def say(self, key: str, value: Any, reason: str) -> None:
        self.keys[key], self.reasons[key] = value, reason


def guess(table: Table, second: Table | None) -> Guesses:
    """Returns all keys of a study but its attributes. Raises UserError where no column names photographs or diagnoses."""
    found = Guesses(rows=[row for _, row in table.rows])
    found.say("manifest", table.path.name, f"{len(table.rows)} rows")
    if second:
        _join(found, table, second)
    words = sorted({text for row in found.rows for text in row.values() if text.lower() in MISSING} | {""})
    found.say("missing", tuple(words), "these words were found, in any column")
    _photographs(found, table.path.parent)
    _label(found)
    _people(found)
    _site(found)
    return found


def known_values(rows: Sequence[Mapping[str, str]], column: str) -> Counter[str]:
    """Returns the values of a column that are not words for missing, and how many rows have each."""
    return Counter(row[column] for row in rows if row.get(column, "").lower() not in MISSING)


def _join(found: Guesses, table: Table, second: Table) -> None:
    """Joins by the column of both files whose values the second one has once each."""
    joined = [row for _, row in second.rows]
    for key in (column for column in table.columns if column in second.columns):
        known = {row[key]: row for row in joined}
        if len(known) == len(joined) and all(row[key] in known for row in found.rows):
            found.rows = [{**known[row[key]], **row} for row in found.rows]
            reason = f"{len(found.rows)} of {len(found.rows)} rows have a row there"
            found.say("join", {"manifest": second.path.name, "key": key}, reason)
            return
    raise UserError(f"{second.path} has no column in common with {table.path} that names each of its rows once; name it alike.")


def _photographs(found: Guesses, folder: Path) -> None:
    """Finds the column of the photographs, or the columns of two sides, and where they lie."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES]
    by_name: dict[str, Path] = {path.stem: path for path in files} | {path.name: path for path in files}
    shares = {}
    for column in found.rows[0] if found.rows else ():
        values = known_values(found.rows, column)
        named = sum(Path(text).name in by_name or Path(text).suffix.lower() in IMAGE_SUFFIXES for text in values)
        if named > len(values) / 2:
            shares[column] = (named, len(values))
    if not shares:
        raise UserError("No column names photographs that lie beside the file or below: put them there, in a folder images.")
    image = max(shares, key=lambda column: shares[column])
    sides = _sides(list(shares), list(found.rows[0]))
    if sides:
        image = next(iter(dict(sides[0][1])))
        found.say("sides", sides, f"{len(sides)} columns name photographs, and differ in the word for a side")
        of_sides = [
            {**row, SIDE: name, **{to: row[source] for to, source in side.items()}} for row in found.rows for name, side in sides
        ]
        found.rows = [row for row in of_sides if row[image].lower() not in MISSING]
        found.taken |= {source for _, side in sides for source in side.values()}
    names = known_values(found.rows, image)
    there = [by_name[Path(name).name] for name in names if Path(name).name in by_name]
    found.say("image_column", image, f"{len(there)} of {len(names)} names are files here; {sum(names.values())} rows")
    places = Counter(_place(path, next(iter(names))) for path in there)
    found.say("image_folders", tuple(place for place, _ in places.most_common()) or ("images",), "where these files lie")
    if any(Path(name).name not in {path.name for path in files} for name in names):
        suffixes = tuple(sorted({path.suffix for path in there}))
        found.say("image_suffixes", suffixes, "the names in the file lack them, or have others")
    found.taken.add(image)


def _place(path: Path, name: str) -> str:
    """Returns the folder of a photograph, without what its name in the file says of it."""
    inside = len(Path(name).parts) - 1
    return Path(*path.parts[: len(path.parts) - 1 - inside]).as_posix()


def _sides(images: Sequence[str], columns: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Returns each side with {column of the study: column of the file}, the photograph first; none without two such columns."""
    for one, other in combinations(images, 2):
        for left, right in HINTS:
            turned = {column: re.sub(re.escape(left), right, column, flags=re.IGNORECASE).lower() for column in columns}
            pairs = [(a, b) for a, said in turned.items() for b in columns if said == b.lower() and a.lower() != said]
            pair = next((pair for pair in pairs if set(pair) == {one, other}), None)
            if pair:
                pairs.sort(key=lambda found: found != pair)
                names = {a: re.sub(re.escape(left), "", a, flags=re.IGNORECASE).strip(" -_") or a for a, _ in pairs}
                return [(left, {names[a]: a for a, _ in pairs}), (right, {names[a]: b for a, b in pairs})]
    return []


def _label(found: Guesses) -> None:
    """Finds the column of the diagnosis, or the columns of 0 and 1 of which each row has one 1."""
    columns = [column for column in found.rows[0] if column not in found.taken]
    counts = {column: known_values(found.rows, column) for column in columns}
    few = [column for column in columns if 2 <= len(counts[column]) <= _MOST_CLASSES]
    named = [column for column in few if DIAGNOSIS.search(column)]
    one_hot = [] if named else _one_hot(found.rows, columns)
    if one_hot:
        found.say("label_columns", tuple((name, name) for name in one_hot), "each row has one 1 among them")
        found.say("classes", tuple((name, name) for name in one_hot), "their order is that of the tables; write words")
        found.taken |= set(one_hot)
        return
    if not few:
        raise UserError("No column has between 2 and 20 values: name the one of the diagnosis label, and give the command again.")
    label = (named or sorted(few, key=lambda column: len(counts[column])))[0]
    reason = "its name speaks of a diagnosis" if named else "no name speaks of a diagnosis, and it has fewest values"
    found.say("label_column", label, f"{reason}; {len(counts[label])} values in {sum(counts[label].values())} rows")
    classes = sorted(value for value, rows in counts[label].items() if rows >= FEWEST)
    rest = len(counts[label]) - len(classes)
    left_out = f"; {rest} values with fewer than {FEWEST} rows are not written here" if rest else ""
    found.say("classes", tuple((value, value) for value in classes), f"pairs (value, its words){left_out}")
    found.taken.add(label)


def _one_hot(rows: Rows, columns: Sequence[str]) -> list[str]:
    """Returns the longest run of columns with 0 and 1 of which each row has one 1; those without any are left out."""
    numbers = {column: [row[column].removesuffix(".0") for row in rows] for column in columns}
    binary = [column for column in columns if set(numbers[column]) <= {"0", "1"}]
    for start, end in sorted(combinations(range(len(binary) + 1), 2), key=lambda run: run[0] - run[1]):
        run = binary[start:end]
        if len(run) > 1 and all(sum(numbers[c][n] == "1" for c in run) == 1 for n in range(len(rows))):
            used = [column for column in run if "1" in numbers[column]]
            return used if len(used) > 1 else []
    return []


def _people(found: Guesses) -> None:
    """Finds the columns of the person and of what has one diagnosis."""
    columns = [column for column in found.rows[0] if column not in found.taken]
    image = found.keys["image_column"]
    subjects = [column for column in columns if SUBJECT.search(column) and not PERSONAL.search(column)]
    named = [column for column in columns if UNIT.search(column) and not _is_open(found.rows, column)]
    subject = (
        max(subjects, key=lambda column: (column.lower() != "id", len(known_values(found.rows, column)))) if subjects else ""
    )
    if not subject:
        subject = next((column for column in named if column != SIDE), image)
    units = [column for column in (*named, SIDE) if column in columns and column != subject] if subject != image else []
    unit = list(dict.fromkeys([subject, *units]))
    people = len({row[subject] for row in found.rows})
    reason = f"{people} different ones in {len(found.rows)} rows" + ("; no column names a person" if subject == image else "")
    found.say("subject_columns", (subject,), reason)
    reason = "what has one diagnosis"
    if _torn(found, unit, [name for name, _ in found.keys.get("label_columns", ())] or [found.keys["label_column"]]):
        unit, reason = [*unit, image], "each photograph for itself, since else a unit would have two diagnoses"
    found.say("unit_columns", tuple(dict.fromkeys(unit)), reason)
    found.taken |= {subject, *(column for column in unit if column != SIDE)}


def _site(found: Guesses) -> None:
    """Finds the column of the hospital, where every row has one."""
    for column in (column for column in found.rows[0] if column not in found.taken and SITE.search(column)):
        number = len(known_values(found.rows, column))
        apart = not _torn(found, found.keys["unit_columns"], [column])
        if 2 <= number <= _MOST_CLASSES and apart and not _is_open(found.rows, column):
            advice = f"--config.split.group=site --config.folds={number} holds out each once"
            found.say("site_columns", (column,), f"{number} different ones, where a photograph was taken; {advice}")
            found.taken.add(column)
            return


def _is_open(rows: Rows, column: str) -> bool:
    """Returns True for a column with gaps, which names no unit."""
    return sum(known_values(rows, column).values()) < len(rows)


def _torn(found: Guesses, unit: Sequence[str], sources: Sequence[str]) -> bool:
    """Returns True where rows of one unit differ in the columns `sources`."""
    seen: dict[tuple[str, ...], tuple[str, ...]] = {}
    for row in found.rows:
        said = tuple(row[column] for column in sources)
        if seen.setdefault(tuple(row[column] for column in unit), said) != said:
            return True
    return False
