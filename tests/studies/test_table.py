"""CSV files as spreadsheets of several countries write them: read as the plain one is, or refused in one sentence."""

from dataclasses import replace

import pytest

from prima_jax.errors import UserError
from prima_jax.studies.manifest import read
from prima_jax.studies.records import parse_fields
from prima_jax.studies.study import Attribute
from tests.data.cohort import STUDY, write_cohort

WORDS = {"F": "mujer mayor de 60 años", "M": "男"}
OWN = replace(
    STUDY,
    yes=("sí", "是"),
    no=("否",),
    attributes=(Attribute("sex", "sex", "category", "A {value}."), Attribute("pain", "pain", "yes_no", "It hurts.")),
)


def rewritten(folder, encoding="utf-8", sign=",", words=("",), mark=b"", ends="\r\n"):
    """The manifest of the tiny cohort with words of its own, as a spreadsheet in that country saves it."""
    path = write_cohort(folder) / "manifest.csv"
    text = path.read_text().replace(",F,", f",{words[0]},") if words[0] else path.read_text()
    path.write_bytes(mark + text.replace(",", sign).replace("\n", ends).encode(encoding))
    return path


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("encoding", "mark", "declared", "word"),
    [
        ("utf-8", b"", "", "años"),
        ("utf-8-sig", b"", "", "男"),
        ("utf-16", b"", "", "男"),
        ("utf-16-be", b"\xfe\xff", "", "años"),
        ("cp1252", b"", "cp1252", "años – 60"),
        ("latin-1", b"", "latin-1", "años"),
        ("gb18030", b"", "gb18030", "男"),
    ],
)
def test_the_same_rows_whatever_parts_and_encodes_them(tmp_path, capsys, sign, encoding, mark, declared, word):
    path = rewritten(tmp_path, encoding, sign, [word], mark)
    records = read(replace(OWN, encoding=declared), tmp_path).records
    assert [r.fields.get("sex") for r in records] == [word] * 3 + [None] + ["M"] * 2
    said = capsys.readouterr().err
    plain = sign == "," and (declared or not encoding.startswith("utf-16"))
    assert said == "" if plain else said.count("\n") == 1 and str(path) in said


def test_what_is_found_is_said_and_what_is_declared_is_not(tmp_path, capsys):
    path = rewritten(tmp_path, "utf-16", ";")
    read(STUDY, tmp_path)
    assert capsys.readouterr().err == f"{path} is read with semicolons between its columns and in UTF-16.\n"
    read(replace(STUDY, delimiter=";", encoding="utf-16"), tmp_path)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("encoding", ["cp1252", "gb18030"])
def test_an_encoding_without_a_mark_is_not_guessed(tmp_path, encoding):
    rewritten(tmp_path, encoding, words=["años" if encoding == "cp1252" else "男"])
    with pytest.raises(UserError, match=r"is not in UTF-8 \(byte \d+\): set the study's encoding .* cp1252 .* latin-1, gb18030"):
        read(STUDY, tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'image,subject\n"p0.png,s0\n', "the row after line 1 is no CSV .*a quote that is not closed"),
        ("image,subject\n".encode("utf-16-le"), "a zero byte at its start: set the study's encoding to utf-16-le"),
        (b"image,subject;eye\n", "may have commas and semicolons between its columns: set the study's delimiter"),
        (b"image;subject,x,y\n", r"read with commas between its columns and in UTF-8, lacks the column\(s\) image"),
        (b"", r"lacks the column\(s\) image"),
        (b'"', "may have|no CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_sentence(tmp_path, content, told):
    write_cohort(tmp_path).joinpath("manifest.csv").write_bytes(content)
    with pytest.raises(UserError, match=told) as error:
        read(STUDY, tmp_path)
    assert "\n" not in str(error.value)


def test_blanks_and_rows_without_a_value_are_nothing(tmp_path):
    path = write_cohort(tmp_path) / "manifest.csv"
    before = read(STUDY, tmp_path)
    path.write_text(path.read_text().replace(",", " ,  ") + "," * 9 + "\n\n" + "," * 9 + "\n")
    assert (read(STUDY, tmp_path).records, read(STUDY, tmp_path).lines) == (before.records, before.lines)


def test_a_decimal_comma_is_declared():
    german = replace(STUDY, decimal=",")
    assert [parse_fields(german, {"size": text}, "here")["size"] for text in ("3,5", "-0,25", "7")] == [3.5, -0.25, 7.0]
    with pytest.raises(UserError, match=r"here: size should be a number .*set the study's decimal=\",\""):
        parse_fields(STUDY, {"size": "3,5"}, "here")
    with pytest.raises(UserError, match=r"set the study's decimal=\"\.\""):
        parse_fields(german, {"size": "1.250"}, "here")  # 1250 to a German


def test_yes_and_no_may_have_words_of_their_own():
    said = ("Sí", "si\u0301", "是", "yes", "1", "否", "FALSE")
    assert [parse_fields(OWN, {"pain": word}, "here")["pain"] for word in said] == [True] * 5 + [False] * 2
    with pytest.raises(UserError, match="pain should be yes or no, true or false, 1 or 0, sí or 否"):
        parse_fields(OWN, {"pain": "oui"}, "here")
