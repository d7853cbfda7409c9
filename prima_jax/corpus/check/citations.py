"""Is a claim borne out by what it cites? Rules that a reader can follow, before any physician sees it: the quote stands in the
article, and the claim's numbers, words, negations and hedges are those of its quotes, with none of them exchanged.

A flag does not mean that a claim is wrong. It says what a rule could not confirm, and sends the claim to review with it.
The rules take a writer at its word to keep to the passage's own (write/prompt.py, rule 3): a free paraphrase is flagged.
How many spoiled and how many good claims are flagged was measured on labelled sets: docs/corpus.md.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from prima_jax.corpus.articles import Article
from prima_jax.corpus.check.words import ADDED, HEDGES, NEGATORS, Word, words_of
from prima_jax.corpus.claims import Claim
from prima_jax.corpus.quotes import find_quote
from prima_jax.corpus.topics import find_terms, text_words

__all__ = ["Evidence", "Flag", "check_claim", "evidence_of"]

FEWEST_WORDS = 6
"""A shorter quote could stand anywhere."""
BEFORE, AFTER = 3, 1
"""Sentences before and after a quote in which the disease and the factor may be named: a passage points back more than ahead."""
REACH = 8
"""Words after a negation or a hedge that it may bear on, within its clause."""
LONGEST = 40
"""Words of a claim that are tried in each other's place; a list of more says little by its order."""


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


def evidence_of(claim: Claim, articles: Mapping[str, Article]) -> tuple[Evidence, ...]:
    """Looks every citation up in the articles."""
    found = []
    for cited in claim.citations:
        article = articles.get(cited.article)
        place = find_quote(cited.quote, article.abstract) if article else None
        found.append(Evidence(cited.article, cited.quote, *(place or (None, None))))
    return tuple(found)


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
    quotes = " ; ".join(e.quote for e in sources)
    named = " ; ".join(_named(e, articles[e.article], disease_terms, attribute_terms) for e in sources)
    said, quoted = words_of(claim.text), words_of(quotes)
    return [
        *flags,
        *_number_flags(said, quoted, words_of(named)),
        *_word_flags(said, words_of(f"{quotes} ; {named} ; {_abbreviated(quotes + named, sources, articles)}")),
        *_exchange_flags(said, quoted),
        *_negation_flags(said, quoted),
        *_hedge_flags(said, quoted),
    ]


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


def _number_flags(said: Sequence[Word], quoted: Sequence[Word], named: Sequence[Word]) -> list[Flag]:
    there = {w.stem for w in (*quoted, *named)}
    missing = [w.text for w in said if w.is_number and w.stem not in there]
    if not missing:
        return []
    return [Flag("number_not_in_quote", f"{', '.join(dict.fromkeys(missing))}: in the claim, but in none of its quotes.")]


def _word_flags(said: Sequence[Word], borne_out: Sequence[Word]) -> list[Flag]:
    """Returns a flag for words that no source has; those that make a sentence of a fragment (`ADDED`) are free."""
    there = {w.stem for w in borne_out}
    free = ADDED | NEGATORS | HEDGES
    new = [w.text for w in said if not w.is_number and w.text not in free and w.stem not in there]
    return [Flag("unsupported", f"Not in the quotes: {', '.join(dict.fromkeys(new))}.")] if new else []


def _exchange_flags(said: Sequence[Word], quoted: Sequence[Word]) -> list[Flag]:
    """The words of a claim may come in another order, but not in the one of its quotes with two of them exchanged."""
    source = [w.stem for w in quoted if w.text not in ADDED]
    shared = [w for w in said if w.text not in ADDED and w.stem in source][:LONGEST]
    stems = [w.stem for w in shared]
    if _in_order(stems, source):
        return []
    for one, other in combinations(range(len(stems)), 2):
        if other - one > 1 and stems[one] != stems[other]:
            restored = [*stems]
            restored[one], restored[other] = stems[other], stems[one]
            if _in_order(restored, source):
                return [Flag("exchanged", f"{shared[one].text}, {shared[other].text}: the other way round in the quotes.")]
    return []


def _in_order(words: Sequence[str], source: Sequence[str]) -> bool:
    rest = iter(source)
    return all(word in rest for word in words)


def _negation_flags(said: Sequence[Word], quoted: Sequence[Word]) -> list[Flag]:
    denied = _lost(quoted, said, NEGATORS) or _lost(said, quoted, NEGATORS)
    return [Flag("negation", f'Only one of claim and quotes denies "{denied}".')] if denied else []


def _hedge_flags(said: Sequence[Word], quoted: Sequence[Word]) -> list[Flag]:
    hedged = "" if any(w.text in HEDGES for w in said) else _lost(quoted, said, HEDGES)
    return [Flag("hedge_lost", f'The quotes hedge "{hedged}", and the claim does not.')] if hedged else []


def _lost(words: Sequence[Word], others: Sequence[Word], markers: frozenset[str]) -> str:
    """The first word that a marker bears on in one text and none bears on in the other, which has it as well; else empty."""
    kept, marked = {w.stem for w in others}, {w.stem for scope in _scopes(others, markers) for w in scope}
    scopes = list(_scopes(words, markers))
    inside = {id(w) for scope in scopes for w in scope}
    free = {w.stem for w in words if id(w) not in inside}
    for scope in scopes:
        both = [w for w in scope if w.stem in kept and w.stem not in free]
        if both and 2 * len(both) >= len(scope) and marked.isdisjoint(w.stem for w in both):
            return both[0].text
    return ""


def _scopes(words: Sequence[Word], markers: frozenset[str]) -> Iterator[list[Word]]:
    """For each marker the words of matter that it bears on: those after it in its clause, or before it where none follow."""
    for i, marker in enumerate(words):
        if marker.text in markers:
            after = [w for w in words[i + 1 : i + 1 + REACH] if w.clause == marker.clause]
            before = [w for w in words[max(0, i - REACH) : i] if w.clause == marker.clause]
            matter = [[w for w in side if w.text not in ADDED and w.text not in markers] for side in (after, before)]
            yield matter[0] or matter[1]


def _named(one: Evidence, article: Article, *terms: Sequence[str]) -> str:
    """What a claim may take from beside its quote: the title, and names of the disease and the factor if named near it."""
    near = f"{article.title}. {_around(article.abstract, one.start or 0, one.end or 0)}"
    return " ; ".join(
        [article.title, *(term.strip("*") for group in terms if find_terms(near, group) for term in text_words(group))]
    )


def _around(abstract: str, start: int, end: int) -> str:
    """The quote with the sentences before and after it."""
    before = [m.end() for m in re.finditer(r"[.;:?!]\s|\n", abstract[:start])]
    after = [end + m.end() for m in re.finditer(r"[.;:?!](?:\s|$)|\n", abstract[end - 1 :])]
    begin = before[-BEFORE - 1] if len(before) > BEFORE else 0
    finish = after[AFTER] if len(after) > AFTER else len(abstract)
    return abstract[begin:finish]


def _abbreviated(text: str, sources: Sequence[Evidence], articles: Mapping[str, Article]) -> str:
    """Of the articles' abbreviations that `text` has, short or long, both forms: "overall survival (OS)"."""
    pairs = {pair for e in sources for pair in _abbreviations(f"{articles[e.article].title}. {articles[e.article].abstract}")}
    return " ; ".join(f"{short} {long}" for short, long in sorted(pairs) if re.search(rf"\b(?:{short}s?|{long})\b", text, re.I))


def _abbreviations(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"\(([A-Za-z][A-Za-z0-9-]{1,9})\)", text):
        short = re.sub(r"[^a-z]", "", re.sub(r"(?<=[A-Z])s$", "", match[1]).lower())
        before = re.findall(r"[\w-]+", text[: match.start()])[-2 * len(short) :]
        for size in range(1, len(before) + 1):
            if short and short == "".join(part[0] for word in before[-size:] for part in word.lower().split("-") if part):
                yield re.sub(r"s$", "", match[1]), " ".join(before[-size:])
                break
