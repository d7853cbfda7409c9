"""The ranges and sets of the values that a run trains on: writes them, reads them, and names fields with a value outside."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prima_jax.errors import UserError
from prima_jax.files import write_whole
from prima_jax.json_text import read_object
from prima_jax.studies.study import Attribute, Record, Study, Value

__all__ = ["keep_seen", "never_seen", "read_seen", "write_seen"]

_FILE = "seen.json"


def keep_seen(folder: Path, study: Study, records: Sequence[Record]) -> None:
    """Writes attribute -> the least and greatest number, or the set of other values, in these records; and the image types.

    "subjects": of each value of a set, how many subjects have it.
    """
    fields = {a.name: _summary(a, [r.fields[a.name] for r in records if a.name in r.fields]) for a in study.shown()}
    whose = {(name, value): set[str]() for name, values in fields.items() for value in values}
    for record in records:
        for field in record.fields.items() & whose.keys():
            whose[field].add(record.subject)
    sets = [attribute.name for attribute in study.shown() if attribute.kind != "number"]
    write_seen(
        folder,
        {
            "fields": fields,
            "subjects": {name: [len(whose[name, value]) for value in fields[name]] for name in sets},
            "image_types": sorted({record.image_type for record in records}),
        },
    )


def write_seen(folder: Path, seen: Mapping[str, Any]) -> None:
    """Writes what `read_seen` returns."""
    write_whole(folder / _FILE, json.dumps(seen, indent=1, ensure_ascii=False).encode())


def read_seen(folder: Path) -> dict[str, Any] | None:
    """Returns what `keep_seen` wrote there, None of a run that kept nothing. Raises UserError for a damaged file."""
    if not (folder / _FILE).exists():
        return None
    advice = "give prima run the command that made this run again, which writes it anew."
    found = read_object(folder / _FILE, advice)
    fields, types = found.get("fields"), found.get("image_types")
    if not isinstance(types, list) or not isinstance(fields, dict) or not all(isinstance(v, list) for v in fields.values()):
        raise UserError(f"{folder / _FILE} is not as it was written; {advice}")
    return found


def never_seen(seen: Mapping[str, Any], fields: Mapping[str, Value], image_type: str) -> list[str]:
    """Returns the names of fields with a value that no record had, "image type" among them; a number: outside of their range."""
    names = [name for name, value in fields.items() if not _was_seen(value, seen["fields"].get(name, []))]
    return names + ["image type"] * (image_type not in seen["image_types"])


def _summary(attribute: Attribute, values: Sequence[Value]) -> list[Value]:
    if attribute.kind == "number" and values:
        return [min(values), max(values)]
    return sorted(set(values))


def _was_seen(value: Value, of_records: Sequence[Any]) -> bool:
    if isinstance(value, float):
        return [type(end) for end in of_records] == [float, float] and of_records[0] <= value <= of_records[1]
    return value in of_records
