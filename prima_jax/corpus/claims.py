"""What is claimed: the schema that writers fill, and what the corpus notes beside it."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["DETAILS", "Citation", "Claim", "Direction", "Draft", "Effect", "Passage", "Strength", "Written"]

Direction = Literal["raises", "lowers", "none", "conflicting", "descriptive"]
"""What the factor does to the risk (or the odds, at presentation) of the disease, or to its outcome; "none": studied, and no
effect found; "descriptive": says what the disease is or looks like, and claims no effect."""
Strength = Literal["strong", "moderate", "weak"]
"""strong: a meta-analysis or systematic review; moderate: a controlled or cohort study, a guideline; weak: anything less."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Citation(_Strict):
    """Where a claim stands: an article's id (the PMID), and words that occur there."""

    article: str = Field(description="The id of one of the passages given, exactly as written there.")
    quote: str = Field(description="A contiguous span copied word for word from that passage.")


class Effect(_Strict):
    """How large an effect is, each part as the passage writes it."""

    number: str = Field(description='The figure, copied from the quote, e.g. "1.42".')
    unit: str = Field(description='What it counts, e.g. "odds ratio", "%".')
    interval: str | None = Field(default=None, description='Its interval, copied from the quote, e.g. "1.10-1.83"; else null.')


class Claim(_Strict):
    """One statement that can be true or false, with the passages that bear it out."""

    text: str = Field(description="One sentence that names the disease and, where there is one, the risk factor.")
    direction: Direction = Field(description="What the factor does to the risk of the disease.")
    strength: Strength = Field(description="How strong the evidence in the passages is.")
    citations: tuple[Citation, ...] = Field(description="One or more passages that bear the claim out.")
    effect: Effect | None = Field(default=None, description="How large the effect is, where the quote says so; else null.")
    population: str | None = Field(
        default=None, description="Whom the passage speaks of, copied word for word from it, e.g. men over 60; else null."
    )
    body_site: str | None = Field(
        default=None, description="The part of the body, copied word for word from the passage, e.g. lower lip; else null."
    )


DETAILS = ("effect", "population", "body_site")
"""The fields of a claim that a passage may say nothing about."""


class Draft(_Strict):
    """What a writer answers for one topic; no claims where the passages hold no evidence."""

    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Passage:
    """A run of whole sentences of one abstract, retrieved for one topic."""

    article: str
    title: str
    start: int
    """Offsets into the article's `abstract`."""
    end: int
    text: str
    """`abstract[start:end]`."""
    sentences: tuple[tuple[int, int], ...]
    """Offsets of each sentence into the article's `abstract`."""
    labels: tuple[str, ...]
    """The label of each sentence's section, e.g. "RESULTS"; empty where the abstract has no parts."""
    score: float = 0.0
    year: int | None = None
    types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """A writer's answer for one topic, and what the card has to say about how it came about."""

    draft: Draft
    raw: str
    """The answer as it came."""
    model: str
    """The model's version as the server named it."""
    input_tokens: int = 0
    output_tokens: int = 0
    notes: dict[str, Any] | None = None
