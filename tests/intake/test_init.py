"""prima init on files as archives and hospitals hand them over: the config loads, and prima check finds nothing wrong."""

from pathlib import Path
from typing import Any

import pytest

from prima_jax import cli
from prima_jax.intake.words import SUBJECT, UNIT
from prima_jax.main import load_recipe
from tests.studies.exports import EXPORTS

TOLD = {"spanish": ["--encoding=latin-1"], "chinese": ["--encoding=gb18030"]}
"""The encodings that cannot be found."""


def init(name: str, folder: Path) -> Path:
    out = folder / "config" / "study.py"
    files = EXPORTS[name](folder / "data")
    assert cli.main(["init", *map(str, files), f"--out={out}", *TOLD.get(name, [])]) == 0
    return out


def study(config: Path) -> dict[str, Any]:
    return load_recipe(f"{config}:small").study.definition.to_dict()


def kinds(found: dict[str, Any]) -> dict[str, str]:
    return {attribute["column"]: attribute["kind"] for attribute in found["attributes"]}


@pytest.mark.parametrize("name", EXPORTS)
def test_the_config_is_checked_without_edits(name, tmp_path, capsys):
    config = init(name, tmp_path)
    assert f"prima check --config={config}:small" in capsys.readouterr().out
    code = cli.main(["check", f"--config={config}:small"])
    assert code == 0, capsys.readouterr().err
    assert "Nothing is wrong" in capsys.readouterr().out


def test_ham10000(tmp_path):
    found = study(init("ham10000", tmp_path))
    assert (found["image_column"], found["label_column"], found["image_suffixes"]) == ("image_id", "dx", (".jpg",))
    assert found["subject_columns"] == found["unit_columns"] == ("lesion_id",)
    assert [raw for raw, _ in found["classes"]] == ["bkl", "mel", "nv"] and "unknown" in found["missing"]
    assert kinds(found) == {"dx_type": "category", "age": "number", "sex": "category", "localization": "category"}
    assert [a["column"] for a in found["attributes"] if not a.get("shown", True)] == ["dx_type"]
    assert [a["column"] for a in found["attributes"] if a.get("visual")] == ["localization"]


def test_isic_2019(tmp_path):
    found = study(init("isic_2019", tmp_path))
    assert found["join"] == {"manifest": "Metadata.csv", "key": "image"}
    assert [column for column, _ in found["label_columns"]] == ["MEL", "NV", "BCC"]
    assert found["subject_columns"] == ("lesion_id",) and kinds(found)["age_approx"] == "number"


def test_odir_5k(tmp_path):
    found = study(init("odir_5k", tmp_path))
    assert dict(found["sides"])["left"] == {"Fundus": "Left-Fundus", "Diagnostic Keywords": "Left-Diagnostic Keywords"}
    assert (found["image_column"], found["label_column"]) == ("Fundus", "Diagnostic Keywords")
    assert (found["subject_columns"], found["unit_columns"]) == (("ID",), ("ID", "side"))


def test_a_spanish_export(tmp_path):
    found = study(init("spanish", tmp_path))
    assert (found["decimal"], found["yes"], found["label_column"]) == (",", ("sí",), "diagnóstico")
    assert kinds(found) == {"tamaño": "number", "dolor": "yes_no", "edad": "category"}


def test_a_chinese_export(tmp_path):
    found = study(init("chinese", tmp_path))
    assert (found["yes"], found["no"], found["label_column"]) == (("是",), ("否",), "诊断")
    assert kinds(found) == {"疼痛": "yes_no", "年龄": "number", "性别": "category"}


def test_gaps_are_words_for_missing_and_rare_values_are_not_written(tmp_path):
    config = init("gaps", tmp_path)
    assert set(study(config)["missing"]) == {"", "NA", "n/a", "unknown", "-", "?"}
    cases = tmp_path / "data" / "cases.csv"
    cases.write_text(cases.read_text().replace("p0.png,P0,benign,,yes,arm", "p0.png,P0,secret,,yes,hidden"))
    config.unlink()
    assert cli.main(["init", str(cases), f"--out={config}"]) == 0
    text = config.read_text()
    assert not any(value in text for value in ("secret", "hidden", "P1", "p1.png"))
    assert "1 values with fewer than 5 rows" in text


def test_hospitals_are_sites_and_neither_they_nor_numbers_of_rows_nor_names_reach_models(tmp_path, capsys):
    """Of a file of a data frame, parted by tabs: its index has no name; who referred six patients' photographs is a name."""
    cases = EXPORTS["gaps"](tmp_path / "data")[0]
    header, *rows = (line.split(",") for line in cases.read_text().splitlines())
    referred = [("Dr Doe", "Dr Roe")[n >= 6] for n in range(30)]
    rows = [[str(n), *row, ("North", "South", "West")[n // 2 % 3], referred[n]] for n, row in enumerate(rows)]
    for n in range(6):
        rows[n][2] = "P0"  # one patient with six photographs, and the three hospitals he was in
    lines = [["", *header, "hospital", "referrer"], *rows]
    cases.write_text("\n".join("\t".join(line) for line in lines))
    config = tmp_path / "study.py"
    assert cli.main(["init", str(cases), f"--out={config}"]) == 0
    found = study(config)
    assert found["site_columns"] == ("hospital",) and "--config.folds=3" in config.read_text()
    assert not {"", "hospital"} & kinds(found).keys() and "Doe" not in config.read_text() and "Roe" not in config.read_text()
    assert cli.main(["check", f"--config={config}:small"]) == 0, capsys.readouterr().err


def test_a_residence_has_no_side_and_a_personal_history_is_no_person():
    assert all(
        UNIT.search(column) for column in ("lesion_id", "EyeID", "eye", "Side", "eyeSide", "mole number", "Augenseite", "眼别")
    )
    assert not any(
        UNIT.search(column) for column in ("residence", "inside_work", "side_effects", "molecular_subtype", "eyelid_swelling")
    )
    assert SUBJECT.search("person_id") and not SUBJECT.search("personal_history")


def test_what_cannot_be_guessed_is_told_in_one_sentence(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    assert cli.main(["init", str(tmp_path / "a.csv"), f"--out={tmp_path / 'c.py'}"]) == 2
    assert "No column names photographs" in capsys.readouterr().err
    assert cli.main(["init", str(tmp_path / "a.csv"), f"--out={tmp_path / 'a.csv'}"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert cli.main(["init", str(tmp_path / "a.csv"), f"--out={tmp_path / 'd.py'}", "--encoding=klingon"]) == 2
    assert "knows no encoding 'klingon'" in capsys.readouterr().err
