"""The labelled claims of labelled_claims/, and the texts that they cite by offsets.

A row's `text` and `direction` are what a writer claimed, its terms what the topic is called; `spoiled` is what was made wrong
in it, or null where it is right. Sets a and b were paraphrased freely, c, d and e keep to the passage's own words; f says of
each row which (`wording`: close or free). a to e cite 88 real texts, which do not come with this project. f cites 4 others
of these, and 20 abstracts that were written for it in the style of PubMed, since no real ones were left: f_articles.jsonl.
"""

import json
import unicodedata
from pathlib import Path
from typing import Any

from prima_jax.corpus.articles import Article

__all__ = ["labelled", "real_articles", "written_articles"]

CLAIMS = Path(__file__).parent / "labelled_claims"


def real_articles(folder: Path) -> dict[str, Article]:
    """The 13 PubMed abstracts and 75 NIH texts of a folder, by id."""
    articles = {}
    for line in (folder / "pubmed_records.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        sections = tuple((s["label"], _plain(s["text"])) for s in row["abstract"])
        articles[row["pmid"]] = Article(row["pmid"], _plain(row["title"]), sections)
    counts: dict[str, int] = {}
    for line in (folder / "medquad_qa.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        stem = Path(row["source_path"]).stem
        counts[row["source_path"]] = counts.get(row["source_path"], 0) + 1
        identifier = f"medquad:{stem}-{counts[row['source_path']]}"
        articles[identifier] = Article(identifier, _plain(row["question"]), (("", _plain(row["answer"])),))
    return articles


def written_articles() -> dict[str, Article]:
    """The abstracts that were written for set f, by id."""
    _, *rows = map(json.loads, (CLAIMS / "f_articles.jsonl").read_text(encoding="utf-8").splitlines())
    return {row["id"]: Article(row["id"], row["title"], tuple(map(tuple, row["sections"]))) for row in rows}


def labelled(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CLAIMS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))
