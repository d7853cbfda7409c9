"""The labelled claims of labelled_claims/, and the real texts that they cite by offsets, which do not come with this project.

A row's `text` and `direction` are what a writer claimed, its terms what the topic is called; `spoiled` is what was made wrong
in it, or null where it is right. Sets a and b were paraphrased freely, later ones keep to the passage's own words.
"""

import json
import unicodedata
from pathlib import Path
from typing import Any

from prima_jax.corpus.articles import Article

__all__ = ["labelled", "real_articles"]

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


def labelled(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CLAIMS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))
