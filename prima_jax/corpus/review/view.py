"""What a page shows of a claim: its quotes in their sentences, what an edit changed, and texts that can do no harm."""

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from prima_jax.corpus.articles import Article
from prima_jax.corpus.quotes import find_quote, fold

__all__ = ["Piece", "Source", "harmless", "safe_link", "source_of", "word_changes"]

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")


class Piece(NamedTuple):
    """A run of text; `mark` says what is special about it: "", "quote", "added" or "removed"."""

    text: str
    mark: str = ""


@dataclass(frozen=True)
class Source:
    """One citation of a claim, as it is shown."""

    id: str
    article: Article | None
    """None: it is not among the articles."""
    link: str | None
    quote: str
    context: tuple[Piece, ...]
    """The quote's sentence, with the one before and the one after; empty where the quote was not found."""
    abstract: tuple[tuple[str, tuple[Piece, ...]], ...]
    """(label, text) of each section."""


def source_of(citation: Mapping[str, Any], article: Article | None) -> Source:
    """A citation beside what it cites. The quote's offsets are checked again: an article may have been fetched anew since."""
    identifier = str(citation["article"])
    if article is None:
        return Source(identifier, None, None, citation["quote"], (), ())
    span = _span(citation, article.abstract)
    sections, offset = [], 0
    for label, text in article.sections:
        sections.append((label, _marked(text, offset, span)))
        offset += len(text) + 1
    context = _context(article.abstract, span)
    return Source(identifier, article, safe_link(article.page), citation["quote"], context, tuple(sections))


def word_changes(before: str, after: str) -> tuple[Piece, ...]:
    """`after` with what it adds to `before` and what it leaves out, word by word."""
    old, new = before.split(), after.split()
    pieces = []
    for action, a, b, c, d in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if action == "equal":
            pieces.append(Piece(" ".join(old[a:b])))
        else:
            pieces += [Piece(" ".join(old[a:b]), "removed")] if b > a else []
            pieces += [Piece(" ".join(new[c:d]), "added")] if d > c else []
    spaced = [part for piece in pieces for part in (Piece(" "), piece)]
    return tuple(spaced[1:])


def harmless(text: str) -> str:
    """`text` with a visible stand-in for each character that could hide or reorder others."""
    return "".join(f"[U+{ord(c):04X}]" if _is_hidden(c) else c for c in text)


def safe_link(url: str) -> str | None:
    """`url`, if it leads to a web page and nowhere else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc and not any(c.isspace() for c in url) else None


def _is_hidden(character: str) -> bool:
    if character in "\n\t\r\u200c\u200d\u00ad":  # joiners and soft hyphens belong to some words
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _span(citation: Mapping[str, Any], abstract: str) -> tuple[int, int] | None:
    start, end = citation.get("start") or 0, citation.get("end") or 0
    if 0 <= start < end <= len(abstract) and fold(abstract[start:end]) == fold(citation["quote"]):
        return start, end
    return find_quote(citation["quote"], abstract)


def _marked(text: str, offset: int, span: tuple[int, int] | None) -> tuple[Piece, ...]:
    """`text`, which begins at `offset`, with the part of it that lies in `span` marked."""
    if span is None:
        return (Piece(text),)
    start, end = (min(max(0, at - offset), len(text)) for at in span)
    pieces = (Piece(text[:start]), Piece(text[start:end], "quote"), Piece(text[end:]))
    return tuple(piece for piece in pieces if piece.text)


def _context(abstract: str, span: tuple[int, int] | None) -> tuple[Piece, ...]:
    if span is None:
        return ()
    first = abstract.rfind("\n", 0, span[0]) + 1
    last = abstract.find("\n", span[1])
    last = len(abstract) if last < 0 else last
    starts = [first, *(first + m.end() for m in _SENTENCE_END.finditer(abstract[first:last]))]
    ends = [*starts[1:], last]
    left = max(n for n, start in enumerate(starts) if start <= span[0])
    right = min(n for n, end in enumerate(ends) if end >= span[1])
    start, end = starts[max(0, left - 1)], ends[min(len(ends) - 1, right + 1)]
    return _marked(abstract[start:end].strip("\n"), start, span)
