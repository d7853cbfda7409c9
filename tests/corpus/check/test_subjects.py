"""A claim and its sources name the disease and the factor, in whatever words; another disease is noticed."""

import pytest

from prima_jax.corpus.check.subjects import names_disease, names_factor, other_disease

BASAL = ("basal cell carcinoma", "basal cell cancer", "Carcinoma, Basal Cell[mh]")


@pytest.mark.parametrize(
    ("text", "terms", "named"),
    [
        ("Basal cell carcinomas are common.", BASAL, True),
        ("A carcinoma of the basal cells.", BASAL, True),
        ("Squamous cell carcinomas are common.", BASAL, False),
        ("Naevi are common.", ("nevus",), True),
        ("Small basal cell lesions.", BASAL, True),
        ("Skin lesions.", BASAL, False),
        ("Melanocytes are cells.", ("melanoma",), False),
        ("Nothing at all.", ("Melanoma[mh]",), False),
    ],
)
def test_the_disease_is_named(text, terms, named):
    assert names_disease(text, terms) == named


@pytest.mark.parametrize(
    ("text", "terms", "named"),
    [
        ("Most often on the nose.", ("body site", "face"), True),
        ("Melanoma grows.", ("body site", "face"), False),
        ("People with dark skin.", ("fair skin", "complexion"), True),
        ("Skin is an organ.", ("fair skin", "complexion"), False),
        ("It runs from parent to child, as genes do.", ("family history",), True),
        ("In smokers.", ("smok*",), True),
        ("In drinkers.", ("smok*",), False),
        ("Protected from the sun.", ("sun-protective behaviour", "sun protection"), True),
    ],
)
def test_the_factor_is_named_by_anything_of_its_field(text, terms, named):
    assert names_factor(text, terms) == named


@pytest.mark.parametrize(
    ("claim", "quote", "other"),
    [
        ("Melanoma arises in patches.", "Squamous cell lymphoma arises in patches.", True),
        ("Melanoma arises in patches.", "It arises in patches.", False),
        ("Melanoma arises in patches.", "The tumor arises in patches.", False),
        ("Melanoma arises in patches.", "Melanoma or lymphoma arises in patches.", False),
        ("Melanoma arises in keratoses.", "It arises in keratoses.", False),
        ("Diabetes increases the risk of melanoma.", "Diabetes increases the risk of kidney failure.", True),
        ("Diabetes increases the risk of melanoma.", "Diabetes increases the risk of the disease.", False),
        ("Diabetes increases the risk of melanoma.", "Diabetes increases the risk of skin cancer.", False),
    ],
)
def test_another_disease_in_the_quote(claim, quote, other):
    assert bool(other_disease(claim, quote, ("melanoma",))) == other
