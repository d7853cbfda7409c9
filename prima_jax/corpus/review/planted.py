"""A few claims that are wrong on purpose, so that approving without reading shows. They are never published."""

import hashlib
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prima_jax.corpus.folder import CorpusFolder, read_lines, write_lines
from prima_jax.corpus.review.decisions import Decision

__all__ = ["Care", "care_of", "plant", "read_planted"]

EVERY = 20
"""Claims for each one that is planted."""
_OPPOSITES = (
    ("increase", "decrease"), ("increases", "decreases"), ("increased", "decreased"), ("increasing", "decreasing"),
    ("higher", "lower"), ("raises", "lowers"), ("raised", "lowered"), ("more", "less"), ("often", "rarely"), ("common", "rare"),
    ("greater", "smaller"), ("positive", "negative"), ("benign", "malignant"), ("younger", "older"), ("before", "after"),
)  # fmt: skip
_TURNED = {a: b for pair in _OPPOSITES for a, b in (pair, pair[::-1])}
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")
_Spoilt = tuple[dict[str, Any], str]


@dataclass(frozen=True)
class Care:
    """How attentively somebody has read."""

    first: Mapping[str, str]
    """Planted claim -> what they did on it at first: whoever looks again once they were told changes nothing."""
    seconds: float | None
    """The median time for a claim; None where no time was seen."""

    @property
    def missed(self) -> int:
        return sum(action == "approve" for action in self.first.values())

    @property
    def caught(self) -> int:
        return len(self.first) - self.missed


def plant(folder: CorpusFolder, claims: Sequence[Mapping[str, Any]], secret: bytes) -> None:
    """Writes the planted claims, once: spoiled copies of some that no check flags, chosen by a secret."""
    if folder.planted.exists():
        return
    order = sorted((c for c in claims if not c["flags"]), key=lambda claim: _hash(secret, claim["id"]))
    write_lines(folder.planted, list(_spoiled(order, secret))[: len(claims) // EVERY])


def read_planted(folder: CorpusFolder) -> dict[str, dict[str, Any]]:
    """Id -> claim, with `wrong`: what is wrong with it, in a sentence."""
    return {row["id"]: row for row in read_lines(folder.planted)}


def care_of(who: str, decisions: Iterable[Decision], planted: Mapping[str, Any]) -> Care:
    """How attentively a person has read, from what they did first on each planted claim, and from their times."""
    mine = sorted((d for d in decisions if d.who == who), key=lambda d: d.number)
    first = {d.claim: d.action for d in reversed(mine) if d.claim in planted}
    times = [d.seconds for d in mine if d.seconds is not None]
    return Care(first, statistics.median(times) if times else None)


def _spoiled(claims: Sequence[Mapping[str, Any]], secret: bytes) -> Iterator[dict[str, Any]]:
    """A claim in each way that can be had from it, way by way, so that each way is there early."""
    ways: tuple[Callable[..., _Spoilt | None], ...] = (_turned, _another_source, _another_number)
    for number, claim in enumerate(claims):
        for way in (*ways[number % 3 :], *ways[: number % 3]):
            if spoilt := way(claim, claims):
                changed, wrong = spoilt
                name = "c-" + _hash(secret, "planted " + claim["id"])[:16]
                alone = {"id": name, "flags": [], "agreement": "single", "counterparts": []}
                yield {**claim, **changed, **alone, "wrong": wrong}
                break


def _turned(claim: Mapping[str, Any], _: object) -> _Spoilt | None:
    for word in re.findall(r"[a-z]+", claim["text"]):
        if word in _TURNED:
            text = re.sub(rf"\b{word}\b", _TURNED[word], claim["text"], count=1)
            return {"text": text}, f'The source says "{word}", not "{_TURNED[word]}".'
    return None


def _another_number(claim: Mapping[str, Any], _: object) -> _Spoilt | None:
    found = _NUMBER.search(claim["text"])
    if not found:
        return None
    number = str((int(found[0][0]) + 2) % 9 + 1) + found[0][1:]
    text = claim["text"][: found.start()] + number + claim["text"][found.end() :]
    return {"text": text}, f"The source says {found[0]}, not {number}."


def _another_source(claim: Mapping[str, Any], claims: Sequence[Mapping[str, Any]]) -> _Spoilt | None:
    cited = {c["article"] for c in claim["citations"]}
    for other in claims:
        elsewhere = {c["article"] for c in other["citations"]}
        if elsewhere and not elsewhere & cited and other["disease"] == claim["disease"] and other["text"] != claim["text"]:
            return {"citations": other["citations"]}, "The source is another article's and says nothing of this."
    return None


def _hash(secret: bytes, text: str) -> str:
    return hashlib.sha256(secret + text.encode()).hexdigest()
