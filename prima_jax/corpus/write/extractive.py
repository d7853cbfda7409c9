"""The writer that needs no language model: it copies sentences that name the disease and the factor.

It is the default where there are no keys, and its name stands in everything that is made of its claims. It cannot
summarise, and it cannot tell a finding from a supposition; its claims are quotes.
"""

import re
from collections.abc import Sequence

from prima_jax.corpus.claims import Citation, Claim, Draft, Passage, Strength, Written
from prima_jax.corpus.topics import Topic, find_terms

__all__ = ["Extractive", "strength_of"]

MOST_CLAIMS = 8
SHORTEST, LONGEST = 6, 60
"""Words: a shorter sentence says too little to be checked, a longer one is a list or a table."""
_DESCRIBES = re.compile(
    r"risk factor|caus(?:e|es|ed)\b|most common|sign|symptom|appear|look|occur|found on|usually|often|type of|form of|develop",
    re.I,
)
_PLANS = re.compile(
    r"\b(?:aims?|will be|objective|purpose|protocol|hypothesi\w+|trial is|study is|was to|we plan|to assess|to determine)\b", re.I
)
"""What a study set out to do is no finding."""


class Extractive:
    """Sentences as claims."""

    family = "extractive"
    model = "extractive"

    def write(self, topic: Topic, passages: Sequence[Passage]) -> Written:
        """At most eight claims, in the order of the passages."""
        claims: dict[str, Claim] = {}
        for passage in passages:
            for start, end in passage.sentences:
                text = passage.text[start - passage.start : end - passage.start]
                claim = _claim(topic, passage, text)
                if claim:
                    claims.setdefault(text, claim)
        draft = Draft(claims=tuple(claims.values())[:MOST_CLAIMS])
        return Written(draft, raw=draft.model_dump_json(), model=self.model)


def strength_of(types: Sequence[str]) -> Strength:
    """The strength of evidence that an article's publication types allow to claim."""
    named = " ".join(types).lower()
    if "meta-analysis" in named or "systematic review" in named:
        return "strong"
    if any(word in named for word in ("trial", "cohort", "case-control", "guideline", "observational", "comparative")):
        return "moderate"
    return "weak"


def _claim(topic: Topic, passage: Passage, text: str) -> Claim | None:
    words = len(text.split())
    if not SHORTEST <= words <= LONGEST or _PLANS.search(text) or text.endswith("?"):
        return None
    if not find_terms(text, topic.disease_terms):
        return None
    if topic.attribute and not find_terms(text, topic.attribute_terms):
        return None
    if not topic.attribute and not _DESCRIBES.search(text):
        return None
    citation = Citation(article=passage.article, quote=text)
    return Claim(text=text, direction="descriptive", strength=strength_of(passage.types), citations=(citation,))
