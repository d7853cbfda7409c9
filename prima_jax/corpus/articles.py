"""What a source gives: articles, kept as fetched in an SQLite file, each once."""

import gzip
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from prima_jax.errors import UserError

__all__ = ["FILE", "PUBMED", "Article", "ArticleStore"]

PUBMED = "https://pubmed.ncbi.nlm.nih.gov/{}/"
FILE = "file:"
"""What a note of a file that was read begins with, among the searches."""


@dataclass(frozen=True)
class Article:
    """One article: its title and abstract, and what is needed to judge and cite it."""

    id: str
    """The PMID in digits; another source's identifier has letters, e.g. `medquad:0000028_1-2`."""
    title: str
    sections: tuple[tuple[str, str], ...]
    """The abstract's parts as (label, text); the label is empty where the abstract has no parts."""
    year: int | None = None
    types: tuple[str, ...] = ()
    """Publication types in the source's words, e.g. "Meta-Analysis"."""
    journal: str = ""
    language: str = ""
    mesh: tuple[str, ...] = ()
    doi: str = ""
    url: str = ""
    licence: str = ""
    """What is known of the licence; empty: nothing, so that its text may not be handed on."""
    retracted: bool = False
    retracts: tuple[str, ...] = ()
    """The ids of what this article, a retraction notice, takes back."""

    @property
    def abstract(self) -> str:
        """The text that passages, quotes and offsets refer to: the sections' texts, a line each."""
        return "\n".join(text for _, text in self.sections)

    def label_at(self, offset: int) -> str:
        """The label of the section that an offset into `abstract` is in."""
        end = -1
        for label, text in self.sections:
            end += 1 + len(text)
            if offset < end:
                return label
        raise IndexError(f"{self.id}: {offset} is beyond its abstract's {end} characters")

    @property
    def is_pubmed(self) -> bool:
        return self.id.isdecimal()

    @property
    def page(self) -> str:
        """Returns the address at PubMed, or the one that its source gives."""
        return PUBMED.format(self.id) if self.is_pubmed else self.url


class ArticleStore:
    """The file `articles.sqlite` of a corpus folder. Every write is one transaction, so a killed search loses nothing.

    Tables: `article(id, content, raw)`: the article as JSON and, compressed, as the source sent it;
    `search(query, translation, count, day)`: what was asked, and what the source made of it. Raises UserError if the file
    cannot be opened, or is something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._connection = sqlite3.connect(self.path, timeout=30.0)
            self._create()
        except sqlite3.Error as error:
            raise UserError(f"{self.path} cannot be used as a store of articles ({error}); move it away, or free it.") from error

    def _create(self) -> None:
        with self._connection as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE IF NOT EXISTS article (id TEXT PRIMARY KEY, content TEXT NOT NULL, raw BLOB)")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS search (query TEXT PRIMARY KEY, translation TEXT, count INTEGER, day TEXT)"
            )

    def __enter__(self) -> "ArticleStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def add(self, articles: Iterable[tuple[Article, bytes]]) -> int:
        """Stores articles with the bytes they came in; returns how many were new. One that changed replaces the older one."""
        rows = [
            (a.id, json.dumps(asdict(a), ensure_ascii=False, sort_keys=True), gzip.compress(raw, mtime=0)) for a, raw in articles
        ]
        with self._connection as connection:
            before = len(self)
            connection.executemany("INSERT OR REPLACE INTO article VALUES (?, ?, ?)", rows)
            return len(self) - before

    def take_back(self) -> int:
        """Marks as retracted what the notices among the articles take back; returns how many were not marked before."""
        with closing(self._connection.execute("""SELECT content FROM article WHERE content LIKE '%"retracts": ["%'""")) as rows:
            named = sorted({article for (content,) in rows for article in _article(content).retracts})
        taken = [replace(a, retracted=True) for name in named if (a := self.get(name)) and not a.retracted]
        self.add([(article, self.raw(article.id)) for article in taken])
        return len(taken)

    def note_search(self, query: str, translation: str, count: int, day: str) -> None:
        """Notes a search that was brought to its end."""
        with self._connection as connection:
            connection.execute("INSERT OR REPLACE INTO search VALUES (?, ?, ?, ?)", (query, translation, count, day))

    def searches(self) -> list[tuple[str, str, int, str]]:
        """(query, what the source made of it, hits, day) of every finished search."""
        with closing(self._connection.execute("SELECT query, translation, count, day FROM search ORDER BY query")) as rows:
            return list(rows)

    def ids(self) -> set[str]:
        with closing(self._connection.execute("SELECT id FROM article")) as rows:
            return {row[0] for row in rows}

    def raw(self, article: str) -> bytes:
        """What the source sent. Raises KeyError for an article that is not there."""
        row = self._connection.execute("SELECT raw FROM article WHERE id = ?", (article,)).fetchone()
        if row is None:
            raise KeyError(article)
        return gzip.decompress(row[0])

    def __len__(self) -> int:
        return self._connection.execute("SELECT count(*) FROM article").fetchone()[0]

    def __iter__(self) -> Iterator[Article]:
        """All articles, in the order of their ids, so that what is made of them does not depend on when they came."""
        with closing(self._connection.execute("SELECT content FROM article ORDER BY id")) as rows:
            for (content,) in rows:
                yield _article(content)

    def cited(self, claims: Iterable[Mapping[str, Any]]) -> dict[str, Article]:
        """Id -> what the claims cite, as far as it is there."""
        named = sorted({citation["article"] for claim in claims for citation in claim["citations"]})
        return {article: found for article in named if (found := self.get(article))}

    def get(self, article: str) -> Article | None:
        row = self._connection.execute("SELECT content FROM article WHERE id = ?", (article,)).fetchone()
        return _article(row[0]) if row else None


def _article(content: str) -> Article:
    fields: dict[str, Any] = json.loads(content)
    fields["sections"] = tuple((label, text) for label, text in fields["sections"])
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return Article(**values)
