"""Files in the shapes in which archives publish them: ISIC 2019's two files, ODIR-5K's row for two eyes."""

from pathlib import Path

import pytest

from prima_jax.data.prepare import fingerprint
from prima_jax.errors import UserError
from prima_jax.studies.manifest import LoadedStudy, read
from prima_jax.studies.study_config import study_from_config
from tests.data.cohort import write_photograph

ISIC = {
    "name": "isic",
    "title": "ISIC",
    "manifest": "ISIC_2019_Training_GroundTruth.csv",
    "join": {"manifest": "ISIC_2019_Training_Metadata.csv", "key": "image"},
    "classes": (("MEL", "melanoma"), ("NV", "nevus")),
    "label_columns": (("MEL", "MEL"), ("NV", "NV")),
    "image_column": "image",
    "image_suffixes": (".jpg",),
    "subject_columns": ("lesion_id",),
    "unit_columns": ("lesion_id",),
    "attributes": (
        {"name": "age", "column": "age_approx", "kind": "number", "sentence": "Aged {value}."},
        {"name": "sex", "kind": "category", "sentence": "The patient is {value}."},
    ),
}
TRUTH = """image,MEL,NV,UNK
ISIC_0000000,0.0,1.0,0.0
ISIC_0000001,1.0,0.0,0.0
ISIC_0000002_downsampled,1,0,0
"""
METADATA = """image,age_approx,anatom_site_general,lesion_id,sex
ISIC_0000002_downsampled,,,MSK4_0011170,
ISIC_0000000,55.0,anterior torso,BCN_0000000,female
ISIC_0000001,30.0,anterior torso,BCN_0000001,male
ISIC_0099999,30.0,anterior torso,BCN_0009999,male
"""

ODIR = {
    "name": "odir",
    "title": "ODIR",
    "delimiter": ";",
    "encoding": "gb18030",
    "classes": (("normal fundus", "a normal fundus"), ("cataract", "cataract")),
    "label_column": "keywords",
    "image_column": "image",
    "sides": (
        ("left", {"image": "Left-Fundus", "keywords": "Left-Diagnostic Keywords"}),
        ("right", {"image": "Right-Fundus", "keywords": "Right-Diagnostic Keywords"}),
    ),
    "subject_columns": ("ID",),
    "unit_columns": ("ID", "side"),
    "attributes": (
        {"name": "age", "column": "Patient Age", "kind": "number", "sentence": "Aged {value}."},
        {"name": "eye", "column": "side", "kind": "category", "sentence": "The {value} eye."},
    ),
}
EYES = """ID;Patient Age;Patient Sex;Left-Fundus;Right-Fundus;Left-Diagnostic Keywords;Right-Diagnostic Keywords;N;C
0;69;Female;0_left.jpg;0_right.jpg;cataract;normal fundus;0;1
1;57;男;1_left.jpg;;normal fundus;;1;0
"""


def reading(folder: Path, config: dict, files: dict[str, str], names: list[str]) -> LoadedStudy:
    (folder / "images").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding=config.get("encoding", "utf-8"))
    for seed, name in enumerate(names):
        write_photograph(folder / "images" / name, seed)
    return read(study_from_config(config), folder)


def isic(folder: Path, truth: str = TRUTH, metadata: str = METADATA, **changes) -> LoadedStudy:
    names = [f"{name}.jpg" for name in ("ISIC_0000000", "ISIC_0000001", "ISIC_0000002_downsampled")]
    files = {ISIC["manifest"]: truth, ISIC["join"]["manifest"]: metadata}
    return reading(folder, {**ISIC, **changes}, files, names)


def test_one_column_for_each_class_and_a_second_file(tmp_path):
    found = isic(tmp_path)
    assert [(r.id, r.label, r.unit) for r in found.records] == [
        ("ISIC_0000000", 1, "BCN_0000000"), ("ISIC_0000001", 0, "BCN_0000001"), ("ISIC_0000002_downsampled", 0, "MSK4_0011170"),
    ]  # fmt: skip
    assert [r.fields for r in found.records] == [{"age": 55.0, "sex": "female"}, {"age": 30.0, "sex": "male"}, {}]
    assert found.lines == (2, 3, 4)
    # What was prepared of one second file is not taken for another's.
    assert fingerprint(found, 32) != fingerprint(isic(tmp_path, metadata=METADATA.replace("55.0", "60.0")), 32)


@pytest.mark.parametrize(
    ("truth", "metadata", "told"),
    [
        (TRUTH.replace("0.0,1.0,", "1.0,1.0,"), METADATA, "line 2: 2 of the columns MEL, NV say yes, and exactly one should"),
        (TRUTH.replace("1.0,0.0,0.0", "0.0,0.0,1.0"), METADATA, "line 3: 0 of the columns MEL, NV say yes"),
        (TRUTH.replace("1,0,0", "0.9,0.1,0"), METADATA, "line 4: MEL should be yes or no, 1 or 0"),
        (TRUTH, METADATA.replace("ISIC_0000001", "ISIC_1"), r"GroundTruth.csv, line 3: .*Metadata.csv has no row of its image"),
        (TRUTH, METADATA.replace("ISIC_0099999", "ISIC_0000000"), r"Metadata.csv, line 5: its image already stands in line 3"),
        (TRUTH, METADATA.replace("image,", "name,"), r"Metadata.csv, .*lacks the column\(s\) image"),
        (TRUTH, METADATA.replace("anatom_site_general", "MEL"), r"has the column\(s\) MEL more than once"),
        (TRUTH, METADATA.replace("lesion_id", "lesion"), r"lacks the column\(s\) lesion_id"),
    ],
)
def test_labels_and_second_files_that_do_not_fit_are_told_in_one_sentence(tmp_path, truth, metadata, told):
    with pytest.raises(UserError, match=told) as error:
        isic(tmp_path, truth, metadata)
    assert "\n" not in str(error.value) and "ISIC_0" not in str(error.value)


def test_a_second_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"No other\.csv for ISIC in"):
        isic(tmp_path, join={"manifest": "other.csv", "key": "image"})


def test_a_row_for_two_eyes_is_two_rows(tmp_path):
    records = reading(tmp_path, ODIR, {"manifest.csv": EYES}, ["0_left.jpg", "0_right.jpg", "1_left.jpg"]).records
    assert [(r.id, r.unit, r.subject, r.label) for r in records] == [
        ("0_left.jpg", "0/left", "0", 1), ("0_right.jpg", "0/right", "0", 0), ("1_left.jpg", "1/left", "1", 0),
    ]  # fmt: skip
    assert records[1].fields == {"age": 69.0, "eye": "right"}


def test_a_column_that_a_side_names_has_to_be_there(tmp_path):
    with pytest.raises(UserError, match=r"lacks the column\(s\) Right-Fundus"):
        reading(tmp_path, ODIR, {"manifest.csv": EYES.replace("Right-Fundus", "OD")}, [])


@pytest.mark.parametrize("sign", ["|", ";"])
def test_visits_with_several_photographs_in_one_cell(tmp_path, sign):
    config = {
        **ISIC, "manifest": "visits.csv", "join": None, "label_columns": (), "label_column": "diagnosis",
        "image_separator": sign, "image_suffixes": (), "subject_columns": ("patient",), "unit_columns": ("patient", "visit"),
        "attributes": ({"name": "age", "kind": "number", "sentence": "Aged {value}."},),
    }  # fmt: skip
    table = f"patient,visit,age,diagnosis,image\nP1,2019,44,NV,a.png{sign} b.png{sign}\nP1,2021,46,MEL,c.png\n"
    found = reading(tmp_path, config, {"visits.csv": table}, ["a.png", "b.png", "c.png"])
    assert [(r.id, r.unit, r.subject, r.label, r.fields["age"]) for r in found.records] == [
        ("a.png", "P1/2019", "P1", 1, 44.0), ("b.png", "P1/2019", "P1", 1, 44.0), ("c.png", "P1/2021", "P1", 0, 46.0),
    ]  # fmt: skip
    assert found.lines == (2, 2, 3)
    with pytest.raises(UserError, match="line 2: the column image is empty"):
        reading(tmp_path, config, {"visits.csv": table.replace(f"a.png{sign} b.png", "")}, [])
