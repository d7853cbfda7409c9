"""Asks the client of E-utilities, as its tests do."""

from datetime import date

__all__ = ["EMAIL", "FIRST", "IDS", "KEY", "LAST", "fetched", "search"]

KEY = "0123456789abcdef+secret/key"
EMAIL = "somebody@example.org"
FIRST, LAST = date(2011, 1, 1), date(2026, 12, 31)
IDS = [str(n) for n in range(1, 8)]


def search(pubmed, term="skin", most=100, **more):
    return pubmed.search(term, FIRST, LAST, most=most, **more)


def fetched(pubmed, ids=IDS, history=None):
    return [article.id for page in pubmed.fetch(ids, history) for article, _ in page]
