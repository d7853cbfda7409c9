"""JSON from outside: what is read, and the one sentence for each thing that is not."""

import pytest

from prima_jax.errors import UserError
from prima_jax.json_text import parse_json, read_object

WRONG = {
    "no text": (b"", "Expecting value, line 1, column 1"),
    "half an object": (b'{"a": 1', "line 1, column 8"),
    "nested 100,000 deep": (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
    "an integer of 5,000 digits": (b"9" * 5000, "Exceeds the limit"),
    "a number beyond float64": (b"[1e400]", "too large"),
    "NaN": (b'{"a": NaN}', "NaN is no number of JSON"),
    "an infinity": (b"-Infinity", "-Infinity is no number of JSON"),
    "half a surrogate pair": (b'{"a": "\\ud835 b"}', "half a surrogate pair, \\ud835"),
    "half a pair in a key": (b'{"\\uDC00": 1}', "half a surrogate pair"),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), "not in UTF-8 (byte 8)"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "not in UTF-8 (byte 1)"),
    "bytes that are no text": (bytes(range(128, 256)), "not in UTF-8"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_json_is_one_sentence(name):
    content, reason = WRONG[name]
    with pytest.raises(UserError) as error:
        parse_json(content, "notes.json", "write it anew.")
    assert str(error.value).startswith("notes.json is no")
    assert reason in str(error.value)
    assert str(error.value).endswith("; write it anew.")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('\ufeff{"a": "é"}', {"a": "é"}),
        (b'"\\ud835\\udd38 whole"', "\U0001d538 whole"),
        (b'"\\\\ud835 written out"', "\\ud835 written out"),
        (b"[1e300, -0.0, 123456789012345678901234567890]", [1e300, -0.0, 123456789012345678901234567890]),
    ],
)
def test_what_is_json_is_read(content, value):
    assert parse_json(content, "a file", "mend it.") == value


def test_a_key_that_occurs_twice_is_refused_where_it_is_asked():
    assert parse_json('{"a": 1, "a": 2}', "it", "mend it.") == {"a": 2}
    with pytest.raises(UserError, match=r"it is no JSON \(a key occurs twice in one object\); mend it\."):
        parse_json('[{"a": 1, "a": 2}]', "it", "mend it.", once=True)


def test_a_file_that_holds_no_object_or_cannot_be_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[1]")
    for found, content in (("holds a list", "[1]"), ("holds a NoneType", "null"), ("is no JSON", "")):
        path.write_text(content)
        with pytest.raises(UserError, match=found):
            read_object(path, "mend it.")
    for where in (tmp_path, tmp_path / "b.json", path / "c.json"):
        with pytest.raises(UserError, match="cannot be read"):
            read_object(where, "mend it.")
