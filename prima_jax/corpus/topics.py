"""What the corpus is about: every disease of a study, and every attribute that a model may see, in the field's terms.

There is no second list: both come from the `Study`, and a cohort says there what else its diseases and attributes are called.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from prima_jax.studies.study import Study

__all__ = ["MESH", "Topic", "find_terms", "study_topics", "text_words"]

MESH = "[mh]"
"""A term that ends so is a MeSH heading: PubMed is asked for it, and texts are not searched for it."""


@dataclass(frozen=True)
class Topic:
    """One disease and one attribute, or the disease as a whole (its global summary), where `attribute` is empty."""

    disease: str
    """The study's class, e.g. "BCC"."""
    attribute: str
    """The attribute's name in the study, e.g. "smoke"; empty: the disease as a whole."""
    disease_terms: tuple[str, ...]
    """What the literature calls the disease, the study's own words first; MeSH headings end in `[mh]`."""
    attribute_terms: tuple[str, ...]

    @property
    def id(self) -> str:
        """`BCC/smoke`, or `BCC/summary` for the disease as a whole."""
        return f"{self.disease}/{self.attribute or 'summary'}"


def study_topics(study: Study) -> tuple[Topic, ...]:
    """All topics, a disease's summary before its attributes. An attribute without terms in the literature has none."""
    topics = []
    for disease, words in study.classes.items():
        named = (words, *study.terms.get(disease, ()))
        topics.append(Topic(disease, "", named, ()))
        for attribute in study.shown():
            if attribute.terms:
                topics.append(Topic(disease, attribute.name, named, attribute.terms))
    return tuple(topics)


def text_words(terms: Sequence[str]) -> tuple[str, ...]:
    """The terms that can stand in a text: all but the MeSH headings."""
    return tuple(term for term in terms if not term.endswith(MESH))


def find_terms(text: str, terms: Sequence[str]) -> list[tuple[int, int]]:
    """Where `text` names one of the terms, as (start, end), in any case, as whole words, also in the plural."""
    words = sorted(text_words(terms), key=len, reverse=True)
    if not words:
        return []
    return [match.span() for match in re.finditer("|".join(map(_pattern, words)), text, re.IGNORECASE)]


def _pattern(term: str) -> str:
    """smok* finds smoking and smokers; keratosis finds keratoses; a hyphen may be a space."""
    stem = term.removesuffix("*")
    body = r"[\s-]+".join(map(re.escape, re.split(r"[\s-]+", stem)))
    if stem != term:
        return rf"\b{body}\w*"
    if stem.endswith("is"):
        return rf"\b{body[:-2]}[ie]s\b"
    if stem.endswith("us"):
        return rf"\b{body[:-2]}(?:us|i)\b"
    if stem.endswith("y"):
        return rf"\b{body[:-1]}(?:y|ies)\b"
    return rf"\b{body}(?:s|es)?\b"
