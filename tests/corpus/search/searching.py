"""The step search and the client of E-utilities as tests call them, and what the step leaves in its folder."""

import sqlite3
from datetime import date

from ml_collections import ConfigDict

from prima_jax.corpus.articles import ArticleStore
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.search import search as step
from tests.studies.pad_ufes_20 import PAD_UFES_20

__all__ = ["EMAIL", "IDS", "KEY", "fetched", "rows", "run", "search", "stored"]

KEY = "0123456789abcdef+secret/key"
EMAIL = "somebody@example.org"
FIRST, LAST = date(2011, 1, 1), date(2026, 12, 31)
IDS = [str(n) for n in range(1, 8)]


def search(pubmed, term="skin", most=100, **more):
    return pubmed.search(term, FIRST, LAST, most=most, **more)


def fetched(pubmed, ids=IDS, history=None):
    return [article.id for page in pubmed.fetch(ids, history) for article, _ in page]


def run(folder, source="", **changed):
    settings = {
        "source": str(source),
        "email": EMAIL,
        "years": 15,
        "reviews": 2000,
        "studies": 2000,
        "case_reports": 200,
        **changed,
    }
    return step.run(ConfigDict({"search": settings}), PAD_UFES_20, CorpusFolder(folder))


def stored(folder):
    with ArticleStore(folder / "articles.sqlite") as store:
        return {article.id: article for article in store}


def rows(folder):
    connection = sqlite3.connect(folder / "articles.sqlite")
    try:
        return [connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in ("article", "search")]
    finally:
        connection.close()
