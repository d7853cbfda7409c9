"""The step search from a folder of records and rows: again, and with what can be wrong."""

import gzip
import json

import pytest

from prima_jax.corpus.articles import Article
from prima_jax.corpus.search import search
from prima_jax.errors import UserError
from tests.corpus.search.eutils_server import HEAD, TAIL, invented
from tests.corpus.search.searching import rows, run, stored
from tests.corpus.shared import SHARED

shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the records in {SHARED}")


def place(folder, name, content):
    path = folder / "source" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else "".join(json.dumps(row) + "\n" for row in content).encode())
    return path.parent if path.parent.name == "source" else folder / "source"


OWN = {"id": "7", "title": "Own", "sections": [["", "A line."]], "year": 2020}


def test_a_folder_is_read_with_what_is_in_it(tmp_path):
    place(tmp_path, "one.xml", HEAD + invented(1) + invented(2) + TAIL)
    place(tmp_path, "within/baseline.XML.GZ", gzip.compress(HEAD + invented(3) + TAIL))
    place(tmp_path, "esearch.xml", b"<eSearchResult><Count>0</Count></eSearchResult>")
    place(tmp_path, "notes.txt", b"ignored")
    source = place(tmp_path, "rows.jsonl", [OWN])
    said = run(tmp_path, source)
    assert set(stored(tmp_path)) == {"1", "2", "3", "7"}
    assert "(files: 4) holds 4 articles on the study, 4 of them new." in said
    assert "XML files without articles: 1." in said


def test_articles_of_the_baseline_that_name_no_disease_are_left_out_and_counted(tmp_path):
    abstract = "<AbstractText>Invented, about the heart.</AbstractText>"
    heading = "<MeshHeadingList><MeshHeading><DescriptorName>Keratosis, Actinic</DescriptorName></MeshHeading></MeshHeadingList>"
    content = (
        invented(1, abstract=abstract)
        + invented(2, abstract=abstract, mesh=heading)
        + invented(3, title="Naevi of the skin", abstract="")
    )
    source = place(tmp_path, "one.xml", HEAD + content + TAIL)
    assert "Left out, since they are on no disease of the study: 1." in run(tmp_path, source)
    assert set(stored(tmp_path)) == {"2", "3"}


def test_a_file_is_read_again_only_if_it_changed(tmp_path, monkeypatch):
    source = place(tmp_path, "one.xml", HEAD + invented(1) + TAIL)
    place(tmp_path, "two.jsonl", [OWN])
    run(tmp_path, source)
    before = rows(tmp_path)
    read = []
    original = search.offline.read_file
    monkeypatch.setattr(search.offline, "read_file", lambda path: read.append(path.name) or original(path))
    said = run(tmp_path, source)
    assert (read, rows(tmp_path)) == ([], before)
    assert "holds 2 articles on the study, 0 of them new. Files not read again, since they are as they were: 2." in said
    place(tmp_path, "two.jsonl", [OWN, {**OWN, "id": "8"}])
    assert "1 of them new" in run(tmp_path, source)
    assert read == ["two.jsonl"]


def test_a_file_cut_short_keeps_what_came_before_it(tmp_path):
    place(tmp_path, "a.xml", HEAD + invented(1) + TAIL)
    source = place(tmp_path, "b.xml", HEAD + invented(2) + invented(3)[:-30])
    with pytest.raises(UserError, match=r"b\.xml is damaged or no XML .*get it again"):
        run(tmp_path, source)
    assert set(stored(tmp_path)) == {"1", "2"}
    place(tmp_path, "b.xml", HEAD + invented(2) + invented(3) + TAIL)
    run(tmp_path, source)
    assert set(stored(tmp_path)) == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.xml.gz", gzip.compress(HEAD + invented(1) + TAIL)[:-9]),
        ("b.xml.gz", gzip.compress(HEAD + invented(1) * 50 + TAIL)[:200] + b"\xff" * 90),
        ("b.xml.gz", HEAD + invented(1) + TAIL),
        ("b.xml", b""),
        ("b.xml", b"<!DOCTYPE PubmedArticleSet [<!ENTITY a 'b'>]><PubmedArticleSet>&a;</PubmedArticleSet>"),
    ],
)
def test_a_damaged_file_is_told_by_its_name(tmp_path, name, content):
    with pytest.raises(UserError, match=rf"{name} is damaged or no XML"):
        run(tmp_path, place(tmp_path, name, content))


def test_our_own_fields_come_back_as_they_were(tmp_path):
    article = Article(
        "x:1", "T", (("A", "One."), ("", "Two.")), 2001, ("Review",), "J", "eng", ("M",), "10.1/x", "u", "CC0", True
    )
    row = {**vars(article)}
    run(tmp_path, place(tmp_path, "rows.jsonl", [row]))
    assert stored(tmp_path) == {"x:1": article}


def test_questions_of_one_source_are_numbered_and_their_marks_mended(tmp_path):
    def row(question, source):
        return {"question": question, "answer": " Yes.\n No. ", "source_path": source, "publisher": "NIH", "url": "http://x"}

    rows = [row("Who is at risk ? ?", "1_A/001_1.xml"), row("What ?", "1_A/002.xml"), row("Why?", "1_A/001_1.xml")]
    run(tmp_path, place(tmp_path, "rows.jsonl", rows))
    found = stored(tmp_path)
    assert {i: a.title for i, a in found.items()} == {
        "medquad:001_1-1": "Who is at risk?",
        "medquad:002-1": "What?",
        "medquad:001_1-2": "Why?",
    }
    assert (found["medquad:002-1"].abstract, found["medquad:002-1"].licence) == ("Yes. No.", "CC BY 4.0")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{broken", "is no JSON"),
        ("[1]", "expected an object, found list"),
        ("{}", "expected the fields id, title.*found none"),
        ('{"text": "x"}', "found text"),
        ({**OWN, "colour": "red"}, "unknown fields colour"),
        ({**OWN, "title": None}, "title should be a text"),
        ({**OWN, "id": "a b"}, "id should be"),
        ({**OWN, "id": None}, "id should be"),
        ({**OWN, "year": "next"}, "year should be"),
        ({**OWN, "sections": ["abc"]}, "sections should be a list"),
        ({**OWN, "sections": "x"}, "sections should be a list"),
        ({**OWN, "retracted": "no"}, "retracted should be true or false"),
        ({**OWN, "types": "Review"}, "types should be a list"),
        ({**OWN, "title": "\ud800"}, "half a surrogate pair"),
        ({"sections": [], "title": "x"}, "'id' is missing"),
        ({"pmid": "1", "title": "x", "abstract": "text"}, "abstract should be a list"),
        ({"pmid": "1", "title": "x", "abstract": [{"label": "A"}]}, "'text' is missing"),
        ({"pmid": "1", "abstract": []}, "'title' is missing"),
        ({"question": "x", "answer": 1, "source_path": "y"}, "should be a text"),
        ("[" * 100_000, "nested too deep"),
        ("9" * 5000, "Exceeds the limit"),
    ],
)
def test_a_line_that_is_no_article_is_told_with_its_number(tmp_path, line, told):
    line = line if isinstance(line, str) else json.dumps(line)
    source = place(tmp_path, "rows.jsonl", (json.dumps(OWN) + "\n" + line + "\n").encode())
    with pytest.raises(UserError, match=rf"rows\.jsonl, line 2[:,] .*{told}") as error:
        run(tmp_path, source)
    assert "\n" not in str(error.value)
    assert set(stored(tmp_path)) == {"7"}  # what came before stays


def test_lines_in_another_encoding_are_told(tmp_path):
    source = place(tmp_path, "rows.jsonl", json.dumps({**OWN, "title": "Übel"}, ensure_ascii=False).encode("latin-1"))
    with pytest.raises(UserError, match=r"line 1, is not in UTF-8"):
        run(tmp_path, source)


def test_line_ends_that_json_may_hold_and_a_byte_order_mark_are_no_trouble(tmp_path):
    content = "\ufeff" + json.dumps({**OWN, "title": "a\u2028b"}, ensure_ascii=False) + "\r\n\r\n"
    run(tmp_path, place(tmp_path, "rows.jsonl", content.encode()))
    assert stored(tmp_path)["7"].title == "a b"


def test_no_folder_and_an_empty_one_are_told(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"holds no \.xml"):
        run(tmp_path, tmp_path / "empty")
    for wrong in (tmp_path / "nowhere", place(tmp_path, "one.jsonl", [OWN]) / "one.jsonl"):
        with pytest.raises(UserError, match=r"config\.search\.source = .* is no folder"):
            run(tmp_path, wrong)


@shared
def test_the_records_on_disk_are_read(tmp_path):
    said = run(tmp_path, SHARED)
    found = stored(tmp_path)
    assert len([a for a in found.values() if a.is_pubmed]) == 13
    assert len([i for i in found if i.startswith("medquad:")]) == 75
    assert "holds 88 articles on the study, 88 of them new. Left out, since they are on no disease of the study: 9." in said
    assert "0 without an abstract" in said
    assert all(a.licence for a in found.values())
    assert found["17257431"].sections[0][0] == "Background" and found["17257431"].year == 2007


def test_articles_are_drawn_and_say_that_they_are_synthetic(tmp_path):
    said = run(tmp_path, "synthetic")
    found = stored(tmp_path)
    assert f"{len(found)} articles were drawn from the synthetic study's risk table, {len(found)} of them new." in said
    assert len(found) > 20 and all(
        a.title.startswith("Synthetic text: ") and a.types == ("Synthetic text",) for a in found.values()
    )
    assert " 0 of them new" in run(tmp_path, "synthetic")


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_notice_of_retraction_takes_an_article_back_whichever_comes_first(tmp_path, order):
    links = (
        '<CommentsCorrectionsList><CommentsCorrections RefType="RetractionOf"><RefSource>J</RefSource>'
        '<PMID Version="1">1</PMID></CommentsCorrections></CommentsCorrectionsList>'
    )
    notice = invented(9, title="Retraction notice", abstract="", types="Retraction of Publication", links=links)
    place(tmp_path, f"{order[0]}.xml", HEAD + invented(1) + invented(2) + TAIL)
    source = place(tmp_path, f"{order[1]}.xml", HEAD + notice + TAIL)
    assert "Taken back by retraction notices: 1." in run(tmp_path, source)
    assert {i: a.retracted for i, a in stored(tmp_path).items()} == {"1": True, "2": False, "9": False}
    assert "Taken back" not in run(tmp_path, source)
