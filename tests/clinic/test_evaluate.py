"""A model on a labelled cohort: its figures are those of its answers, whatever the cohort calls its columns."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

import prima_jax
from prima_jax.clinic.evaluate import as_trained, evaluate
from prima_jax.clinic.evaluation_page import as_text, write_evaluation
from prima_jax.errors import UserError
from prima_jax.studies.manifest import read
from prima_jax.studies.synthetic.write import write_study

pytestmark = pytest.mark.slow


def test_figures_are_those_of_the_answers_under_any_names_of_columns(bundle: Path, tmp_path: Path):
    model = prima_jax.load(bundle)
    write_study(tmp_path / "cohort", units=30, seed=5, image_size=32)
    reading = read(model.study, tmp_path / "cohort")
    results, lines = evaluate(model, reading, ["sex"])
    with (tmp_path / "cohort" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    answers = {one.name: one for one in model.predict(rows, images=tmp_path / "cohort" / "images", error_rate=0.2)}
    assert {line["record"] for line in lines} == answers.keys() and results["cases"] == 30
    for line in lines:
        one = answers[line["record"]]
        assert [line[f"p_{name}"] for name in one.class_names] == pytest.approx(one.probabilities, abs=1e-5)
    score = f1_score([line["label"] for line in lines], [line["predicted"] for line in lines], average="macro")
    assert results["intervals"]["macro_f1"]["estimate"] == pytest.approx(score)
    covered = [line["label"] in answers[line["record"]].prediction_set for line in lines]
    of_all = next(one for one in results["prediction_sets"] if one["group"] == "all" and one["error_rate"] == 0.2)
    assert of_all["covered"] == pytest.approx(np.mean(covered)) and sum(one["cases"] for one in results["subgroups"]["sex"]) == 30

    write_evaluation(tmp_path / "out", results, lines)
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["cases"] == 30
    assert "SYNTHETIC" in (tmp_path / "out" / "report.html").read_text() and "30 cases" in as_text(results)

    shutil.copytree(tmp_path / "cohort", tmp_path / "renamed")
    text = (tmp_path / "renamed" / "manifest.csv").read_text()
    (tmp_path / "renamed" / "manifest.csv").write_text(text.replace("organism", "germ", 1).replace(",age,", ",years,", 1))
    attributes = tuple(replace(a, column="years") if a.name == "age" else a for a in model.study.attributes)
    study = replace(model.study, label_column="germ", attributes=attributes)
    assert evaluate(model, read(study, tmp_path / "renamed"), ["sex"])[1] == lines

    other = replace(reading, study=replace(reading.study, classes={**model.study.classes, "fungal": "viral keratitis"}))
    with pytest.raises(UserError, match="The cohort has the class viral keratitis"):
        evaluate(model, other)


def test_what_a_cohort_calls_or_counts_otherwise_is_told(bundle: Path, tmp_path: Path):
    model = prima_jax.load(bundle)
    write_study(tmp_path, units=4, seed=5, image_size=32)
    reading = read(model.study, tmp_path)
    months = [replace(one, fields={**one.fields, "age": 700.0}) for one in reading.records]
    without_sex = [replace(one, fields={k: v for k, v in one.fields.items() if k != "sex"}) for one in months]
    results, _ = evaluate(model, replace(reading, records=tuple(without_sex)))
    text = as_text(results)
    assert "NEVER GIVEN in this cohort, of what the model reads: sex." in text and "the values of age in 100.0 % of the" in text
    as_words = tuple(replace(a, kind="category") if a.name == "age" else a for a in model.study.attributes)
    with pytest.raises(UserError, match="The cohort's age is a category, and the model's a number"):
        evaluate(model, replace(reading, study=replace(reading.study, attributes=as_words)))
    assert {one.image_type for one in as_trained(replace(model.study, image_types={}), reading)} == {""}
