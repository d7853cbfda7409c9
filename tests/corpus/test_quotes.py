"""A quote is found whatever a writer made of its signs, and nowhere else."""

import pytest

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
