"""A study's questions to PubMed: for every disease its reviews, its case reports, and what of them was retracted.

https://pubmed.ncbi.nlm.nih.gov/help/ describes the search tags.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ml_collections import ConfigDict

from prima_jax.corpus.topics import MESH, study_topics
from prima_jax.errors import UserError
from prima_jax.studies.study import Study

__all__ = ["RETRACTIONS", "Query", "study_queries"]

RETRACTIONS = "retractions"

RISK_TERMS = (
    "Risk Factors[mh]",
    "Epidemiology[mh]",
    "Diagnosis, Differential[mh]",
    "risk factor*",
    "risk of",
    "epidemiolog*",
    "incidence",
    "prevalence",
    "etiolog*",
    "aetiolog*",
    "clinical features",
    "differential diagnosis",
)
"""What an article may be about besides the study's attributes."""
REVIEWS = "(systematic review[pt] OR meta-analysis[pt])"
CASE_REPORTS = "case reports[pt]"
RETRACTED = "retracted publication[pt]"
ALWAYS = "humans[mh] AND english[la] AND hasabstract"
ALL = 1_000_000


@dataclass(frozen=True)
class Query:
    """One search. Dates of publication go beside the term, as E-utilities want them."""

    disease: str
    """The study's class, e.g. "BCC"."""
    kind: str
    """reviews, case reports or retractions; those of the last kind are looked up among the articles already there."""
    term: str
    first: date
    last: date
    most: int
    sort: str
    """pub_date: the newest first; relevance: the most relevant first."""

    @property
    def name(self) -> str:
        return f"{self.disease}, {self.kind}"

    @property
    def text(self) -> str:
        """The whole search as one would type it into PubMed's page."""
        return f"{self.term} AND {self.first:%Y/%m/%d}:{self.last:%Y/%m/%d}[dp]"


def study_queries(study: Study, settings: ConfigDict, today: date) -> tuple[Query, ...]:
    """All queries, retractions last. Raises UserError: a disease or attribute without words, numbers below nothing."""
    for name, least in (("years", 1), ("reviews", 0), ("case_reports", 0)):
        value = settings[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserError(f"config.search.{name} should be a whole number from {least} on, not {value!r}.")
    # Whole years, so that a search says the same all year; one more, since journals print dates ahead.
    first, last = date(max(1800, today.year - settings.years), 1, 1), date(today.year + 1, 12, 31)
    found, retracted = [], []
    for disease, (named, attributes) in _terms(study).items():
        about = _any(named, f"study.classes[{disease}]")
        facet = _any((*attributes, *RISK_TERMS), f"the terms of the attributes of {study.name}")
        for kind, types, most, sort in (
            ("reviews", REVIEWS, settings.reviews, "pub_date"),
            ("case reports", CASE_REPORTS, settings.case_reports, "relevance"),
        ):
            term = f"{about} AND {facet} AND {types} AND {ALWAYS}"
            if most:
                found.append(Query(disease, kind, term, first, last, most, sort))
        retracted.append(Query(disease, RETRACTIONS, f"{about} AND {RETRACTED}", first, last, ALL, "pub_date"))
    if not found:
        raise UserError("config.search.reviews and config.search.case_reports are both 0: ask for some of one of them.")
    return (*found, *retracted)


def _terms(study: Study) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Disease -> what it is called, and what all the attributes are called."""
    terms: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for topic in study_topics(study):
        _, before = terms.get(topic.disease, ((), ()))
        terms[topic.disease] = (topic.disease_terms, (*before, *topic.attribute_terms))
    return terms


def _any(terms: Sequence[str], where: str) -> str:
    written = list(dict.fromkeys(_tagged(term, where) for term in terms))
    return f"({' OR '.join(written)})"


def _tagged(term: str, where: str) -> str:
    """smok* -> smok*[tiab]; skin cancer -> "skin cancer"[tiab]; Melanoma[mh] -> "Melanoma"[mh]"""
    tag = MESH if term.endswith(MESH) else "[tiab]"
    words = " ".join(re.sub(r'["\[\]()]', " ", term.removesuffix(MESH)).split())
    if not re.search(r"\w", words):
        raise UserError(f"{where} holds {term!r}, which is no word to search for; write what the literature calls it.")
    # In quotation marks PubMed takes a phrase as it stands; a single word cut short is found without them only.
    return f"{words}{tag}" if words.endswith("*") and " " not in words else f'"{words}"{tag}'
