"""The corpus file is read as it is documented, and says of itself whether it was published and vetted."""

import hashlib
import json

import pytest

from prima_jax.data.corpus_file import Claim, content_hash, read_corpus
from prima_jax.errors import UserError

VETTED = json.dumps({"text": "one", "vetted": True}) + "\n"
NOT_VETTED = json.dumps({"text": "two", "vetted": False}) + "\n"


def published(folder, content):
    file = folder / f"corpus-{content_hash(content.encode())}.jsonl"
    file.write_text(content)
    return file


def test_a_published_corpus_is_known_by_its_hash(tmp_path):
    found = read_corpus(published(tmp_path, VETTED * 2), "text")
    assert (found.published, found.vetted) == (True, True)
    assert found.sha256 == hashlib.sha256((VETTED * 2).encode()).hexdigest()


@pytest.mark.parametrize("content", [VETTED + NOT_VETTED, '{"text": "one"}\n', '{"text": "one", "vetted": "true"}\n'])
def test_a_corpus_with_one_text_that_nobody_approved_is_not_vetted(tmp_path, content):
    found = read_corpus(published(tmp_path, content), "text")
    assert (found.published, found.vetted) == (True, False)


def test_a_file_that_says_it_is_vetted_but_was_not_published_is_not(tmp_path):
    file = tmp_path / "corpus.jsonl"
    file.write_text(VETTED)
    assert (read_corpus(file, "text").published, read_corpus(file, "text").vetted) == (False, False)


def test_a_published_corpus_that_was_changed_is_refused(tmp_path):
    file = published(tmp_path, NOT_VETTED)
    file.write_text(NOT_VETTED.replace("false", "true"))
    with pytest.raises(UserError, match="not as it was published"):
        read_corpus(file, "text")


def test_a_corpus_is_read_in_its_order(tmp_path):
    file = tmp_path / "corpus.jsonl"
    file.write_text('{"text": "one", "source": 1}\n\n{"text": "two"}\n')
    assert read_corpus(file, "text").texts == ("one", "two")


@pytest.mark.parametrize(
    ("line", "told"),
    [("{broken", "line 2, is no JSON"), (json.dumps({"body": "x"}), "line 2.*'text'.*body"), ("[1]", "line 2.*list")],
)
def test_a_broken_corpus_is_told_with_its_line(tmp_path, line, told):
    file = tmp_path / "corpus.jsonl"
    file.write_text('{"text": "one"}\n' + line + "\n")
    with pytest.raises(UserError, match=told):
        read_corpus(file, "text")


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "holds no text"), (b"\n \n", "holds no text"), ('{"text": "ä"}'.encode("latin-1"), "UTF-8")],
)
def test_a_corpus_without_text_or_in_another_encoding_is_told(tmp_path, content, told):
    file = tmp_path / "corpus.jsonl"
    file.write_bytes(content)
    with pytest.raises(UserError, match=told):
        read_corpus(file, "text")


def test_line_ends_that_json_may_hold_and_a_byte_order_mark_are_no_trouble(tmp_path):
    file = tmp_path / "corpus.jsonl"
    file.write_text('\ufeff{"text": "one\u2028two\u0085"}\r\n{"text": "three"}\n', encoding="utf-8", newline="")
    assert read_corpus(file, "text").texts == ("one\u2028two\u0085", "three")


def test_claims_are_those_of_a_published_line_or_the_line_itself(tmp_path):
    stated = [
        {"text": "A raises D.", "direction": "raises"},
        {"text": "It is red.", "direction": "descriptive"},
        {"text": 5},
        "x",
    ]
    lines = [
        {"text": "A raises D. It is red.", "disease": "D", "attribute": "a", "claims": stated},
        {"text": "B lowers D.", "disease": "D", "attribute": "b", "direction": "lowers"},
        {"text": "A summary.", "disease": "D", "attribute": "", "direction": ""},
        {"text": "Plain text."},
    ]
    file = tmp_path / "corpus.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_corpus(file, "text").claims == (
        Claim("D", "a", "raises", "A raises D."),
        Claim("D", "a", "descriptive", "It is red."),
        Claim("D", "b", "lowers", "B lowers D."),
    )


def test_no_corpus_is_told(tmp_path):
    with pytest.raises(UserError, match=r"no corpus at .*nowhere\.jsonl"):
        read_corpus(tmp_path / "nowhere.jsonl", "text")
