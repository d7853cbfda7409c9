"""A study's questions to PubMed: for every disease its reviews and guidelines, its cohort and case-control studies, its case
reports, and what of them was retracted.

https://pubmed.ncbi.nlm.nih.gov/help/ describes the search tags.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ml_collections import ConfigDict

from prima_jax.corpus.topics import MESH, Topic, study_topics
from prima_jax.errors import UserError
from prima_jax.studies.study import Study

__all__ = ["RETRACTIONS", "Query", "study_queries"]

RETRACTIONS = "retractions"

TYPES = {
    "reviews": "(systematic review[pt] OR meta-analysis[pt] OR guideline[pt] OR practice guideline[pt])",
    "studies": '("cohort studies"[mh] OR "case-control studies"[mh] OR observational study[pt])',
    "case_reports": "case reports[pt]",
}
"""Setting -> the types of publication of which it says how many."""
BY_RELEVANCE = "case_reports"
RETRACTED = "retracted publication[pt]"
ALWAYS = "english[la] AND hasabstract NOT (animals[mh] NOT humans[mh])"
ALL = 1_000_000


@dataclass(frozen=True)
class Query:
    """One search. Dates of publication go beside the term, as E-utilities want them."""

    disease: str
    """The study's class, e.g. "BCC"."""
    kind: str
    """reviews, studies, case reports or retractions; those of the last kind are looked up among the articles already there."""
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
    """All queries, retractions last. Raises UserError: a disease without words, numbers below nothing."""
    for name, least in (("years", 1), *((kind, 0) for kind in TYPES)):
        value = settings[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserError(f"config.search.{name} should be a whole number from {least} on, not {value!r}.")
    # Whole years, so that a search says the same all year; one more, since journals print dates ahead.
    first, last = date(max(1800, today.year - settings.years), 1, 1), date(today.year + 1, 12, 31)
    found, retracted = [], []
    for topic in study_topics(study):
        if topic.attribute:
            continue
        about, without = _about(topic)
        for kind, types in TYPES.items():
            term = f"{about} AND {types} AND {ALWAYS}{without}"
            if most := settings[kind]:
                sort = "relevance" if kind == BY_RELEVANCE else "pub_date"
                found.append(Query(topic.disease, kind.replace("_", " "), term, first, last, most, sort))
        retracted.append(Query(topic.disease, RETRACTIONS, f"{about} AND {RETRACTED}{without}", first, last, ALL, "pub_date"))
    if not found:
        raise UserError(f"config.search.{', config.search.'.join(TYPES)} are all 0: ask for some of one of them.")
    return (*found, *retracted)


def _about(topic: Topic) -> tuple[str, str]:
    """The disease in its context, and what is left out by its title."""
    about = _any(topic.disease_terms, f"study.classes[{topic.disease}]")
    if topic.context:
        about += f" AND {_any(topic.context, f'study.terms[{topic.disease}].context')}"
    if not topic.excluded:
        return about, ""
    return about, f" NOT {_any(topic.excluded, f'study.terms[{topic.disease}].excluded', tag='[ti]')}"


def _any(terms: Sequence[str], where: str, tag: str = "[tiab]") -> str:
    written = list(dict.fromkeys(_tagged(term, where, tag) for term in terms))
    return f"({' OR '.join(written)})"


def _tagged(term: str, where: str, tag: str) -> str:
    """smok* -> smok*[tiab]; skin cancer -> "skin cancer"[tiab]; Melanoma[mh] -> "Melanoma"[mh]"""
    tag = MESH if term.endswith(MESH) else tag
    words = " ".join(re.sub(r'["\[\]()]', " ", term.removesuffix(MESH)).split())
    if not re.search(r"\w", words):
        raise UserError(f"{where} holds {term!r}, which is no word to search for; write what the literature calls it.")
    # In quotation marks PubMed takes a phrase as it stands; a single word cut short is found without them only.
    return f"{words}{tag}" if words.endswith("*") and " " not in words else f'"{words}"{tag}'
