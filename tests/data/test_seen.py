"""A value that no record of a run had is found; the file holds ranges and sets, and no record."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prima_jax.data.seen import keep_seen, never_seen, read_seen
from prima_jax.studies.study import Attribute
from tests.data.cohort import STUDY, record

FREE = replace(STUDY, attributes=(*STUDY.attributes, Attribute("site", "site", "category", "On the {value}.")))
FIELDS = [{"age": 35.0, "site": "arm", "pain": True}, {"age": 60.0, "site": "back", "pain": True, "biopsy": True}, {}]
RECORDS = [replace(record(f"p{n}", f"u{n}", f"s{n}"), fields=fields, image_type="white") for n, fields in enumerate(FIELDS)]


@pytest.mark.parametrize(
    ("fields", "image_type", "expected"),
    [
        ({"age": 35.0, "site": "back", "pain": True}, "white", []),
        ({"age": 999.0, "site": "elbow"}, "white", ["age", "site"]),
        ({"age": 34.9}, "white", ["age"]),
        ({"pain": False}, "blue", ["pain", "image type"]),
        ({"size": 2.0}, "white", ["size"]),  # no record had a size
    ],
)
def test_what_no_record_had_is_named(tmp_path: Path, fields: dict, image_type: str, expected: list[str]):
    keep_seen(tmp_path, FREE, RECORDS)
    assert never_seen(read_seen(tmp_path), fields, image_type) == expected


def test_what_is_kept_are_ranges_and_sets_of_what_models_see(tmp_path: Path):
    assert read_seen(tmp_path) is None
    keep_seen(tmp_path, FREE, RECORDS)
    assert json.loads((tmp_path / "seen.json").read_text()) == {
        "fields": {"sex": [], "age": [35.0, 60.0], "size": [], "pain": [True], "site": ["arm", "back"]},
        "subjects": {"sex": [], "pain": [2], "site": [1, 1]},
        "image_types": ["white"],
    }
