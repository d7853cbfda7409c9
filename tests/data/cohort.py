"""A tiny cohort on disk, for the tests of everything that reads one."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prima_jax.data.prepare import Prepared, prepare
from prima_jax.studies.manifest import read
from prima_jax.studies.study import Attribute, Record, Study
from tests.canaries import CANARY

STUDY = Study(
    name="tiny",
    title="Tiny",
    classes={"a": "first disease", "b": "second disease"},
    label_column="diagnosis",
    image_column="image",
    subject_columns=("subject",),
    unit_columns=("subject", "eye"),
    image_type_column="view",
    image_types={"white": "white light", "blue": "blue light"},
    missing=("", "UNK"),
    attributes=(
        Attribute("sex", "sex", "category", "A {value}.", values={"F": "woman", "M": "man"}, block="form"),
        Attribute("age", "age", "number", "Aged {value}, in the band {band}.", bins=(40.0, 60.0), visual=True),
        Attribute("size", "size", "number", "It measures {value} mm.", visual=True),
        Attribute("pain", "pain", "yes_no", "It hurts.", "It does not hurt."),
        Attribute("biopsy", "biopsy", "yes_no", "A biopsy was taken.", "No biopsy was taken.", shown=False),
    ),
)

HEADER = ("image", "subject", "eye", "view", "diagnosis", "sex", "age", "size", "pain", "biopsy")
ROWS = [
    ("p0.png", f"{CANARY}0", "L", "white", "a", "F", "35", "1.5", "True", "0"),
    ("p1.png", f"{CANARY}0", "L", "blue", "a", "F", "35", "1.5", "yes", "0"),
    ("p2.png", f"{CANARY}0", "R", "white", "b", "F", "35", "", "0", "0"),
    ("p3.png", f"{CANARY}1", "L", "white", "b", "UNK", "60", "3", "NO", "1"),
    ("p4.png", f"{CANARY}2", "L", "white", "a", "M", "", "2", "", "1"),
    ("p5.png", f"{CANARY}3", "L", "blue", "b", "M", "80", "9", "1", "0"),
]
UNITS = [[0, 1], [2], [3], [4], [5]]


def write_cohort(folder: Path, rows: Sequence[Sequence[str]] = ROWS, header: Sequence[str] = HEADER) -> Path:
    """Writes manifest.csv and a distinct photograph for each image named in `rows`."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    for row in rows:
        write_photograph(folder / "images" / row[0], seed=sum(map(ord, row[0])))
    return folder


def write_photograph(path: Path, seed: int, height: int = 30, width: int = 40) -> None:
    blocks = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC).save(path)


def prepared_cohort(folder: Path, size: int = 24) -> Prepared:
    return prepare(read(STUDY, write_cohort(folder / "raw")), folder / "cache", size=size)


def record(identifier: str, unit: str = "u", subject: str = "s", label: int = 0, **fields: object) -> Record:
    return Record(identifier, f"images/{identifier}", unit, subject, label, "", fields)  # type: ignore[arg-type]


def shared_folder(*parts: str) -> Path:
    """A folder beside the repository, or a skip that says which one is absent."""
    folder = Path(__file__).parents[2].parent.joinpath("shared", *parts)
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    return folder
