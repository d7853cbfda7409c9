"""A quote is found whatever a writer made of its signs, and nowhere else; numbers are compared by value."""

import pytest

from prima_jax.corpus.check.numbers import numbers, ordinals
from prima_jax.corpus.quotes import find_quote

ABSTRACT = "Risk rose (HR 1·24 [95% CI 1·01–1·53]).\nIt’s  “not”\u00a0rare: the oﬃce saw 12,500 cases."


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("(HR 1.24 [95% CI 1.01-1.53])", "(HR 1·24 [95% CI 1·01–1·53])"),
        ('it\'s "NOT" rare', "It’s  “not”\u00a0rare"),
        ("the office saw", "the oﬃce saw"),
        ("1.53]). It's", "1·53]).\nIt’s"),
        ("not\u200b rare", None),  # the quotation mark is missing
        ("HR 1.25", None),
        ("", None),
        (" \n", None),
    ],
)
def test_a_quote_is_found_in_its_own_place(quote, found):
    place = find_quote(quote, ABSTRACT)
    assert (place and ABSTRACT[slice(*place)]) == found


def test_every_span_of_words_is_found_where_it_first_stands():
    words = ABSTRACT.split()
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            quote = " ".join(words[start:end])
            place = find_quote(quote, ABSTRACT)
            assert place is not None and ABSTRACT[slice(*place)].split() == words[start:end]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("HR 1·24, 95% CI 1.010", {"1.24", "95", "1.01"}),
        ("12,500 of 12 500 in 2019", {"12500", "2019"}),
        ("BRAF V600 and miR-659", {"600", "659"}),
        ("p=.05", {"0.05"}),
        ("none at all", set()),
    ],
)
def test_numbers_by_value(text, found):
    assert numbers(text) == found


def test_numbers_in_words_are_numbers_where_asked_for():
    assert numbers("one third of twenty, twice") == set()
    assert numbers("one third of twenty, twice", words=True) == {"1", "33", "20", "2"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("five or fewer lesions", {"5"}),
        ("one of these, the third visit", set()),  # neither counts anything
        ("one in ten", {"1", "10"}),
        ("one third, a quarter, twice", {"1", "33", "25", "2"}),
    ],
)
def test_numbers_in_words_that_a_claim_states(text, found):
    assert numbers(text, claimed=True) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the second most common", {"second"}),
        ("a 3rd operation", {"third"}),
        ("a third of them", set()),
        ("the third most common", {"third"}),
        ("within 30 seconds", set()),
    ],
)
def test_places_in_a_row(text, found):
    assert ordinals(text) == found
