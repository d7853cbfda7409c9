"""Cases come as a file, a data frame, records or bytes, and mean the same."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import prima_jax
from prima_jax import predict
from prima_jax.clinic.answers import Unanswered
from prima_jax.clinic.cases import NewCase, cases_of_rows, records_of
from prima_jax.errors import UserError
from prima_jax.studies.study import Attribute
from prima_jax.studies.study_config import load_study
from tests.stages.tiny import tiny_config

STUDY = load_study(tiny_config())
ROWS = [
    {"image": "a_white.png", "subject": "s1", "eye": "OD", "illumination": "white", "age": "40", "trauma": "metal", "sex": ""},
    {"image": "a_blue.png", "subject": "s1", "eye": "OD", "illumination": "blue", "age": "40", "trauma": "metal", "sex": ""},
    {"image": "b_white.png", "subject": "s2", "eye": "OS", "illumination": "white", "age": "", "trauma": "none", "sex": "male"},
]


def test_a_file_a_data_frame_and_records_are_the_same_cases(tmp_path: Path):
    file = tmp_path / "cases.csv"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)
    frame = pd.read_csv(file)  # age is a float with a gap here
    assert frame["age"].dtype == np.float64
    found = [cases_of_rows(STUDY, given, tmp_path, by_unit=True) for given in (file, str(file), frame, ROWS)]
    assert all(cases == found[0] for cases in found)
    first, second = found[0]
    assert (first.name, second.name) == ("s1/OD", "s2/OS")
    assert first.images == [("white", tmp_path / "a_white.png"), ("blue", tmp_path / "a_blue.png")]
    assert first.metadata == {"age": "40", "trauma": "metal", "sex": ""}
    assert [case.name for case in cases_of_rows(STUDY, ROWS, by_unit=False)] == ["a_white.png", "a_blue.png", "b_white.png"]


def test_numbers_of_a_data_frame_have_the_studys_decimal_sign():
    frame = pd.DataFrame({"image": ["a.png"], "illumination": ["white"], "infiltrate_size_mm": [3.5], "age": [40]})
    (case,) = cases_of_rows(replace(STUDY, decimal=","), frame, by_unit=True)
    assert case.metadata == {"infiltrate_size_mm": "3,5", "age": "40"}


def test_who_is_not_known_is_nobody_else_and_rows_that_differ_are_told():
    unknown = [{**row, "subject": "unknown", "eye": "OD"} for row in (ROWS[0], ROWS[2])]
    assert len(cases_of_rows(STUDY, unknown, by_unit=True)) == 2
    (torn,) = cases_of_rows(STUDY, [{**ROWS[0], "age": "20"}, {**ROWS[1], "sex": "male"}], by_unit=True)
    assert torn.metadata["age"] == "20" and torn.notes == ("The rows of this case differ in age: the first one's value counts.",)


def test_a_column_is_its_own_attributes_whatever_another_is_called(tmp_path: Path):
    size = Attribute("size", "size_mm", "number", "{value} mm.")
    study = replace(STUDY, attributes=(size, Attribute("size_mm", "size_text", "category", "{value}.")))
    row = {"image": "a.png", "illumination": "white", "size_mm": "3", "size": "large", "size_text": "small"}
    assert cases_of_rows(study, [row], by_unit=True)[0].metadata == {"size": "3", "size_mm": "small"}
    with pytest.raises(UserError, match="size is given twice"):
        records_of(replace(study, attributes=(size,)), 0, NewCase([("white", "a.png")], {"size": 3, "size_mm": 4}))
    (tmp_path / "cases.csv").write_text("image,age,age\na.png,40,50\n")
    with pytest.raises(UserError, match=r"column\(s\) age more than once"):
        cases_of_rows(STUDY, tmp_path / "cases.csv", by_unit=True)


def test_values_may_be_numbers_and_answers_but_one_for_each_attribute():
    values = {"infiltrate_size_mm": 3.5, "age": 40, "diabetes": True, "sex": None}
    (record,) = records_of(replace(STUDY, decimal=","), 0, NewCase([("white", "a.png")], values))
    assert record.fields == {"infiltrate_size_mm": 3.5, "age": 40.0, "diabetes": True}
    for wrong in ([40], {"years": 40}):
        with pytest.raises(UserError, match="age holds several values"):
            records_of(STUDY, 0, NewCase([("white", "a.png")], {"age": wrong}))
    with pytest.raises(UserError, match="pairs"):
        records_of(STUDY, 0, NewCase(["a.png"]))
    for wrong in (ROWS[0], NewCase([("white", "a.png")]), ["a.png"]):
        with pytest.raises(UserError, match="Cases are a list of NewCase"):
            cases_of_rows(STUDY, wrong, by_unit=True)


def test_records_have_sides_and_several_photographs_in_a_cell_as_a_file_does(tmp_path: Path):
    sides = {"left": {"photo": "left_photo"}, "right": {"photo": "right_photo"}}
    study = replace(
        STUDY, image_types={}, image_column="photo", unit_columns=("subject", "side"), sides=sides, image_separator="+"
    )
    row = {"subject": "s1", "left_photo": "a.png + b.png", "right_photo": "c.png", "age": "40"}
    (tmp_path / "cases.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    left, right = cases_of_rows(study, [row], by_unit=True)
    assert [left, right] == cases_of_rows(study, tmp_path / "cases.csv", by_unit=True)
    assert (left.name, [str(file) for _, file in left.images]) == ("s1/left", ["a.png", "b.png"]) and right.name == "s1/right"


def test_photographs_are_found_as_in_the_study(tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a_white.png").touch()
    (tmp_path / "b_white.jpg").touch()
    study = replace(STUDY, image_suffixes=(".jpg",))
    cases = cases_of_rows(study, [ROWS[0], ROWS[2]], tmp_path, by_unit=True)
    assert [case.images[0][1] for case in cases] == [tmp_path / "images" / "a_white.png", tmp_path / "b_white.jpg"]


def test_a_row_without_a_photograph_and_an_empty_file_are_told(tmp_path: Path):
    with pytest.raises(UserError, match="Row 2 of the cases has no photograph"):
        cases_of_rows(STUDY, [ROWS[0], {**ROWS[1], "image": ""}], by_unit=True)
    (tmp_path / "cases.csv").write_text("image,age\n")
    with pytest.raises(UserError, match="no rows"):
        cases_of_rows(STUDY, tmp_path / "cases.csv", by_unit=True)


@pytest.mark.slow
def test_a_file_of_cases_is_answered_into_a_file(bundle: Path, run: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr("prima_jax.clinic.commands.setup_process", lambda: None)  # it sets this process up for good
    study = run / "synthetic_study"
    cases = [f"--cases={study / 'manifest.csv'}", f"--images={study / 'images'}"]
    assert predict.main([f"--model={bundle}", *cases, f"--out={tmp_path / 'answers.csv'}"]) == 0
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert len(answers) == 40 and answers[["p_bacterial", "p_fungal"]].sum(axis=1).to_numpy() == pytest.approx(1, abs=2e-6)
    assert predict.main([f"--model={bundle}", *cases, f"--out={tmp_path / 'answers.json'}"]) == 0
    of_json = json.loads((tmp_path / "answers.json").read_text())["cases"]
    assert [case["case"] for case in of_json] == answers["case"].tolist()
    assert [case["probabilities"]["fungal"] for case in of_json] == pytest.approx(answers["p_fungal"].tolist(), abs=1e-6)
    for wrong in ([f"--image=white:{study}", *cases], [*cases, "--metadata=age=3"], [*cases, "--out=answers.xls"], []):
        assert predict.main([f"--model={bundle}", *wrong]) == 2
    assert capsys.readouterr().err.count("error: ") == 4
    broken = shutil.copytree(study / "images", tmp_path / "broken")
    next(broken.glob("*.png")).write_bytes(b"no photograph")
    out = tmp_path / "others.csv"
    assert predict.main([f"--model={bundle}", cases[0], f"--images={broken}", f"--out={out}"]) == 2
    assert "error: Of 40 cases 1 have no answer" in capsys.readouterr().err and len(pd.read_csv(out)) == 39

    model = prima_jax.load(bundle)
    file = next((study / "images").glob("*_white.png"))
    answers = model.predict([prima_jax.NewCase([("white", given)], {"age": "50"}) for given in (file, file.read_bytes())])
    assert answers[0].probabilities == pytest.approx(answers[1].probabilities, abs=1e-6)
    twice = model.predict([prima_jax.NewCase([("white", file), ("white", file)], {"age": "50"})])
    assert "each was shown in turn" in twice[0].notes[0] and not answers[0].notes
    black = np.zeros((40, 40, 3), np.uint8)
    Image.fromarray(black).save(tmp_path / "black.png")
    assert model.predict([prima_jax.NewCase([("white", tmp_path / "black.png")])])[0].unlike_training == (1,)


@pytest.mark.slow
def test_a_broken_photograph_among_many_costs_its_own_case_alone(bundle: Path, run: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("prima_jax.clinic.model.CASES_AT_ONCE", 3)
    model, files = prima_jax.load(bundle), sorted((run / "synthetic_study" / "images").glob("*_white.png"))[:7]
    cases = [prima_jax.NewCase([("white", file)], {"age": "50"}) for file in files]
    whole = model.predict(cases)
    for broken in (4, 5):
        cases[broken] = prima_jax.NewCase([("white", b"no photograph")], {"age": "50"})
    with pytest.raises(
        Unanswered, match=r"Of 7 cases 2 have no answer, .* the first is case 5: The photograph 1 of case 5 cannot be"
    ) as told:
        model.predict(cases)
    assert [one.name for one in told.value.answers] == [f"case {number}" for number in (1, 2, 3, 4, 7)]
    assert told.value.answers.probabilities == pytest.approx(whole.probabilities[[0, 1, 2, 3, 6]], abs=1e-6)
    with pytest.raises(UserError, match=r"^The photograph 1 of case 1 cannot be decoded"):
        model.predict(cases[4:6])
