"""A claim keeps what its quote denies, hedges or only plans; what it leaves out with all it bears on, it may leave out."""

import pytest

from prima_jax.corpus.check.polarity import hedge_lost, negation_differs, only_planned


@pytest.mark.parametrize(
    ("claim", "quote", "denied"),
    [
        ("It lowers the risk.", "It does not lower the risk.", "lowers"),
        ("It does not lower the risk.", "It lowers the risk.", "lower"),
        ("It prevents cancer.", "It has not been shown to prevent cancer.", "prevent"),
        ("It can be removed.", "It cannot be removed.", "removed"),
        ("It isn't cancer.", "It is cancer.", "cancer"),
        ("Freckles that burn but not itch.", "Freckles that burn and itch, and do not tan.", "itch"),
        ("They have an increased risk.", "They have no increased risk, but others do.", "increased"),
    ],
)
def test_a_negation_that_only_one_has(claim, quote, denied):
    found = negation_differs(claim, quote)
    assert found and found[:4] == denied[:4]


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("It does not lower the risk.", "Studies have shown that it does not lower the risk."),
        ("It changes into carcinoma.", "It is not cancer, but sometimes changes into carcinoma."),
        ("It may raise the risk of melanoma.", "It does not lower the risk of scars, and may raise the risk of melanoma."),
        ("Skin that burns or tans poorly.", "Skin that burns, does not tan, or tans poorly."),
        ("Survival did not differ.", "No significant difference in survival was apparent."),
        ("Melanoma spreads.", "Carcinoma does not spread. Melanoma spreads."),
        ("Causes of carcinoma are not the same as those of melanoma.", "Causes of melanoma and carcinoma are not the same."),
    ],
)
def test_a_negation_that_both_have_or_that_is_left_out_with_what_it_denies(claim, quote):
    assert negation_differs(claim, quote) == ""


@pytest.mark.parametrize(
    ("claim", "quote", "hedge"),
    [
        ("It increases the risk.", "It may increase the risk.", "may"),
        ("It can increase the risk.", "It may increase the risk.", ""),
        ("It possibly increases the risk.", "It may increase the risk.", ""),
        ("New moles develop, usually early.", "New moles may develop, usually early.", "may"),
        ("Mutations of this gene are the cause.", "Rarely, mutations of this gene are the cause.", "rarely"),
        ("The lip cracks and peels.", "Patches may be flat or raised, or the lip cracks and peels.", ""),
        ("It is red.", "It is red and may itch.", ""),
    ],
)
def test_a_hedge_is_kept(claim, quote, hedge):
    assert hedge_lost(claim, quote) == hedge


@pytest.mark.parametrize(
    ("claim", "quote", "planned"),
    [
        ("It lowers the risk.", "Our hypothesis is that it lowers the risk.", True),
        ("It lowers the risk.", "It is being evaluated whether it lowers the risk.", True),
        ("It lowers the risk.", "The primary outcome measure is the risk.", True),
        ("If found early, it is cured.", "It is cured if found early.", False),
        ("It is cured.", "It is cured if found early.", True),
        ("It lowers the risk.", "The aim was to see this. It lowers the risk.", False),
        ("It lowers the risk.", "It lowers the risk in trials.", False),
    ],
)
def test_a_plan_is_no_finding(claim, quote, planned):
    assert bool(only_planned(claim, quote)) == planned
