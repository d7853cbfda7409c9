"""Two families on one topic: which claims answer each other, and whether they agree (nothing is decided by vote)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Agreement", "Compared", "compare", "kappa"]

Agreement = Literal["agree", "strength_differs", "contradiction", "single"]
"""single: the other family is silent on this, or there is no other."""
LEAST_OVERLAP = 0.25
"""The share of words that two claims on a disease as a whole have to share before they answer each other."""


@dataclass(frozen=True)
class Compared:
    """How a claim stands to those of the other families."""

    agreement: Agreement
    counterparts: tuple[str, ...]
    """The ids of the claims that answer it, the nearest first."""


def compare(claims: Sequence[Mapping[str, Any]]) -> dict[str, Compared]:
    """Claim id -> how it stands to the claims of other families on its topic.

    Claims need `id`, `topic`, `attribute`, `family`, `text`, `direction` and `strength`. Two claims on the same disease and
    factor answer each other; two on a disease as a whole do so where they share enough words.
    """
    on: dict[str, list[Mapping[str, Any]]] = {}  # only these are compared: their number does not grow with the corpus
    for claim in claims:
        on.setdefault(claim["topic"], []).append(claim)
    return {claim["id"]: _compare(claim, [c for c in on[claim["topic"]] if _answers(claim, c)]) for claim in claims}


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa of two raters' labels; None for no pair, or where both gave one and the same label throughout.

    Cohen (1960), https://doi.org/10.1177/001316446002000104: there the expected agreement is 1, and kappa undefined.
    """
    if not pairs or len({label for pair in pairs for label in pair}) < 2:
        return None
    from sklearn.metrics import cohen_kappa_score  # two seconds, for a step that may have nothing to compare

    first, second = zip(*pairs, strict=True)
    return float(cohen_kappa_score(first, second))


def _compare(claim: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> Compared:
    if not answers:
        return Compared("single", ())
    nearest = sorted(answers, key=lambda other: (-_overlap(claim["text"], other["text"]), other["id"]))
    ids = tuple(other["id"] for other in nearest)
    same = [other for other in nearest if other["direction"] == claim["direction"]]
    if same:  # whoever dissents contradicts; a claim that the other family makes too does not
        return Compared("agree" if any(o["strength"] == claim["strength"] for o in same) else "strength_differs", ids)
    plain = all("descriptive" in (claim["direction"], other["direction"]) for other in nearest)
    return Compared("single" if plain else "contradiction", ids)


def _answers(claim: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Of two claims on one topic."""
    if other["family"] == claim["family"]:
        return False
    return bool(claim["attribute"]) or _overlap(claim["text"], other["text"]) >= LEAST_OVERLAP


def _overlap(one: str, other: str) -> float:
    """Jaccard's share of common words."""
    first, second = (set(re.findall(r"\w+", text.lower())) for text in (one, other))
    return len(first & second) / max(1, len(first | second))
