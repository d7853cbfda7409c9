"""The texts as they will be published, a paragraph for each disease and each factor, which a reviewer reads first."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prima_jax.corpus.claims import DETAILS
from prima_jax.corpus.hashes import json_sha256
from prima_jax.corpus.review.decisions import Decision, Outcome, by_claim, outcome

__all__ = ["as_claim", "paragraphs", "readings"]


def paragraphs(claims: Iterable[Mapping[str, Any]], outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """A text per topic: its approved claims as one paragraph; what two families say in the same words stands once."""
    topics: dict[str, list[Mapping[str, Any]]] = {}
    for claim in claims:
        if outcomes[claim["id"]].state == "approved":
            topics.setdefault(claim["topic"], []).append(claim)
    return [_paragraph(group, outcomes) for group in topics.values()]


def as_claim(paragraph: Mapping[str, Any]) -> dict[str, Any]:
    """A paragraph as the log of decisions takes it; another text has another id, and what was decided does not hold for it."""
    about = [paragraph[key] for key in ("disease", "attribute", "text")]
    return {"id": "p-" + json_sha256(about)[:16], "text": about[2], "direction": "descriptive", "strength": "weak", "flags": []}


def readings(found: Sequence[Mapping[str, Any]], decisions: Iterable[Decision]) -> list[Outcome]:
    """How each paragraph stands: "open" until one person has read it, then approved or rejected."""
    decided = by_claim(decisions)
    return [outcome(as_claim(one), decided.get(as_claim(one)["id"], []), 1) for one in found]


def _paragraph(group: Sequence[Mapping[str, Any]], outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    first = group[0]
    stated: dict[str, dict[str, Any]] = {}
    for claim in group:
        stands = outcomes[claim["id"]]
        sources = [{"article": c["article"], "start": c["start"], "end": c["end"]} for c in claim["citations"]]
        one = stated.setdefault(
            stands.text,
            {"text": stands.text, "direction": stands.direction, "strength": stands.strength, "sources": [], "ids": []}
            | {key: claim[key] for key in DETAILS if claim.get(key) and stands.text == claim["text"]},  # of its words alone
        )
        one["sources"] += [source for source in sources if source not in one["sources"]]
        one["ids"].append(claim["id"])
    return {
        "text": " ".join(stated),
        "kind": "risk_factor" if first["attribute"] else "global_summary",
        "disease": first["disease_name"],
        "attribute": first["attribute"],
        "claims": list(stated.values()),
    }
