"""What each rule flags in one sentence, and what they flag together on labelled claims (docs/corpus.md gives these figures)."""

import re

import pytest

from benchmarks.claim_checks import flags_of
from benchmarks.labelled import labelled, real_articles, written_articles
from prima_jax.corpus.articles import Article
from prima_jax.corpus.check.citations import check_claim, evidence_of
from prima_jax.corpus.claims import Citation, Claim
from tests.corpus.shared import SHARED

MEASURED = {
    "a": ((40, 40), (39, 40)),
    "b": ((38, 40), (40, 40)),
    "c": ((36, 40), (1, 40)),
    "d": ((39, 40), (0, 40)),
    "e": ((38, 40), (0, 40)),
    "f": ((69, 72), (28, 72)),
}
"""Set -> how many of its spoiled claims are flagged, and how many of its good ones: all of a and b, and 24 of f, are free
paraphrases."""
real = pytest.mark.skipif(not SHARED.is_dir(), reason="the real texts (shared/data/pubmed) are not here")


def codes(claim: str, quote: str, title: str = "", disease: tuple[str, ...] = (), around: str = "{}") -> list[str]:
    """The flags of a claim that cites this quote of an article."""
    articles = {"1": Article("1", title, (("", around.format(quote)),))}
    said = Claim(text=claim, direction="raises", strength="weak", citations=(Citation(article="1", quote=quote),))
    flags = check_claim(
        said,
        evidence_of(said, articles),
        articles=articles,
        retrieved=frozenset(articles),
        disease_terms=disease,
        attribute_terms=(),
    )
    return [flag.code for flag in flags if flag.code != "quote_short"]


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("Tumours recur.", "The tumor recurred."),
        ("People who smoke have a risk of scars.", "Smoking is a risk factor of scarring."),
        ("Naevi in women and children.", "a nevus of a woman or child"),
        ("Of 1250 there are 2, at .05 and 1.24.", "of 1,250.0 there are two, at 0.050 and 1·24"),
        ("Overall survival was long.", "OS was long."),
        ("OS was long.", "Overall survival was long."),
        ("It does not lower the risk.", "Studies have shown that it doesn't lower the risk."),
        ("It may raise the risk of melanoma.", "It does not lower the risk of scars; it may raise the risk of melanoma."),
        ("Melanoma spreads.", "Carcinoma does not spread. Melanoma spreads."),
        ("It could increase the risk.", "It may increase the risk."),
        ("It is red.", "It is red; it may itch."),
        ("Women have it on the arms.", "Men have it on the trunk; women have it on the arms."),
    ],
)
def test_a_claim_in_the_words_of_its_quote_is_not_flagged(claim, quote):
    assert codes(claim, quote, around="Overall survival (OS) was seen. {}") == []


@pytest.mark.parametrize(
    ("claim", "quote", "flag"),
    [
        ("A painful change in the skin.", "a change in the skin", "unsupported"),
        ("Melanocytes are found.", "Melanoma is found.", "unsupported"),
        ("It decreases the risk.", "It increases the risk.", "unsupported"),
        ("Risk 1.42.", "Risk 1.24.", "number_not_in_quote"),
        ("Three kinds.", "two kinds", "number_not_in_quote"),
        ("MEK163 grew.", "MEK162 grew.", "unsupported"),
        ("It lowers the risk.", "It does not lower the risk.", "negation"),
        ("It does not lower the risk.", "It lowers the risk.", "negation"),
        ("It causes scars, but arsenic does not.", "Causes are scars and arsenic.", "negation"),
        ("It increases the risk.", "It may increase the risk.", "hedge_lost"),
        ("It played a part in scars.", "It appeared to play a part in scars.", "hedge_lost"),
        ("Of 9, 11% grew and 51% shrank.", "Of 9, 51% grew and 11% shrank.", "exchanged"),
        ("Girls have it on the trunk, boys on the legs.", "Boys have it on the trunk, girls on the legs.", "exchanged"),
    ],
)
def test_what_is_not_in_the_quote_is_flagged(claim, quote, flag):
    assert flag in codes(claim, quote)


def test_a_disease_is_named_from_beside_the_quote_and_what_is_said_of_it_from_the_quote_alone():
    beside = "Melanoma is deadly. {}"
    assert codes("Melanoma is thick.", "It is thick.", around=beside) == ["unsupported"]
    assert codes("Melanoma is thick.", "It is thick.", around=beside, disease=("melanoma",)) == []
    assert codes("Melanoma is deadly.", "It is thick.", around=beside, disease=("melanoma",)) == ["unsupported"]
    assert codes("Melanoma is thick.", "It is thick.", disease=("melanoma",)) == ["unsupported"]
    assert codes("Melanoma is thick.", "It is thick.", title="On melanoma") == []


@real
def test_a_sentence_bears_itself_out():
    sentences = {s for a in real_articles(SHARED).values() for s in re.split(r"(?<=[.?!])\s+", a.abstract) if s}
    assert [s for s in sorted(sentences)[::7] if codes(s, s)] == []


@real
@pytest.mark.parametrize("name", MEASURED)
def test_as_many_are_flagged_as_the_documentation_says_and_every_wrong_source(name):
    articles = real_articles(SHARED) | written_articles()
    found = [(row["spoiled"], bool(flags_of(row, articles))) for row in labelled(name)]
    spoiled, good = [flagged for kind, flagged in found if kind], [flagged for kind, flagged in found if not kind]
    assert ((sum(spoiled), len(spoiled)), (sum(good), len(good))) == MEASURED[name]
    assert all(flagged for kind, flagged in found if kind == "wrong_pmid")
