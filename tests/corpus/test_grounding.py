"""What the checks flag, on labelled claims from real texts: docs/corpus.md gives these figures, and says that they are poor."""

import pytest

from tests.corpus.labelled import SHARED, flags_of, labelled, real_articles

MEASURED = {"a": (36, 29), "b": (35, 24)}
"""Set -> how many of 40 spoiled claims and how many of 40 good ones are flagged."""


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real texts (shared/data/pubmed) are not here")
@pytest.mark.parametrize("name", ["a", "b"])
def test_as_many_are_flagged_as_the_documentation_says(name):
    articles = real_articles()
    rows = labelled(name)
    flagged = [row for row in rows if flags_of(row, articles)]
    spoiled = sum(row["spoiled"] is not None for row in flagged)
    assert sum(row["spoiled"] is not None for row in rows) == 40
    assert (spoiled, len(flagged) - spoiled) == MEASURED[name]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real texts (shared/data/pubmed) are not here")
@pytest.mark.parametrize("name", ["a", "b"])
def test_every_wrong_source_is_flagged(name):
    articles = real_articles()
    assert all(flags_of(row, articles) for row in labelled(name) if row["spoiled"] == "wrong_pmid")
