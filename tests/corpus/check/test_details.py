"""What a claim says of its effect, population and body site has to stand in what it cites."""

import pytest

from prima_jax.corpus.articles import Article
from prima_jax.corpus.check.details import detail_flags
from prima_jax.corpus.claims import Citation, Claim, Effect

QUOTE = "Smoking raised the odds of melanoma (odds ratio 1.42; 95% CI 1.10 to 1.83)."
ARTICLE = Article("1", "Invented, on older women", (("", f"The trunk was looked at. {QUOTE} The hazard was 2.5."),))


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ({}, []),
        ({"effect": Effect(number="1.42", unit="odds ratio", interval="1.10 to 1.83")}, []),
        ({"population": "older women", "body_site": "trunk"}, []),
        ({"effect": Effect(number="2.5", unit="hazard ratio")}, ["effect: 2.5"]),  # in the article, not in the quote
        ({"effect": Effect(number="1.42", unit="odds ratio", interval="1.20 to 1.83")}, ["interval: 1.20 to 1.83"]),
        ({"effect": Effect(number="1.4", unit="odds ratio")}, ["effect: 1.4"]),
        ({"population": "men", "body_site": "face"}, ["population: men", "body_site: face"]),
    ],
)
def test_a_detail_that_was_not_copied_is_flagged(details, told):
    claim = Claim(
        text="Smoking raises the odds of melanoma.",
        direction="raises",
        strength="weak",
        citations=(Citation(article="1", quote=QUOTE),),
        **details,
    )
    flags = detail_flags(claim, {"1": ARTICLE})
    assert [flag.message.removesuffix(" is not in what the claim cites.") for flag in flags] == told
    assert {flag.code for flag in flags} <= {"detail_not_in_source"}
