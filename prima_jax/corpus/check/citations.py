"""Is a claim borne out by what it cites? Rules that a reader can follow, before any physician sees it (nothing is learned here).

A flag does not mean that a claim is wrong. It says what a rule could not confirm, and sends the claim to review with it.
The rules take a writer at its word to keep to the passage's own (write/prompt.py, rule 3): a free paraphrase is flagged.
How many spoiled and how many good claims are flagged was measured on labelled sets: docs/corpus.md.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prima_jax.corpus.articles import Article
from prima_jax.corpus.check.comparisons import comparands_swapped, figures_swapped, opposites_swapped, units_differ
from prima_jax.corpus.check.numbers import numbers, ordinals
from prima_jax.corpus.check.polarity import hedge_lost, negation_differs, only_planned
from prima_jax.corpus.check.subjects import names_disease, names_factor, other_disease
from prima_jax.corpus.check.support import abbreviations, beside, new_words, spelled_out, without
from prima_jax.corpus.claims import Claim
from prima_jax.corpus.directions import directions
from prima_jax.corpus.quotes import find_quote

__all__ = ["Evidence", "Flag", "check_claim", "evidence_of"]

FEWEST_WORDS = 6
"""A shorter quote could stand anywhere."""
BEFORE, AFTER = 3, 1
"""Sentences before and after a quote in which the disease and the factor may be named: a passage points back more than ahead."""


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
    quoted = "\n".join(e.quote for e in sources)
    context = "\n".join(e.context for e in sources)
    short = {k: v for e in sources for k, v in abbreviations(_whole(articles[e.article])).items()}
    full = spelled_out(quoted, short)
    return [
        *flags,
        *_number_flags(claim, quoted),
        *_subject_flags(claim, quoted, spelled_out(context, short), disease_terms, attribute_terms),
        *_support_flags(
            without(claim.text, disease_terms), full, _subject(sources, articles, (*disease_terms, *attribute_terms))
        ),
        *_polarity_flags(claim, full),
        *_direction_flags(claim, quoted),
    ]


def _look_up(identifier: str, quote: str, article: Article | None) -> Evidence:
    place = find_quote(quote, article.abstract) if article else None
    if article is None or place is None:
        return Evidence(identifier, quote, None, None, "")
    return Evidence(identifier, quote, *place, f"{article.title}. {_around(article.abstract, *place)}")


def _around(abstract: str, start: int, end: int) -> str:
    """The quote with the sentences before and after it."""
    before = [m.end() for m in re.finditer(r"[.;:?!]\s|\n", abstract[:start])]
    after = [end + m.end() for m in re.finditer(r"[.;:?!](?:\s|$)|\n", abstract[end - 1 :])]
    begin = before[-BEFORE - 1] if len(before) > BEFORE else 0
    finish = after[AFTER] if len(after) > AFTER else len(abstract)
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
    missing = sorted(numbers(claim.text, claimed=True) - numbers(quoted, words=True), key=float)
    if missing:
        return [Flag("number_not_in_quote", f"{', '.join(missing)}: in the claim, but in none of its quotes.")]
    places = sorted(ordinals(claim.text) - ordinals(quoted))
    if places:
        return [Flag("number_not_in_quote", f"{', '.join(places)}: in the claim, but in none of its quotes.")]
    unit = units_differ(claim.text, quoted)
    if unit:
        return [Flag("unit_not_in_quote", f"{' '.join(unit)}: the quotes have that number in another unit.")]
    swapped = figures_swapped(claim.text, quoted)
    if swapped:
        return [Flag("number_of_another", f"What the claim says of {swapped[0]}, the quotes say of {swapped[1]}.")]
    return []


def _subject_flags(
    claim: Claim, quoted: str, context: str, disease_terms: Sequence[str], attribute_terms: Sequence[str]
) -> list[Flag]:
    flags = []
    for code, what, terms, names in (
        ("disease", "the disease", disease_terms, names_disease),
        ("factor", "the factor", attribute_terms, names_factor),
    ):
        if terms and not names(claim.text, terms):
            flags.append(Flag(f"{code}_not_in_claim", f"The claim does not name {what}."))
        if terms and not names(context, terms):
            flags.append(Flag(f"{code}_not_in_source", f"Neither the quotes nor the sentences beside them name {what}."))
    other = other_disease(claim.text, quoted, disease_terms)
    if other:
        flags.append(Flag("other_disease", f"The quotes are on {other}, and do not name the disease."))
    return flags


def _support_flags(claim: str, quoted: str, named: str) -> list[Flag]:
    new = new_words(claim, quoted, named)
    return [Flag("unsupported", f"Not in the quotes: {', '.join(new)}.")] if new else []


def _subject(sources: Sequence[Evidence], articles: Mapping[str, Article], terms: Sequence[str]) -> str:
    """What the sources call the disease and the factor: titles, and their names beside the quotes."""
    return "\n".join(text for e in sources for text in (articles[e.article].title, beside(e.context, terms)))


def _polarity_flags(claim: Claim, quoted: str) -> list[Flag]:
    flags = []
    denied = negation_differs(claim.text, quoted)
    if denied:
        flags.append(Flag("negation", f'Only one of claim and quotes denies "{denied}".'))
    hedge = hedge_lost(claim.text, quoted)
    if hedge:
        flags.append(Flag("hedge_lost", f'The quotes say "{hedge}", and the claim does not.'))
    planned = only_planned(claim.text, quoted)
    if planned and claim.direction != "descriptive":
        flags.append(Flag("no_finding", f'"{planned}": the quotes report no finding, or one on a condition.'))
    swapped = opposites_swapped(claim.text, quoted)
    if swapped:
        flags.append(Flag("opposite", f'Where the claim has "{swapped[0]}", the quotes have "{swapped[1]}".'))
    if comparands_swapped(claim.text, quoted):
        flags.append(Flag("comparison", "Claim and quotes compare the other way round."))
    return flags


def _direction_flags(claim: Claim, quoted: str) -> list[Flag]:
    said, source = directions(claim.text), directions(quoted)
    if claim.direction == "conflicting" and len(said | source) < 2 and "conflicting" not in said | source:
        return [Flag("direction_of_source", "Labelled conflicting, but claim and quotes read as one direction at most.")]
    if claim.direction not in ("raises", "lowers", "none"):
        return []
    flags = []
    if said and claim.direction not in said:
        flags.append(Flag("direction_of_text", f"Labelled {claim.direction}, but the sentence reads as {_words(said)}."))
    if source and claim.direction not in source:
        flags.append(Flag("direction_of_source", f"Labelled {claim.direction}, but the quotes read as {_words(source)}."))
    if claim.direction == "none" and not said and not source:
        flags.append(Flag("direction_not_in_source", "Labelled none, but neither claim nor quotes say that there is no effect."))
    return flags


def _whole(article: Article) -> str:
    return f"{article.title}. {article.abstract}"


def _words(found: set[str]) -> str:
    return " and ".join(sorted(found))
