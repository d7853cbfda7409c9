"""The step search as tests call it, and what it leaves in its folder."""

import sqlite3

from ml_collections import ConfigDict

from prima_jax.corpus.articles import ArticleStore
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.search import search
from tests.studies.pad_ufes_20 import PAD_UFES_20

__all__ = ["EMAIL", "config", "rows", "run", "stored"]

EMAIL = "somebody@example.org"


def config(source="", **changed):
    settings = {"source": str(source), "email": EMAIL, "years": 15, "reviews": 2000, "case_reports": 200, **changed}
    return ConfigDict({"search": settings})


def run(folder, source="", **changed):
    return search.run(config(source, **changed), PAD_UFES_20, CorpusFolder(folder))


def stored(folder):
    with ArticleStore(folder / "articles.sqlite") as store:
        return {article.id: article for article in store}


def rows(folder):
    connection = sqlite3.connect(folder / "articles.sqlite")
    try:
        return [connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in ("article", "search")]
    finally:
        connection.close()
