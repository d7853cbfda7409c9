"""What the checks flag, on labelled claims from real texts: docs/corpus.md gives these figures."""

from typing import Any

import pytest

from benchmarks.labelled import labelled, real_articles
from prima_jax.corpus.articles import Article
from prima_jax.corpus.check.citations import Flag, check_claim, evidence_of
from prima_jax.corpus.claims import Citation, Claim
from tests.corpus.shared import SHARED

MEASURED = {"a": (40, 33), "b": (40, 36), "c": (40, 0), "d": (39, 1), "e": (38, 2)}
"""Set -> how many of 40 spoiled claims and how many of 40 good ones are flagged.

The claims of a and b are free paraphrases, those of c, d and e keep to the passage's own words, as writers are asked to. Each
was measured once before anything in it had been looked at: c (39, 9), then d (38, 5), then e (38, 2), as it stands. The rules
were made on a and b, and changed after what c and d showed; nothing was changed after e.
"""


def flags_of(row: dict[str, Any], articles: dict[str, Article]) -> list[Flag]:
    """What the checks say to one labelled claim. Its quote stands where the label says, also when it cites another article."""
    claim = Claim(
        text=row["text"],
        direction=row["direction"],
        strength=row["strength"],
        citations=tuple(Citation(article=c["article"], quote=_quote(c, articles)) for c in row["citations"]),
    )
    return check_claim(
        claim,
        evidence_of(claim, articles),
        articles=articles,
        retrieved=frozenset(articles),
        disease_terms=row["disease_terms"],
        attribute_terms=row["attribute_terms"],
    )


def _quote(citation: dict[str, Any], articles: dict[str, Article]) -> str:
    """The words that a citation quotes, taken from `quoted_from` where it names another article than it took them from."""
    source = citation.get("quoted_from", citation["article"])
    return articles[source].abstract[citation["start"] : citation["end"]]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real texts (shared/data/pubmed) are not here")
@pytest.mark.parametrize("name", MEASURED)
def test_as_many_are_flagged_as_the_documentation_says(name):
    articles = real_articles(SHARED)
    rows = labelled(name)
    flagged = [row for row in rows if flags_of(row, articles)]
    spoiled = sum(row["spoiled"] is not None for row in flagged)
    assert len(rows) == 80 and sum(row["spoiled"] is not None for row in rows) == 40
    assert (spoiled, len(flagged) - spoiled) == MEASURED[name]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real texts (shared/data/pubmed) are not here")
@pytest.mark.parametrize("name", MEASURED)
def test_every_wrong_source_is_flagged(name):
    articles = real_articles(SHARED)
    assert all(flags_of(row, articles) for row in labelled(name) if row["spoiled"] == "wrong_pmid")
