"""What the corpus is about: every disease of a study, and every attribute that a model may see, in the field's terms.

There is no second list: both come from the `Study`, and a cohort says there what else its diseases and attributes are called.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from prima_jax.corpus.articles import Article
from prima_jax.studies.study import DiseaseTerms, Study

__all__ = ["MESH", "Topic", "find_terms", "is_on", "mesh_headings", "names_disease", "study_topics", "text_words"]

MESH = "[mh]"
"""A term that ends so is a MeSH heading: PubMed is asked for it, and texts are not searched for it."""
ANIMALS = (
    "mice",
    "mouse",
    "murine",
    "rat",
    "canine",
    "dog",
    "feline",
    "equine",
    "horse",
    "rabbit",
    "porcine",
    "bovine",
    "zebrafish",
)
"""Excluded for every disease."""


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
    context: tuple[str, ...] = ()
    """What an article on this disease names more often than what is excluded; see `DiseaseTerms`."""
    excluded: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """`BCC/smoke`, or `BCC/summary` for the disease as a whole."""
        return f"{self.disease}/{self.attribute or 'summary'}"


def study_topics(study: Study) -> tuple[Topic, ...]:
    """All topics, a disease's summary before its attributes. An attribute without terms in the literature has none."""
    topics = []
    for disease, words in study.classes.items():
        of = study.terms.get(disease, DiseaseTerms())
        factors = {"": (), **{attribute.name: attribute.terms for attribute in study.shown() if attribute.terms}}
        for name, terms in factors.items():
            topics.append(Topic(disease, name, (words, *of.names), terms, of.context, (*of.excluded, *ANIMALS)))
    return tuple(topics)


def is_on(topic: Topic, article: Article) -> bool:
    """Whether an article is on the topic's disease rather than on a namesake, such as a carcinoma of another organ.

    Its title names nothing that is excluded; its MeSH headings, where it has some, hold one of the disease's; and title,
    abstract and headings together name the disease, and its context more often than what is excluded.
    """
    headings = set(map(str.casefold, article.mesh))
    own = mesh_headings(topic.disease_terms)
    known = own | mesh_headings(topic.context)
    if find_terms(article.title, topic.excluded) or (headings and known and headings.isdisjoint(known)):
        return False
    text = "\n".join((article.title, article.abstract, *article.mesh))
    if headings.isdisjoint(own) and not find_terms(text, topic.disease_terms):
        return False
    return not topic.context or len(find_terms(text, topic.context)) > len(find_terms(text, topic.excluded))


def names_disease(topic: Topic, text: str) -> bool:
    """Whether a sentence names the disease, and no namesake beside it."""
    return bool(find_terms(text, topic.disease_terms)) and not find_terms(text, topic.excluded)


def mesh_headings(terms: Sequence[str]) -> set[str]:
    """The MeSH headings among the terms, without regard to case."""
    return {term.removesuffix(MESH).casefold() for term in terms if term.endswith(MESH)}


def text_words(terms: Sequence[str]) -> tuple[str, ...]:
    """The terms that can stand in a text: all but the MeSH headings."""
    return tuple(term for term in terms if not term.endswith(MESH))


def find_terms(text: str, terms: Sequence[str]) -> list[tuple[int, int]]:
    """Where `text` names one of the terms, as (start, end), in any case, as whole words, also in the plural."""
    pattern = _any_of(tuple(terms))
    return [match.span() for match in pattern.finditer(text)] if pattern else []


@lru_cache(maxsize=1024)
def _any_of(terms: tuple[str, ...]) -> re.Pattern[str] | None:
    """None: no term can stand in a text."""
    words = sorted(text_words(terms), key=len, reverse=True)
    return re.compile("|".join(map(_pattern, words)), re.IGNORECASE) if words else None


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
