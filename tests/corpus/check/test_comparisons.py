"""Opposites, groups and figures stand beside the same words in a claim and in its quote."""

import pytest

from prima_jax.corpus.check.comparisons import comparands_swapped, figures_swapped, opposites_swapped, units_differ


@pytest.mark.parametrize(
    ("claim", "quote", "swapped"),
    [
        ("Placebo had lower rates than aspirin.", "Aspirin had lower rates than placebo.", True),
        ("Aspirin had lower rates than placebo.", "Those who took aspirin had lower rates than placebo.", False),
        ("Relapse was more frequent in women than in men.", "Relapse was more frequent in men compared with women.", True),
        ("Relapse was less frequent in women than in men.", "Relapse was more frequent in men than in women.", False),
        ("Tumours greater than 2 mm grow more.", "Grow more in tumours greater than 2 mm.", False),
        ("It is more common than melanoma.", "It is more common.", False),
    ],
)
def test_what_is_compared(claim, quote, swapped):
    assert comparands_swapped(claim, quote) == swapped


@pytest.mark.parametrize(
    ("claim", "quote", "swapped"),
    [
        ("Women have it on the trunk.", "Men have it on the trunk; women have it on the arms.", True),
        ("Women have it on the arms.", "Men have it on the trunk; women have it on the arms.", False),
        ("Men on the arms, women on the trunk.", "Men on the trunk, women on the arms.", True),
        ("Women get it on the trunk.", "Men and women get it on the trunk.", False),
        (
            "Squamous cell carcinoma is rarely deadly.",
            "Basal cell and squamous cell carcinomas are very common and rarely deadly.",
            False,
        ),
        ("Survival decreased.", "Survival increased, and relapses decreased.", True),
        ("Relapses decreased.", "Survival increased, and relapses decreased.", False),
        ("Women have it.", "Women have it.", False),
    ],
)
def test_opposites_keep_their_neighbours(claim, quote, swapped):
    assert bool(opposites_swapped(claim, quote)) == swapped


TABLE = "Hypertrichosis 50% Hydrocephalus 7.5% Pruritus 7.5% Seizures 7.5%"
GROUPS = "Complications were reported in 35 (8%) patients in the 1 cm group and 65 (15%) patients in the 3 cm group."


@pytest.mark.parametrize(
    ("claim", "quote", "swapped"),
    [
        ("Hypertrichosis is a sign in 7.5% of patients.", TABLE, True),
        ("Hypertrichosis is a sign in 50% of patients.", TABLE, False),
        ("Pruritus is a symptom in 7.5% of patients.", TABLE, False),
        ("Complications were reported in 35 (8%) patients in the 3 cm group.", GROUPS, True),
        ("Complications were reported in 65 (15%) patients in the 3 cm group.", GROUPS, False),
        ("Complications were reported in 8% of the 1 cm group and 15% of the 3 cm group.", GROUPS, False),
    ],
)
def test_figures_keep_their_neighbours(claim, quote, swapped):
    assert bool(figures_swapped(claim, quote)) == swapped


@pytest.mark.parametrize(
    ("claim", "quote", "differ"),
    [
        ("2 cm thick", "2 mm thick, with a 1 cm margin", True),
        ("2 millimetres thick", "2 mm thick", False),
        ("5 percent", "5% and more", False),
        ("5 months", "5 (years)", True),
        ("5 cm", "5 to 10 cm", False),
        ("3 weeks", "3 times a week for 4 weeks", True),
    ],
)
def test_units(claim, quote, differ):
    assert bool(units_differ(claim, quote)) == differ
