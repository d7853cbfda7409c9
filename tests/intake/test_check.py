"""prima check lists all that is wrong at once, without a patient's value."""

import csv
import json
from pathlib import Path

import pytest

from prima_jax import cli
from tests.studies.exports import gaps

STUDY = {
    "name": "gaps",
    "title": "Gaps",
    "manifest": "cases.csv",
    "label_column": "diagnosis",
    "classes": [["benign", "a benign mole"], ["malignant", "melanoma"]],
    "image_column": "image",
    "missing": ["", "NA", "n/a", "unknown", "-", "?"],
    "subject_columns": ["patient"],
    "unit_columns": ["patient"],
    "attributes": [
        {"name": "site", "kind": "category", "sentence": "It is on the {value}.", "visual": True},
        {"name": "bled", "kind": "yes_no", "sentence": "It has bled."},
        {"name": "age", "kind": "number", "sentence": "Aged {value}."},
    ],
}
CONFIG = """from configs.common import paper_recipe
from configs.pad_ufes_20 import small
from configs.tables import with_table

def get_config(preset=""):
    config = paper_recipe({study!r}, group="subject", folder={folder!r})
    if preset == "large":
        return config
    config = with_table(small(config), 0, weights=False, subgroups=())
    for stage in ("knowledge", "align", "refine", "image_only", "diagnose"):
        config[stage].batch_size = 8
    return config
"""


@pytest.fixture
def cohort(tmp_path):
    gaps(tmp_path)
    return tmp_path


def check(cohort: Path, *more: str, preset: str = "", **changes: object) -> int:
    study = json.loads(json.dumps(STUDY)) | changes
    config = cohort / "study.py"
    config.write_text(CONFIG.format(study=study, folder=str(cohort)))
    return cli.main(["check", f"--config={config}{preset and ':'}{preset}", *more])


def change(cohort: Path, *cells: tuple[int, str, str]) -> None:
    with (cohort / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, column, value in cells:
        rows[row][column] = value
    with (cohort / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_study_without_problems_is_counted(cohort, capsys):
    before = sorted(cohort.rglob("*"))
    assert check(cohort) == 0
    told = capsys.readouterr().out
    assert "Gaps: 30 photographs, 30 units, 30 subjects, in 5 folds." in told
    assert "benign: 15 photographs, 15 units, 15 subjects; so few" in told and "age: 50%" in told
    # Nothing is written but the study's own file, by the test, and what Python compiles of it.
    assert [p for p in sorted(cohort.rglob("*")) if p.name != "study.py" and "__pycache__" not in p.parts] == before


def test_all_problems_are_listed_at_once_and_no_value(cohort, capsys):
    change(
        cohort, (0, "age", "83 years"), (0, "bled", "perhaps"), (3, "age", "old"), (4, "diagnosis", "secret"),
        (6, "patient", "P7"), (8, "patient", ""),
    )  # fmt: skip
    (cohort / "images" / "p5.png").unlink()
    (cohort / "images" / "p4.png").write_bytes(b"no photograph")
    assert check(cohort, "--config.align.batch_size=64", "--config.models.llm.weights=nowhere") == 2
    told = capsys.readouterr().err
    for words in (
        "column age (2)", "line 2: age should be", "line 5: age should be", "column bled (1)", "column diagnosis (1)",
        "line 6: unknown class", "column patient (1)", "line 10: the column patient is empty", "photographs (2)",
        "line 7: the photograph does not exist", "line 6: the photograph", "units (1)",
        "lines 8 and 9: one unit", "models.llm (1)",
    ):  # fmt: skip
        assert words in told, words
    assert not any(value in told for value in ("83", "perhaps", "secret"))


def test_a_missing_column_does_not_hide_the_other_problems(cohort, capsys):
    change(cohort, (0, "age", "old"))
    attributes = [*STUDY["attributes"], {"name": "sex", "kind": "category", "sentence": "A {value}."}]
    assert check(cohort, attributes=attributes) == 2
    told = capsys.readouterr().err
    assert "lacks the column(s) sex" in told and "line 2: age should be" in told


def test_folds_classes_and_batches_are_told_with_the_numbers_that_fit(cohort, capsys):
    large = ("--config.align.batch_size=64", "--config.refine.batch_size=32")
    assert check(cohort, *large) == 2
    told = capsys.readouterr().err
    assert "batch sizes (2)" in told and "align.batch_size is 64, more than the 24 examples" in told
    assert check(cohort, "--config.folds=20") == 2
    told = capsys.readouterr().err
    assert "folds (2)" in told and "The class benign has 15 subjects" in told


def test_batches_are_shrunk_to_the_smallest_fold_where_the_config_says_so(cohort, capsys):
    assert check(cohort, "--config.align.batch_size=64", "--config.refine.batch_size=32", "--config.shrink_batches") == 0
    told = capsys.readouterr().err
    assert "are shrunk: " in told and "align.batch_size=24" in told and "refine.batch_size=24" in told


def test_sites_are_held_out_where_folds_is_their_number(cohort, capsys):
    change(cohort, *((row, "site", "ABC"[row // 2 % 3]) for row in range(30)))
    assert check(cohort, "--config.split.group=site", site_columns=["site"]) == 2
    assert "set --config.folds=3." in capsys.readouterr().err
    assert check(cohort, "--config.split.group=site", "--config.folds=3", site_columns=["site"]) == 0


def test_many_problems_of_a_kind_are_counted(cohort, capsys):
    change(cohort, *((row, "age", "old") for row in range(30)))
    assert check(cohort) == 2
    told = capsys.readouterr().err
    assert told.count("age should be a number") == 20 and "and 10 more" in told


def test_all_wrong_fields_and_absent_weights_are_listed(cohort, capsys):
    assert check(cohort, "--config.folds=1", "--config.align.batch_size=0") == 2
    told = capsys.readouterr().err
    assert "folds should be 2 or more" in told and "align.batch_size should be 1 or more" in told
    assert check(cohort, preset="large") == 2
    told = capsys.readouterr().err
    assert all(f"There are no weights for models.{name}" in told for name in ("image", "text", "llm"))
    assert "No tokenizer" not in told
