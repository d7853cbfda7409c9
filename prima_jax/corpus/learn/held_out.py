"""What is held out: distinct claims of articles that were not read, in words that the training texts do not have."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prima_jax.corpus.sentences import split_sentences

__all__ = ["HeldOut", "held_out_articles", "normal", "shuffled", "split"]


@dataclass
class HeldOut:
    """One claim, however often it was published."""

    text: str
    article: str
    """The first that it rests on."""
    topics: list[tuple[str, str]]
    """The disease's name and the attribute of each text in which it stands."""


def held_out_articles(rows: Iterable[Mapping[str, Any]], share: float) -> set[str]:
    """About `share` of the cited articles, chosen by the hash of their ids, so that more claims do not move the others."""
    cited = {source["article"] for row in rows for claim in row["claims"] for source in claim["sources"]}
    ranked = sorted(cited, key=lambda article: hashlib.sha256(article.encode()).hexdigest())
    return set(ranked[: round(share * len(ranked))])


def split(rows: Sequence[Mapping[str, Any]], hidden: set[str]) -> tuple[list[str], list[HeldOut]]:
    """The texts without any claim that rests on a hidden article, and the claims that rest on nothing else.

    A held-out claim whose words also stand in a text, or in a longer held-out claim, is not held out.
    """
    texts: list[str] = []
    found: dict[str, HeldOut] = {}
    for row in rows:
        kept = [claim["text"] for claim in row["claims"] if not hidden & {s["article"] for s in claim["sources"]}]
        if kept:
            texts.append(" ".join(kept))
        for claim in row["claims"]:
            articles = [source["article"] for source in claim["sources"]]
            if hidden.issuperset(articles):
                one = found.setdefault(normal(claim["text"]), HeldOut(claim["text"], articles[0], []))
                one.topics.append((row["disease"], row["attribute"]))
    read = [f" {normal(text)} " for text in texts]
    others = {words: [f" {longer} " for longer in found if longer != words] for words in found}
    return texts, [one for words, one in found.items() if not any(f" {words} " in text for text in (*read, *others[words]))]


def normal(text: str) -> str:
    """The words of a text, in one case and without marks, so that two ways to print a sentence are one."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def shuffled(texts: Sequence[str], seed: int) -> list[str]:
    """The texts with the words of each sentence in a random order: the same vocabulary, and nothing said."""
    random = np.random.default_rng(seed)
    return [
        " ".join(" ".join(random.permutation(text[start:end].split())) for start, end in split_sentences(text)) for text in texts
    ]
