from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from prima_jax.errors import UserError
from prima_jax.studies.manifest import contradictions, read, spellings
from prima_jax.studies.records import parse_fields
from prima_jax.studies.study import Attribute
from tests.canaries import CANARY
from tests.data.cohort import HEADER, ROWS, STUDY, write_cohort, write_photograph


def changed(row: int, column: str, value: str) -> list[list[str]]:
    rows = [list(cells) for cells in ROWS]
    rows[row][HEADER.index(column)] = value
    return rows


def test_records_follow_the_file_and_leave_out_what_is_missing(tmp_path):
    reading = read(STUDY, write_cohort(tmp_path))
    assert [r.id for r in reading.records] == [row[0] for row in ROWS]
    first, third, fourth, fifth = (reading.records[n] for n in (0, 2, 3, 4))
    assert (first.unit, first.subject, first.label, first.image_type) == (f"{CANARY}0/L", f"{CANARY}0", 0, "white")
    assert first.image == "images/p0.png"
    assert first.fields == {"sex": "woman", "age": 35.0, "size": 1.5, "pain": True, "biopsy": False}
    assert "size" not in third.fields and third.fields["pain"] is False
    assert "sex" not in fourth.fields and fourth.fields["biopsy"] is True
    assert set(fifth.fields) == {"sex", "size", "biopsy"}
    assert reading.missing_images == () and reading.identical == ()


def test_spellings_of_an_open_category_that_differ_in_case_or_blanks_are_found(tmp_path):
    records = read(STUDY, write_cohort(tmp_path)).records
    sites = ("Back", "back", "the  arm", "the arm", "leg", "Leg ")
    records = [replace(record, fields={"site": site, "sex": site}) for record, site in zip(records, sites, strict=False)]
    closed = Attribute("sex", "sex", "category", "A {value}.", values={"F": "woman", "M": "man"})
    study = replace(STUDY, attributes=(Attribute("site", "place", "category", "On {value}."), closed))
    expected = [("place", ("Back", "back")), ("place", ("Leg ", "leg")), ("place", ("the  arm", "the arm"))]
    assert spellings(study, records) == expected
    assert spellings(STUDY, read(STUDY, tmp_path).records) == []


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (changed(2, "diagnosis", CANARY), ["line 4", "unknown class in column diagnosis", "known are a, b"]),
        (changed(1, "view", CANARY), ["line 3", "unknown image type in column view", "white, blue"]),
        (changed(0, "sex", CANARY), ["line 2", "unknown value in column sex", "F, M"]),
        *[
            (changed(0, "age", age), ["line 2", "age should be a number"])
            for age in ("old", "nan", "inf", "2_0", "1e999", "0x10")
        ],
        (changed(5, "pain", CANARY), ["line 7", "pain should be yes or no"]),
        *[(changed(3, column, ""), ["line 5", f"column {column} is empty"]) for column in ("subject", "eye")],
        *[(changed(3, column, "UNK"), ["line 5", f"column {column} is empty or says"]) for column in ("subject", "eye")],
        (changed(1, "image", "p0.png"), ["line 3", "already stands in line 2"]),
        (changed(1, "diagnosis", "b"), ["lines 2 and 3", "one unit has two diagnoses"]),
        ([ROWS[0][:-1]], ["line 2", "not as many cells"]),
        ([], ["a header but no rows"]),
    ],
)
def test_a_wrong_row_is_told_in_one_sentence(tmp_path, rows, told):
    with pytest.raises(UserError) as error:
        read(STUDY, write_cohort(tmp_path, rows))
    for words in told:
        assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_no_folder_says_where_it_looked(tmp_path):
    with pytest.raises(UserError, match=f"looked for {tmp_path / 'nowhere'}, which should hold manifest.csv"):
        read(STUDY, tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"No manifest\.csv"):
        read(STUDY, tmp_path)


def test_missing_columns_are_all_named(tmp_path):
    rows = [row[:5] for row in ROWS]
    with pytest.raises(UserError, match=r"lacks the column.* sex, age, size, pain, biopsy; others: 0; add them"):
        read(STUDY, write_cohort(tmp_path, rows, HEADER[:5]))


@pytest.mark.parametrize("column", ["image", "diagnosis", "subject", "view", "age"])
def test_a_column_that_stands_there_twice_is_refused(tmp_path, column):
    # The last of the two would win, whichever was meant.
    rows = [[*row, row[HEADER.index(column)]] for row in ROWS]
    with pytest.raises(UserError, match=rf"manifest\.csv has the column\(s\) {column} more than once"):
        read(STUDY, write_cohort(tmp_path, rows, (*HEADER, column)))


def test_a_column_that_nobody_reads_may_stand_there_twice(tmp_path):
    rows = [[*row, "", ""] for row in ROWS]
    assert len(read(STUDY, write_cohort(tmp_path, rows, (*HEADER, "note", "note"))).records) == len(ROWS)


def test_an_absent_photograph_is_an_error_or_counted(tmp_path):
    write_cohort(tmp_path)
    (tmp_path / "images" / "p3.png").unlink()
    with pytest.raises(UserError, match=r"line 5: the photograph does not exist"):
        read(STUDY, tmp_path)
    reading = read(replace(STUDY, skip_missing_images=True), tmp_path)
    assert reading.missing_images == (5,)
    assert "p3.png" not in [r.id for r in reading.records] and len(reading.records) == len(ROWS) - 1


@pytest.mark.parametrize("name", ["p" * 300 + ".png", "p\0.png", "."])
def test_a_photograph_whose_name_no_disk_can_hold_is_not_there(tmp_path, name):
    write_cohort(tmp_path)
    path = tmp_path / "manifest.csv"
    path.write_text(path.read_text().replace("p3.png", name))
    with pytest.raises(UserError, match=r"line 5: the photograph does not exist"):
        read(STUDY, tmp_path)
    assert read(replace(STUDY, skip_missing_images=True), tmp_path).missing_images == (5,)


def test_photographs_are_found_by_the_name_that_the_file_gives(tmp_path):
    """Its dots are its own: a suffix is added, or replaced where it is an image's; composed or decomposed accents are one."""
    study = replace(STUDY, image_suffixes=(".jpg", ".png"))
    on_disk = {
        "scan0.1": "scan0.1", "1.2.840.0": "1.2.840.0.jpg", "p.jpeg": "p.jpeg", "q.PNG": "q.jpg",
        "caf\u00e9.png": "cafe\u0301.png", "cafe\u0301 2": "caf\u00e9 2.png",
    }  # fmt: skip
    path = write_cohort(tmp_path) / "manifest.csv"
    for row, (name, file) in zip(ROWS, on_disk.items(), strict=True):
        path.write_text(path.read_text(encoding="utf-8").replace(row[0], name), encoding="utf-8")
        (tmp_path / "images" / row[0]).rename(tmp_path / "images" / file)
    (tmp_path / "images" / "scan0.jpg").write_bytes((tmp_path / "images" / "p.jpeg").read_bytes())  # another patient's
    assert [Path(record.image).name for record in read(study, tmp_path).records] == list(on_disk.values())


def test_photographs_of_one_unit_that_contradict_each_other_are_found(tmp_path):
    assert contradictions(read(STUDY, write_cohort(tmp_path / "one"))) == {}
    rows = changed(1, "sex", {"F": "M", "M": "F"}[ROWS[0][HEADER.index("sex")]])
    assert contradictions(read(STUDY, write_cohort(tmp_path / "two", rows))) == {"sex": [(2, 3)]}


def test_a_value_is_told_where_it_is_asked_for(tmp_path, monkeypatch):
    write_cohort(tmp_path, changed(0, "age", "83 y"))
    with pytest.raises(UserError) as hidden:
        read(STUDY, tmp_path)
    monkeypatch.setenv("PRIMA_SHOW_VALUES", "1")
    with pytest.raises(UserError, match="'83 y'"):
        read(STUDY, tmp_path)
    assert "83" not in str(hidden.value)


def test_a_folder_without_any_photograph_is_an_error_even_where_some_may_lack(tmp_path):
    write_cohort(tmp_path)
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="none of its 6 rows has a photograph"):
        read(replace(STUDY, skip_missing_images=True), tmp_path)


def test_the_first_of_several_problems_is_told_and_the_others_are_counted(tmp_path):
    for name in ("p2.png", "p4.png", "p5.png"):
        (write_cohort(tmp_path) if name == "p2.png" else tmp_path).joinpath("images", name).write_bytes(b"no photograph")
    told = r"line 4: the photograph .*p2\.png cannot .*replace the file; 2 more problems were found, see prima check\."
    with pytest.raises(UserError, match=told):
        read(STUDY, tmp_path)


def test_a_place_for_notes_that_cannot_be_written_is_told(tmp_path):
    write_cohort(tmp_path / "raw")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file cannot be written \(File exists\)"):
        read(STUDY, tmp_path / "raw", cache=tmp_path / "file")


def test_a_unit_belongs_to_one_subject(tmp_path):
    # Eyes are called L and R by every subject: eye alone would mix subjects up.
    study = replace(STUDY, unit_columns=("eye",), classes={"a": "x", "b": "y"})
    rows = [row for row in ROWS if row[4] == "b"]
    with pytest.raises(UserError, match="one unit belongs to two subjects"):
        read(study, write_cohort(tmp_path, rows))


def test_a_unit_belongs_to_one_site_and_each_record_knows_its_own(tmp_path):
    study = replace(STUDY, site_columns=("hospital",))
    rows = [(*row, "AB"[n % 2 if n < 2 else 0]) for n, row in enumerate(ROWS)]
    with pytest.raises(UserError, match="lines 2 and 3: one unit belongs to two sites"):
        read(study, write_cohort(tmp_path, rows, (*HEADER, "hospital")))
    rows[1] = (*ROWS[1], "A")
    assert {record.site for record in read(study, write_cohort(tmp_path, rows, (*HEADER, "hospital"))).records} == {"A"}


def test_copies_of_a_photograph_are_found_whatever_their_bytes_or_size(tmp_path):
    folder = write_cohort(tmp_path) / "images"
    (folder / "p3.png").write_bytes((folder / "p0.png").read_bytes())
    Image.open(folder / "p1.png").save(folder / "p4.png", compress_level=0)
    write_photograph(folder / "p2.png", seed=2, height=120, width=160)
    Image.open(folder / "p2.png").resize((128, 96), Image.Resampling.LANCZOS).save(folder / "p5.png")
    assert (folder / "p1.png").read_bytes() != (folder / "p4.png").read_bytes()
    assert set(read(STUDY, tmp_path).identical) == {("p0.png", "p3.png"), ("p1.png", "p4.png"), ("p2.png", "p5.png")}


def test_a_copy_that_is_stored_turned_is_found(tmp_path):
    folder = write_cohort(tmp_path) / "images"
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn to the left
    with Image.open(folder / "p1.png") as image:
        image.transpose(Image.Transpose.ROTATE_90).save(folder / "p4.png", exif=exif)
    with Image.open(folder / "p2.png") as image:
        image.transpose(Image.Transpose.ROTATE_90).save(folder / "p5.png")  # turned, and nothing tells so
    assert read(STUDY, tmp_path).identical == (("p1.png", "p4.png"),)


@pytest.mark.parametrize("study", [STUDY, replace(STUDY, synthetic=True, title="Tiny, drawn by a program")])
def test_a_folder_that_says_it_is_synthetic_is_read_as_such(tmp_path, study):
    write_cohort(tmp_path)
    (tmp_path / "truth.json").write_text('{"synthetic": true}')
    found = read(study, tmp_path).study
    assert found == replace(STUDY, synthetic=True, title="Tiny, drawn by a program")


@pytest.mark.parametrize("truth", [b'{"synthetic": false}', b'{"synthetic": "true"}', b"[true]", b"{", b"\xff\xfe", None])
def test_a_folder_that_does_not_say_so_is_real(tmp_path, truth):
    write_cohort(tmp_path)
    if truth is None:
        (tmp_path / "truth.json").mkdir()
    else:
        (tmp_path / "truth.json").write_bytes(truth)
    assert read(STUDY, tmp_path).study == STUDY


def test_photographs_are_found_in_other_folders_and_under_other_suffixes(tmp_path):
    write_cohort(tmp_path)
    (tmp_path / "images" / "p0.png").unlink()
    (tmp_path / "part" / "two").mkdir(parents=True)
    write_photograph(tmp_path / "part" / "two" / "p0.jpg", seed=0)
    study = replace(STUDY, image_folders=("images", "part/two"), image_suffixes=(".png", ".jpg"))
    record = read(study, tmp_path).records[0]
    assert (record.id, record.image) == ("p0.png", "part/two/p0.jpg")


def test_parse_fields_knows_values_by_name_and_lists_the_known_ones():
    assert parse_fields(STUDY, {"sex": "man", "age": "50", "pain": "UNK"}, "here") == {"sex": "man", "age": 50.0}
    with pytest.raises(UserError, match="tiny has no attribute 'gender'; it has sex, age, size, pain"):
        parse_fields(STUDY, {"gender": "M"}, "here")
    with pytest.raises(UserError, match=r"here: unknown value in column sex .*; known are F, M"):
        parse_fields(STUDY, {"sex": "male"}, "here")


def test_a_value_of_the_file_comes_before_a_word_that_reads_the_same():
    grade = Attribute("grade", "grade", "category", "Grade {value}.", values={"1": "2", "2": "3"})
    study = replace(STUDY, attributes=(grade,))
    assert [parse_fields(study, {"grade": said}, "here")["grade"] for said in ("1", "2", "3")] == ["2", "3", "3"]
