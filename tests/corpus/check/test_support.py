"""What is new in a claim is found; inflections, spellings, synonyms and the article's own abbreviations are not new."""

import re

import pytest

from benchmarks.labelled import real_articles
from prima_jax.corpus.check.comparisons import comparands_swapped, figures_swapped, opposites_swapped, units_differ
from prima_jax.corpus.check.polarity import hedge_lost, negation_differs
from prima_jax.corpus.check.support import abbreviations, beside, new_words, spelled_out, without
from prima_jax.corpus.check.words import related, stem, words_of
from tests.corpus.shared import SHARED


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("Tumours recur.", "The tumor may come back."),
        ("Sun exposure can cause cancers.", "Being exposed to sunlight can cause cancer."),
        ("People who smoke have an increased risk.", "Smoking is a risk factor."),
        ("Naevi of the skin are not removed.", "A cutaneous nevus, cutaneously removable, is removed by excision."),
        ("Five lesions were seen.", "5 lesions"),  # numbers are looked at elsewhere
        ("Scars are a risk factor.", "Risk factors include the following: - scars"),
    ],
)
def test_words_that_are_not_new(claim, quote):
    assert new_words(claim, quote) == []


@pytest.mark.parametrize(
    ("claim", "quote", "new"),
    [
        ("Scars in smokers.", "scars", ["smokers"]),
        ("A painful change in the skin.", "a change in the skin", ["painful"]),
        ("A family history of any cancer.", "a family history of skin cancer", ["any"]),
        ("It decreases the risk.", "It increases the risk.", ["decreases"]),
        (
            "It is often deadly.",
            "It is common, and rarely deadly.",
            ["often"],
        ),  # both ways are there: only the word itself counts
        ("It is seen more often.", "It is seen.", ["more", "often"]),
        ("It starts after birth.", "It starts before birth.", ["after"]),
        ("Melanocytes are found.", "Melanoma is found.", ["melanocytes"]),
        ("Keratitis is found.", "Keratosis is found.", ["keratitis"]),
    ],
)
def test_words_that_are_new(claim, quote, new):
    assert new_words(claim, quote) == new


def test_the_subject_may_be_named_from_beside_the_quote_but_not_what_is_said_of_it():
    context = "Stage II melanoma is rare. It is more than 2 mm thick. Carcinoma is more deadly."
    named = beside(context, ["melanoma"])
    assert new_words("Stage II melanoma is thick.", "It is thick.", named) == []
    assert new_words("It is rare and thick.", "It is common and thick.", named) == ["rare"]
    assert "Carcinoma" not in named and "deadly" not in named


def test_a_disease_beside_the_quote_is_not_the_subject():
    assert "lymphoma" not in beside("lymphoma or melanoma", ["melanoma"])


def test_terms_are_left_out():
    assert without("Melanomas and a melanoma grow.", ["melanoma"]).split() == ["and", "a", "grow."]


def test_abbreviations_are_taken_from_the_article():
    text = "Overall survival (OS) and progression-free survival (PFS) were long (see below), as were others (n = 5)."
    short = abbreviations(text)
    assert short == {"os": "overall survival", "pfs": "progression-free survival"}
    assert new_words("Overall survival was long.", spelled_out("OS was long.", short)) == []
    assert new_words("OS was long.", spelled_out("Overall survival was long.", short)) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("exposure", "exposed", True),
        ("protection", "protective", True),
        ("inherited", "hereditary", True),
        ("tumours", "tumor", True),
        ("nevi", "naevus", True),
        ("melanoma", "melanocyte", False),
        ("keratosis", "keratitis", False),
        ("lymphoma", "lymphoid", False),
        ("men", "mental", False),
        ("12", "123", False),
    ],
)
def test_families_of_words(one, other, same):
    assert related(stem(one), stem(other)) == related(stem(other), stem(one)) == same


def test_numbers_and_clauses():
    words = words_of("Of 12,500 (8·50%), MEK162 grew; it fell to .5")
    assert [w.stem for w in words] == ["of", "12500", "8.5", "%", "mek162", "grow", "it", "fall", "to", "5"]
    assert words[4].clause == 0 and words[6].clause == 1 and words[1].part < words[2].part < words[4].part


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real texts (shared/data/pubmed) are not here")
def test_a_sentence_bears_itself_out():
    sentences = {s for a in real_articles(SHARED).values() for s in re.split(r"(?<=[.?!])\s+", a.abstract) if len(s.split()) < 60}
    for text in sorted(sentences)[::7]:
        assert not new_words(text, text) and not negation_differs(text, text) and not hedge_lost(text, text), text
        assert not opposites_swapped(text, text) and not comparands_swapped(text, text), text
        assert not figures_swapped(text, text) and not units_differ(text, text), text
