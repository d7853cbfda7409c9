"""Is a claim borne out by what it cites? Rules that a reader can follow, before any physician sees it (nothing is learned here).

A flag does not mean that a claim is wrong. It says what a rule could not confirm, and sends the claim to review with it.
How many spoiled and how many good claims are flagged was measured on two labelled sets: docs/corpus.md.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import Stemmer

from prima_jax.corpus.articles import Article
from prima_jax.corpus.claims import Claim
from prima_jax.corpus.directions import directions, is_negated
from prima_jax.corpus.numbers import numbers
from prima_jax.corpus.quotes import find_quote
from prima_jax.corpus.topics import find_terms

__all__ = ["Evidence", "Flag", "check_claim", "evidence_of"]

FEWEST_WORDS = 6
"""A shorter quote could stand anywhere."""
CONTEXT = 1
"""Sentences on each side of a quote in which the disease and the factor may be named."""
LEAST_SUPPORT = 0.5
"""The share of a claim's content words that have to stand in its sources."""

_STEM = Stemmer.Stemmer("english")
_STOP = frozenset({
    "a", "about", "above", "after", "all", "also", "although", "among", "an", "and", "any", "are", "as", "associated",
    "association", "at", "be", "because", "been", "being", "between", "both", "but", "by", "can", "compared", "could",
    "did", "do", "does", "during", "each", "effect", "effects", "either", "evidence", "factor", "factors", "for", "found",
    "from", "group", "groups", "had", "has", "have", "having", "how", "however", "i", "if", "in", "into", "is", "it",
    "its", "itself", "likely", "may", "might", "more", "most", "much", "must", "no", "nor", "not", "of", "on", "only",
    "or", "other", "our", "out", "over", "own", "patient", "patients", "people", "person", "persons", "reported", "risk",
    "risks", "same", "should", "showed", "shown", "shows", "significant", "significantly", "since", "so", "some",
    "studies", "study", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those",
    "through", "to", "too", "under", "until", "up", "versus", "very", "was", "we", "were", "what", "when", "where",
    "which", "while", "who", "whom", "why", "will", "with", "within", "without", "would", "you", "your",
})  # fmt: skip


@dataclass(frozen=True)
class Flag:
    """What a rule could not confirm."""

    code: str
    message: str


@dataclass(frozen=True)
class Evidence:
    """One citation and where it was found."""

    article: str
    quote: str
    start: int | None
    """Offsets into the article's abstract; None where the quote does not occur there."""
    end: int | None
    context: str
    """The quote with its neighbouring sentences, and the article's title; empty where it does not occur."""


def evidence_of(claim: Claim, articles: Mapping[str, Article]) -> tuple[Evidence, ...]:
    """Looks every citation up in the articles."""
    return tuple(_look_up(citation.article, citation.quote, articles.get(citation.article)) for citation in claim.citations)


def check_claim(
    claim: Claim,
    evidence: Sequence[Evidence],
    *,
    articles: Mapping[str, Article],
    retrieved: frozenset[str],
    disease_terms: Sequence[str],
    attribute_terms: Sequence[str],
) -> list[Flag]:
    """All flags of one claim; `retrieved` are the articles of the passages that its writer was given."""
    flags = _citation_flags(evidence, articles, retrieved)
    sources = [e for e in evidence if e.start is not None]
    if not sources:
        return flags
    quoted = " ".join(e.quote for e in sources)
    context = " ".join(e.context for e in sources)
    return [
        *flags,
        *_number_flags(claim, quoted),
        *_subject_flags(claim, context, disease_terms, attribute_terms),
        *_direction_flags(claim, quoted),
        *_support_flags(claim, context, disease_terms, attribute_terms),
    ]


def _look_up(identifier: str, quote: str, article: Article | None) -> Evidence:
    place = find_quote(quote, article.abstract) if article else None
    if article is None or place is None:
        return Evidence(identifier, quote, None, None, "")
    return Evidence(identifier, quote, *place, f"{article.title}. {_around(article.abstract, *place)}")


def _around(abstract: str, start: int, end: int) -> str:
    """The quote and `CONTEXT` sentences on each side of it."""
    before = [m.end() for m in re.finditer(r"[.;:?!]\s|\n", abstract[:start])]
    after = [end + m.end() for m in re.finditer(r"[.;:?!](?:\s|$)|\n", abstract[end - 1 :])]
    begin = before[-CONTEXT - 1] if len(before) > CONTEXT else 0
    finish = after[CONTEXT] if len(after) > CONTEXT else len(abstract)
    return abstract[begin:finish]


def _citation_flags(evidence: Sequence[Evidence], articles: Mapping[str, Article], retrieved: frozenset[str]) -> list[Flag]:
    flags = [] if evidence else [Flag("no_citation", "The claim cites nothing.")]
    for one in evidence:
        if one.article not in articles:
            flags.append(Flag("unknown_article", f"{one.article} is no article of this corpus."))
        elif one.article not in retrieved:
            flags.append(Flag("not_retrieved", f"{one.article} was not among the passages that the writer was given."))
        if one.article in articles and one.start is None:
            flags.append(Flag("quote_not_found", f"The quote does not occur in {one.article}."))
        if len(one.quote.split()) < FEWEST_WORDS:
            flags.append(Flag("quote_short", f"The quote from {one.article} has fewer than {FEWEST_WORDS} words."))
        if one.article in articles and articles[one.article].retracted:
            flags.append(Flag("retracted", f"{one.article} was retracted."))
    return flags


def _number_flags(claim: Claim, quoted: str) -> list[Flag]:
    missing = sorted(numbers(claim.text) - numbers(quoted, words=True), key=float)
    if not missing:
        return []
    return [Flag("number_not_in_quote", f"{', '.join(missing)}: in the claim, but in none of its quotes.")]


def _subject_flags(claim: Claim, context: str, disease_terms: Sequence[str], attribute_terms: Sequence[str]) -> list[Flag]:
    flags = []
    for code, what, terms in (("disease", "the disease", disease_terms), ("factor", "the factor", attribute_terms)):
        if not terms:
            continue
        if not find_terms(claim.text, terms):
            flags.append(Flag(f"{code}_not_in_claim", f"The claim does not name {what}."))
        if not find_terms(context, terms):
            flags.append(Flag(f"{code}_not_in_source", f"Neither the quotes nor the sentences beside them name {what}."))
    return flags


def _direction_flags(claim: Claim, quoted: str) -> list[Flag]:
    said, source = directions(claim.text), directions(quoted)
    flags = []
    if claim.direction in ("raises", "lowers", "none"):
        if said and claim.direction not in said:
            flags.append(Flag("direction_of_text", f"Labelled {claim.direction}, but the sentence reads as {_words(said)}."))
        if source and claim.direction not in source:
            flags.append(Flag("direction_of_source", f"Labelled {claim.direction}, but the quotes read as {_words(source)}."))
        if not source:
            flags.append(Flag("direction_not_in_source", f"Labelled {claim.direction}, but the quotes state no direction."))
    if is_negated(quoted) != is_negated(claim.text) and source and not (said & source):
        flags.append(Flag("negation", "Only one of claim and quotes is negated."))
    return flags


def _support_flags(claim: Claim, context: str, disease_terms: Sequence[str], attribute_terms: Sequence[str]) -> list[Flag]:
    named = _without_terms(claim.text, (*disease_terms, *attribute_terms))
    words = _content(named)
    if not words:
        return []
    source = _content(context)
    share = len(words & source) / len(words)
    if share >= LEAST_SUPPORT:
        return []
    absent = ", ".join(sorted(words - source))
    return [Flag("unsupported", f"{share:.0%} of the claim's words stand in its sources; not there: {absent}.")]


def _without_terms(text: str, terms: Sequence[str]) -> str:
    for start, end in reversed(find_terms(text, terms)):
        text = f"{text[:start]} {text[end:]}"
    return text


def _content(text: str) -> set[str]:
    return set(_STEM.stemWords([w for w in re.findall(r"[a-z][a-z-]+", text.lower()) if w not in _STOP]))


def _words(found: set[str]) -> str:
    return " and ".join(sorted(found))
