"""What follows from the decisions on a claim: its state, whose turn it is, and who decided independently. No database here.

A person's opinion is one version of the claim (its words, direction and strength), or that it is to be rejected. The writer's
own words are the first version; an edit makes another, and is its editor's opinion for that version.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from prima_jax.corpus.hashes import json_sha256

__all__ = [
    "Action",
    "Decision",
    "Outcome",
    "State",
    "Turn",
    "Version",
    "basis",
    "by_claim",
    "independent_pair",
    "outcome",
    "standing",
    "turn",
]

Action = Literal["approve", "edit", "reject"]
State = Literal["open", "approved", "rejected", "third_opinion", "unresolved"]
"""unresolved: a third person was asked, and there is still no majority."""
Turn = Literal["first", "again", "third", "none"]
"""first: an opinion without the others'; again: one's own opinion may be replaced, as nobody else has given any; third: the
others differ, and one more person decides; none: there is nothing to decide (any more, or for now)."""
REJECTED = "rejected"


@dataclass(frozen=True)
class Version:
    """What a claim says."""

    text: str
    direction: str
    strength: str

    @classmethod
    def of(cls, claim: Mapping[str, Any]) -> "Version":
        """The writer's."""
        return cls(claim["text"], claim["direction"], claim["strength"])

    @property
    def id(self) -> str:
        return json_sha256([self.text, self.direction, self.strength])[:16]


@dataclass(frozen=True)
class Decision:
    """One row of the log."""

    number: int
    who: str
    role: str
    """The person's, when they decided."""
    at: str
    """UTC, ISO 8601."""
    claim: str
    action: Action
    before: Version
    """The writer's version."""
    after: Version | None
    """What the person stands for; None: rejected."""
    reason: str
    flags: tuple[str, ...]
    """The codes of the flags that the person saw."""
    independent: bool
    """Given without having seen anybody else's."""
    seconds: int | None
    """From when the claim was shown to when it was decided; None where that was not seen, as for a claim decided along."""
    previous: str
    """The SHA-256 of the row before; empty for the first."""
    sha256: str

    @property
    def opinion(self) -> str:
        return self.after.id if self.after else REJECTED


@dataclass(frozen=True)
class Outcome:
    """How a claim stands, and the words in which it stands: those approved, else the writer's."""

    state: State
    text: str
    direction: str
    strength: str
    reviewers: tuple[str, ...] = ()
    """Who approved or rejected it; while that is not settled, whoever gave an opinion."""
    reasons: tuple[str, ...] = field(default=(), compare=False)
    """What they gave as reasons."""


def outcome(claim: Mapping[str, Any], decisions: Iterable[Decision], needed: int) -> Outcome:
    """The claim's state where `needed` persons have to agree; where they differ, one more decides by majority."""
    opinions = standing(claim, decisions)
    if len(opinions) < max(needed, 1):
        return _outcome("open", claim, opinions)
    opinion, count = Counter(d.opinion for d in opinions).most_common(1)[0]
    if count < len(opinions) and len(opinions) <= max(needed, 2):
        return _outcome("third_opinion", claim, opinions)
    if 2 * count <= len(opinions):
        return _outcome("unresolved", claim, opinions)
    return _outcome("rejected" if opinion == REJECTED else "approved", claim, [d for d in opinions if d.opinion == opinion])


def standing(claim: Mapping[str, Any], decisions: Iterable[Decision]) -> list[Decision]:
    """The opinions that count, in their order: each person's last one on this claim.

    One that lets a claim through lapses where the claim has been flagged since: nobody approved it in spite of that flag.
    """
    last = {d.who: d for d in sorted(decisions, key=lambda d: d.number) if d.claim == claim["id"]}
    flags = _flags(claim)
    return sorted((d for d in last.values() if d.after is None or flags <= set(d.flags)), key=lambda d: d.number)


def turn(claim: Mapping[str, Any], decisions: Sequence[Decision], needed: int, who: str) -> Turn:
    """What a person may do about a claim now."""
    opinions = standing(claim, decisions)
    if any(d.who == who for d in opinions):
        return "again" if len(opinions) == 1 else "none"
    state = outcome(claim, decisions, needed).state
    return "first" if state == "open" else "third" if state == "third_opinion" else "none"


def basis(claim: Mapping[str, Any], decisions: Sequence[Decision], needed: int, who: str) -> str:
    """Names what a person has before them when deciding. It changes where the claim does, its flags or their own opinion, where
    their turn is over, and, for who decides between the others, where their opinions do."""
    now = turn(claim, decisions, needed, who)
    seen = [d.number for d in standing(claim, decisions) if now == "third" or d.who == who]
    return json_sha256([claim["id"], Version.of(claim).id, sorted(_flags(claim)), now, seen])[:16]


def independent_pair(decisions: Iterable[Decision]) -> tuple[Decision, Decision] | None:
    """The first two persons' opinions on a claim that were given without sight of the other's."""
    last = {d.who: d for d in sorted(decisions, key=lambda d: d.number) if d.independent}
    first = sorted(last.values(), key=lambda d: d.number)[:2]
    return (first[0], first[1]) if len(first) == 2 else None


def by_claim(decisions: Iterable[Decision]) -> dict[str, list[Decision]]:
    """The decisions of each claim."""
    found: dict[str, list[Decision]] = {}
    for decision in decisions:
        found.setdefault(decision.claim, []).append(decision)
    return found


def _outcome(state: State, claim: Mapping[str, Any], opinions: Sequence[Decision]) -> Outcome:
    stands = (opinions[0].after if state == "approved" else None) or Version.of(claim)
    who, reasons = tuple(d.who for d in opinions), tuple(d.reason for d in opinions if d.reason)
    return Outcome(state, stands.text, stands.direction, stands.strength, who, reasons)


def _flags(claim: Mapping[str, Any]) -> set[str]:
    return {flag["code"] for flag in claim["flags"]}
