"""The labelled claims of grounding_a.jsonl and its sisters, and the real texts that they cite by offsets.

A row's `text` and `direction` are what a writer claimed, its terms what the topic is called; `spoiled` is what was made wrong
in it, or null where it is right. Sets a and b were paraphrased freely, later ones keep to the passage's own words.
"""

import json
import unicodedata
from pathlib import Path
from typing import Any

from prima_jax.corpus.articles import Article
from prima_jax.corpus.claims import Citation, Claim
from prima_jax.corpus.grounding import Flag, check_claim, evidence_of
from tests.corpus.shared import SHARED

HERE = Path(__file__).parent


def real_articles() -> dict[str, Article]:
    """The 13 PubMed abstracts and 75 NIH texts, by id."""
    articles = {}
    for line in (SHARED / "pubmed_records.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        sections = tuple((s["label"], _plain(s["text"])) for s in row["abstract"])
        articles[row["pmid"]] = Article(row["pmid"], _plain(row["title"]), sections)
    counts: dict[str, int] = {}
    for line in (SHARED / "medquad_qa.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        stem = Path(row["source_path"]).stem
        counts[row["source_path"]] = counts.get(row["source_path"], 0) + 1
        identifier = f"medquad:{stem}-{counts[row['source_path']]}"
        articles[identifier] = Article(identifier, _plain(row["question"]), (("", _plain(row["answer"])),))
    return articles


def labelled(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / f"grounding_{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def flags_of(row: dict[str, Any], articles: dict[str, Article]) -> list[Flag]:
    """What the checks say to one labelled claim. Its quote stands where the label says, also when it cites another article."""
    claim = Claim(
        text=row["text"],
        direction=row["direction"],
        strength=row["strength"],
        citations=tuple(Citation(article=c["article"], quote=quote(c, articles)) for c in row["citations"]),
    )
    return check_claim(
        claim,
        evidence_of(claim, articles),
        articles=articles,
        retrieved=frozenset(articles),
        disease_terms=row["disease_terms"],
        attribute_terms=row["attribute_terms"],
    )


def quote(citation: dict[str, Any], articles: dict[str, Article]) -> str:
    """The words that a citation quotes, taken from `quoted_from` where it names another article than it took them from."""
    source = citation.get("quoted_from", citation["article"])
    return articles[source].abstract[citation["start"] : citation["end"]]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))
