"""Statements about a record: true, false or not known, and learnt from training records alone."""

from dataclasses import replace

import numpy as np

from prima_jax.data.statements import Statements
from prima_jax.studies.study import Attribute, Record, Study

ATTRIBUTES = (
    Attribute("itch", "itch", "yes_no", "It itches.", "It does not itch."),
    Attribute("clean", "clean", "yes_no", "", "It is not clean."),
    Attribute("place", "place", "category", "It is on the {value}."),
    Attribute("age", "age", "number", "The patient is {value} years old, in the band {band}.", bins=(40.0, 60.0)),
    Attribute("days", "days", "number", "Days: {value}."),
    Attribute("biopsy", "biopsy", "yes_no", "A biopsy was taken.", shown=False),
    Attribute("silent", "silent", "yes_no", ""),
)
STUDY = Study(
    name="s",
    title="S",
    classes={"a": "a", "b": "b"},
    label_column="l",
    image_column="i",
    subject_columns=("p",),
    unit_columns=("p",),
    attributes=ATTRIBUTES,
)


def record(**fields) -> Record:
    return Record("r", "r.png", "u", "s", 0, "", fields)


TRAINING = [
    record(itch=True, place="arm", age=30.0, days=1.0, biopsy=True, silent=True),
    record(itch=False, clean=False, place="leg", days=2.0),
    record(age=70.0, days=3.0),
]


def test_every_value_makes_a_sentence():
    statements = Statements.fit(STUDY, TRAINING)
    assert dict(zip(statements.names, statements.sentences, strict=True)) == {
        "itch=yes": "It itches.",
        "clean=no": "It is not clean.",
        "place=arm": "It is on the arm.",
        "place=leg": "It is on the leg.",
        "age=bin0": "The patient is below 40 years old, in the band below 40.",
        "age=bin1": "The patient is 40 to 60 years old, in the band 40 to 60.",
        "age=bin2": "The patient is 60 or more years old, in the band 60 or more.",
        "days=bin0": "Days: below 1.66667.",
        "days=bin1": "Days: 1.66667 to 2.33333.",
        "days=bin2": "Days: 2.33333 or more.",
    }


def test_what_is_missing_is_neither_true_nor_false():
    statements = Statements.fit(STUDY, TRAINING)
    expected = [
        [1, -1, 1, 0, 1, 0, 0, 1, 0, 0],
        [0, 1, 0, 1, -1, -1, -1, 0, 1, 0],
        [-1, -1, -1, -1, 0, 0, 1, 0, 0, 1],
    ]
    np.testing.assert_array_equal(statements.labels(TRAINING), expected)


def test_a_value_never_seen_makes_every_other_false():
    statements = Statements.fit(STUDY, TRAINING)
    np.testing.assert_array_equal(statements.labels([record(place="nose")])[0], [-1, -1, 0, 0, *[-1] * 6])


def test_nothing_known_makes_no_statement_about_categories_and_open_numbers():
    statements = Statements.fit(STUDY, [record()])
    assert statements.names == ("itch=yes", "clean=no", "age=bin0", "age=bin1", "age=bin2")
    nothing = Statements.fit(replace(STUDY, attributes=()), TRAINING)
    assert nothing.sentences == () and nothing.labels(TRAINING).shape == (3, 0)
