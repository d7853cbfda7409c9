"""Articles from files on disk: PubMed's XML, the baseline's among it, and JSON lines in one of three forms.

A line of a .jsonl file holds the fields of `Article`; or `pmid`, `title`, `abstract` as a list of {label, text}; or, as in
MedQuAD (https://github.com/abachaa/MedQuAD), `question`, `answer` and `source_path`.
"""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

from prima_jax.corpus.articles import PUBMED, Article
from prima_jax.corpus.search.pubmed_xml import ARTICLE_SET, MalformedXml, clean, read_articles, root_name
from prima_jax.errors import UserError
from prima_jax.json_text import parse_json

__all__ = ["find_files", "holds_articles", "is_xml", "read_file"]

SUFFIXES = (".xml", ".xml.gz", ".jsonl")
FIELDS = tuple(field.name for field in fields(Article))
MEDQUAD_LICENCE = "CC BY 4.0"

_PUT = (
    "put articles there, as PubMed's XML (files of its baseline, https://pubmed.ncbi.nlm.nih.gov/download/, as they come) or as "
    'lines {"id": "1", "title": "...", "sections": [["", "..."]]} of a .jsonl file, or name another folder.'
)
_LIST_ITEM = re.compile(r" (?=- [A-Z])")
"""Before an item of a list that the page had, which MedQuAD has in one line; offsets stay what they were."""
_TRAILING_MARKS = re.compile(r"[\s?]*\?$")


def find_files(source: Path) -> list[Path]:
    """The files that may hold articles, in a fixed order, also from folders within. Raises UserError: no folder, no file."""
    if not source.is_dir():
        raise UserError(f"config.search.source = {str(source)!r} is no folder: {_PUT}")
    found = sorted(path for path in source.rglob("*") if path.name.lower().endswith(SUFFIXES) and path.is_file())
    if not found:
        raise UserError(f"config.search.source = {str(source)!r} holds no .xml, .xml.gz or .jsonl file: {_PUT}")
    return found


def is_xml(path: Path) -> bool:
    return not path.name.lower().endswith(".jsonl")


def holds_articles(path: Path) -> bool:
    """Is it JSON lines, or a set of PubMed's articles, rather than, say, the reply to a search? Raises UserError."""
    if not is_xml(path):
        return True
    with _told(path), _open(path) as stream:
        return root_name(stream) == ARTICLE_SET


def read_file(path: Path) -> Iterator[tuple[Article, bytes]]:
    """The articles of a file, each with its bytes. Raises UserError that names what is wrong, and the line if it has lines."""
    if is_xml(path):
        with _told(path), _open(path) as stream:
            yield from read_articles(stream)
        return
    within: Counter[str] = Counter()
    with _told(path), path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip(b"\xef\xbb\xbf \t\r\n"):
                row = parse_json(line, f"{path}, line {number},", "each line should be one object.")
                try:
                    yield _article(row, within), line.rstrip(b"\r\n")
                except (_Unusable, KeyError, TypeError, ValueError) as error:
                    raise UserError(f"{path}, line {number}: {_expected(error)}") from error


class _Unusable(Exception):
    """A line that is no article, and why."""


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turns what goes wrong in reading a file into one sentence with its name."""
    try:
        yield
    except (MalformedXml, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path} is damaged or no XML ({error}): get it again, or take it out of the folder; what was read before it is kept."
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _expected(error: Exception) -> str:
    if isinstance(error, _Unusable):
        return str(error)
    missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return f"{missing}; correct the line, or take the file out of the folder."


def _article(row: Any, within: Counter[str]) -> Article:
    if not isinstance(row, dict):
        raise _Unusable(f"expected an object, found {type(row).__name__}.")
    if "sections" in row:
        return _own(row)
    if "abstract" in row and ("pmid" in row or "pmcid" in row):
        return _record(row)
    if {"question", "answer", "source_path"} <= row.keys():
        return _question(row, within)
    raise _Unusable(
        f"expected the fields {', '.join(FIELDS)}; or pmid, title, abstract; or question, answer, source_path; found "
        f"{', '.join(map(str, row)) or 'none'}."
    )


def _own(row: dict[str, Any]) -> Article:
    if unknown := [key for key in row if key not in FIELDS]:
        raise _Unusable(f"unknown fields {', '.join(unknown)}; known are {', '.join(FIELDS)}.")
    texts = {key: _text(row, key) for key in ("journal", "language", "doi", "url", "licence") if key in row}
    retracted = row.get("retracted", False)
    if not isinstance(retracted, bool):
        raise _Unusable(f"retracted should be true or false, not {retracted!r}.")
    return Article(
        id=_id(row, "id"),
        title=_text(row, "title"),
        sections=_sections(_list(row, "sections", "[label, text]", lambda p: isinstance(p, list) and len(p) == 2)),
        year=_year(row.get("year")),
        types=_texts(row, "types"),
        mesh=_texts(row, "mesh"),
        retracted=retracted,
        retracts=_texts(row, "retracts"),
        **texts,
    )


def _record(row: dict[str, Any]) -> Article:
    pmid = "pmid" in row
    parts = _list(row, "abstract", "{label, text}", lambda part: isinstance(part, dict))
    return Article(
        id=_id(row, "pmid" if pmid else "pmcid"),
        title=_text(row, "title"),
        sections=_sections([(part.get("label") or "", part["text"]) for part in parts]),
        year=_year(row.get("year")),
        types=_texts(row, "publication_types"),
        journal=_text_if(row, "journal"),
        doi=_text_if(row, "doi"),
        url=PUBMED.format(row["pmid"]) if pmid else f"https://pmc.ncbi.nlm.nih.gov/articles/{row['pmcid']}/",
        licence=_text_if(row, "licence"),
        retracted=any(kind.lower() == "retracted publication" for kind in _texts(row, "publication_types")),
    )


def _question(row: dict[str, Any], within: Counter[str]) -> Article:
    """The answer under its question, an item of a list on a line of its own.

    A file of MedQuAD holds several questions, which are counted from 1.
    """
    source = _text(row, "source_path")
    within[source] += 1
    return Article(
        id=f"medquad:{Path(source).stem}-{within[source]}",
        title=_TRAILING_MARKS.sub("?", _text(row, "question")),
        sections=_sections([("", part) for part in _LIST_ITEM.split(_cleaned(row["answer"], "answer"))]),
        types=("Question and answer",),
        journal=_text_if(row, "publisher"),
        language="eng",
        url=_text_if(row, "url"),
        licence=MEDQUAD_LICENCE,
    )


def _id(row: dict[str, Any], key: str) -> str:
    found = str(row[key]) if isinstance(row[key], int) and not isinstance(row[key], bool) else row[key]
    if not isinstance(found, str) or not re.fullmatch(r"[!-~]+", found):
        raise _Unusable(f"{key} should be a PMID or another identifier without spaces, not {found!r}.")
    return found


def _text(row: dict[str, Any], key: str) -> str:
    return _cleaned(row[key], key)


def _text_if(row: dict[str, Any], key: str) -> str:
    """Empty where there is none."""
    return _text(row, key) if row.get(key) else ""


def _texts(row: dict[str, Any], key: str) -> tuple[str, ...]:
    values = row.get(key) or []
    if not isinstance(values, list):
        raise _Unusable(f"{key} should be a list of texts, not {values!r}.")
    return tuple(_cleaned(value, key) for value in values)


def _list(row: dict[str, Any], key: str, of: str, fits: Callable[[Any], bool]) -> list[Any]:
    values = row[key]
    if not isinstance(values, list) or not all(map(fits, values)):
        raise _Unusable(f"{key} should be a list of {of}, not {str(values)[:80]!r}.")
    return values


def _sections(parts: Iterable[Sequence[Any]]) -> tuple[tuple[str, str], ...]:
    cleaned = [(_cleaned(label, "a label"), _cleaned(text, "the abstract's text")) for label, text in parts]
    return tuple((label, text) for label, text in cleaned if text)


def _cleaned(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _Unusable(f"{name} should be a text, not {value!r}.")
    return clean(value)


def _year(value: Any) -> int | None:
    if value in (None, ""):
        return None
    if isinstance(value, bool) or not re.fullmatch(r"(1[5-9]|20)\d\d", str(value)):
        raise _Unusable(f"year should be a year, not {value!r}.")
    return int(value)
