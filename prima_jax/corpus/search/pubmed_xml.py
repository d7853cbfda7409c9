"""PubMed's XML, from E-utilities or from the baseline's files, to articles; each with its bytes as they came.

https://www.nlm.nih.gov/bsd/licensee/elements_descriptions.html describes the elements.
"""

import io
import re
import unicodedata
from collections.abc import Iterator
from typing import IO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from prima_jax.corpus.articles import PUBMED, Article

__all__ = ["ARTICLE_SET", "MalformedXml", "clean", "parse_xml", "read_articles", "root_name"]

ARTICLE_SET = "PubmedArticleSet"
BLOCK = 1 << 20
LARGEST = 64 << 20
"""Bytes; no record, and no file without its records, is larger."""
RETRACTED_TYPE = "D016441"
"""The publication type Retracted Publication, by its MeSH number."""
RETRACTED_LINKS = frozenset({"RetractionIn", "PartialRetractionIn"})
"""Part of it withdrawn is as little to build on."""
NOTICE_LINKS = frozenset({"RetractionOf", "PartialRetractionOf"})

_START = re.compile(rb"<(PubmedArticle|PubmedBookArticle)(?:\s[^>]*)?>")
_ENCODING = re.compile(rb"""^(?:\xef\xbb\xbf)?<\?xml[^>]*\bencoding\s*=\s*["']([^"']+)""")
_YEAR = re.compile(r"\b(1[5-9]|20)\d\d\b")
# A record is read by itself; a prefix that the whole file binds, or only its DTD, is bound here. No DTD, hence no entities.
_OPEN = b'<_ xmlns:mml="http://www.w3.org/1998/Math/MathML" xmlns:xlink="http://www.w3.org/1999/xlink">'
_CLOSE = b"</_>"


class MalformedXml(Exception):
    """What is wrong with the XML, without saying where it came from, which the caller knows."""


def read_articles(stream: IO[bytes]) -> Iterator[tuple[Article, bytes]]:
    """The articles, one at a time however large the file, each with its bytes.

    Raises MalformedXml, for what is seen at the file's end (a file cut short) after the articles that are whole.
    """
    rest = io.BytesIO()
    head = True
    for is_record, piece in _split(stream):
        if is_record:
            if head:
                _check_encoding(rest.getvalue())
                head = False
            yield _article(piece), piece
        elif rest.write(piece) and rest.tell() > LARGEST:
            raise MalformedXml(f"over {LARGEST} bytes of it are in no record")
    # What stands between the records has to be a document by itself: so nothing was cut off, and nothing mixed in.
    root = parse_xml(rest.getvalue())
    if root.tag != ARTICLE_SET:
        raise MalformedXml(f"its root is {root.tag}, not {ARTICLE_SET}")
    if (error := root.find(".//ERROR")) is not None:
        raise MalformedXml(f"it holds an error: {clean(error)}")
    if root.find("PubmedArticle") is not None or root.find("PubmedBookArticle") is not None:
        raise MalformedXml("its records are not in UTF-8")


def root_name(stream: IO[bytes]) -> str:
    """The root element's name, of which no more is read than needed. Raises MalformedXml."""
    parser = defusedxml.ElementTree.DefusedXMLParser(target=_Root())
    try:
        while block := stream.read(4096):
            parser.feed(block)
    except _RootSeen as seen:
        return str(seen)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise MalformedXml(_reason(error)) from error
    raise MalformedXml("there is no element in it")


def parse_xml(content: bytes) -> Element:
    """The tree of a small document; none that declares entities. Raises MalformedXml."""
    try:
        return defusedxml.ElementTree.fromstring(content)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise MalformedXml(_reason(error)) from error


def clean(content: Element | str | None) -> str:
    """All text as it is shown, in Unicode's form NFC, with single spaces."""
    if content is None:
        return ""
    text = content if isinstance(content, str) else "".join(_pieces(content))
    return " ".join(unicodedata.normalize("NFC", text).split())


class _RootSeen(Exception):
    """Ends the reading."""


class _Root:
    """A parser's target that has seen enough with the first element."""

    def start(self, tag: str, _: dict[str, str]) -> None:
        raise _RootSeen(tag)


def _split(stream: IO[bytes]) -> Iterator[tuple[bool, bytes]]:
    """The bytes in their order, (True, a record from its start tag to its end tag) or (False, what is between)."""
    held = b""
    while True:
        block = stream.read(BLOCK)
        held += block
        begin = 0
        while start := _START.search(held, begin):
            end_tag = b"</" + start[1] + b">"
            end = held.find(end_tag, start.end())
            if end < 0:
                break
            yield False, held[begin : start.start()]
            begin = end + len(end_tag)
            yield True, held[start.start() : begin]
        # A tag may go on in the next block.
        safe = start.start() if start else max(begin, held.rfind(b"<", begin))
        if not block:
            yield False, held[begin:]
            return
        yield False, held[begin:safe]
        held = held[safe:]
        if len(held) > LARGEST:
            raise MalformedXml(f"a record goes on for over {LARGEST} bytes")


def _check_encoding(head: bytes) -> None:
    named = _ENCODING.match(head)
    if named and named[1].lower() not in (b"utf-8", b"us-ascii"):
        raise MalformedXml(f"it is in {named[1].decode('ascii', 'replace')}, and PubMed's XML is in UTF-8")


def _article(record: bytes) -> Article:
    try:
        return _from_tree(ElementTree.fromstring(_OPEN + record + _CLOSE)[0], record)
    except ElementTree.ParseError as error:
        raise MalformedXml(_reason(error)) from error
    except RecursionError as error:
        raise MalformedXml(f"a record's elements are nested too deep: {record[:80].decode(errors='replace')!r}") from error


def _from_tree(root: Element, record: bytes) -> Article:
    citation, book = root.find("MedlineCitation"), root.find("BookDocument")
    found = citation if citation is not None else book
    pmid = clean(found.find("PMID")) if found is not None else ""
    if found is None or not (pmid.isascii() and pmid.isdecimal()):
        raise MalformedXml(f"a record has no PMID: {record[:80].decode(errors='replace')!r}")
    content = found if citation is None else found.find("Article")
    if content is None:
        raise MalformedXml(f"the record of PMID {pmid} holds no Article")
    return Article(
        id=pmid,
        title=_first(content, "ArticleTitle", "VernacularTitle", "Book/BookTitle"),
        sections=_sections(content.find("Abstract")),
        year=_year(root, content),
        types=tuple(filter(None, map(clean, content.iterfind(".//PublicationType")))),
        journal=_first(content, "Journal/Title", "Journal/ISOAbbreviation", "Book/BookTitle"),
        language=_first(content, "Language"),
        mesh=tuple(filter(None, map(clean, found.iterfind("MeshHeadingList/MeshHeading/DescriptorName")))),
        doi=_doi(root, content),
        url=PUBMED.format(pmid),
        retracted=_retracted(found, content),
        retracts=_retracts(found),
    )


def _first(element: Element, *paths: str) -> str:
    return next((text for path in paths if (text := clean(element.find(path)))), "")


def _sections(abstract: Element | None) -> tuple[tuple[str, str], ...]:
    if abstract is None:
        return ()
    parts = ((clean(part.get("Label")), clean(part)) for part in abstract.iterfind("AbstractText"))
    return tuple((label, text) for label, text in parts if text)


def _year(root: Element, content: Element) -> int | None:
    """MedlineDate stands where a date is a season or a span: "1998 Dec-1999 Jan", whose first year counts."""
    for path in ("Journal/JournalIssue/PubDate", "ArticleDate", "ContributionDate", "Book/PubDate"):
        if (date := content.find(path)) is not None and (year := _YEAR.search(_first(date, "Year", "MedlineDate"))):
            return int(year[0])
    entered = root.find("*/History/PubMedPubDate[@PubStatus='pubmed']/Year")
    year = _YEAR.search(clean(entered))
    return int(year[0]) if year else None


def _doi(root: Element, content: Element) -> str:
    """By whole paths alone: the references of an article have DOIs as well."""
    valid = next((e for e in content.iterfind("ELocationID[@EIdType='doi']") if e.get("ValidYN") != "N"), None)
    listed = (root.find(f"{path}/ArticleIdList/ArticleId[@IdType='doi']") for path in ("PubmedData", "BookDocument"))
    return next((doi for element in (*listed, valid) if (doi := clean(element))), "")


def _retracted(found: Element, content: Element) -> bool:
    links = found.iterfind("CommentsCorrectionsList/CommentsCorrections")
    types = content.iterfind(".//PublicationType")
    return any(link.get("RefType") in RETRACTED_LINKS for link in links) or any(
        kind.get("UI") == RETRACTED_TYPE or clean(kind).lower() == "retracted publication" for kind in types
    )


def _retracts(found: Element) -> tuple[str, ...]:
    """What a retraction notice takes back."""
    links = found.iterfind("CommentsCorrectionsList/CommentsCorrections")
    return tuple(pmid for link in links if link.get("RefType") in NOTICE_LINKS and (pmid := clean(link.find("PMID"))))


def _pieces(element: Element, formula: bool = False) -> Iterator[str]:
    """The text under an element. In a formula, space between elements is not shown, nor is the formula's source."""
    name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    if name.startswith("annotation"):
        return
    formula = formula or name == "math"
    if element.text and not (formula and len(element) and element.text.isspace()):
        yield element.text
    for child in element:
        yield from _pieces(child, formula)
        if child.tail and not (formula and child.tail.isspace()):
            yield child.tail


def _reason(error: Exception) -> str:
    if isinstance(error, DefusedXmlException):
        return f"it declares entities, which PubMed's XML does not ({type(error).__name__})"
    return str(error)
