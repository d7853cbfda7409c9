"""Families agree, differ, contradict each other or stay silent; kappa is Cohen's."""

import pytest

from prima_jax.corpus.check.agreement import compare, kappa
from prima_jax.corpus.check.check import _contradicts_itself, direction_pairs

FAMILIES = ("openai", "google")


def claim(number, family, direction, *, topic="BCC/smoke", text="Smoking bears on basal cell carcinoma.", strength="weak"):
    attribute = topic.split("/")[1].replace("summary", "")
    return {
        "id": f"c-{number}", "topic": topic, "attribute": attribute, "family": family, "text": text,
        "direction": direction, "strength": strength,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "agreement"),
    [
        ("raises", "raises", "agree"),
        ("raises", "lowers", "contradiction"),
        ("raises", "none", "contradiction"),
        ("none", "lowers", "contradiction"),
        ("raises", "descriptive", "single"),
    ],
)
def test_two_families_on_one_factor(one, other, agreement):
    found = compare([claim(1, "openai", one), claim(2, "google", other)])
    assert found["c-1"].agreement == found["c-2"].agreement == agreement


def test_a_family_is_no_second_opinion_on_itself():
    found = compare([claim(1, "openai", "raises"), claim(2, "openai", "lowers")])
    assert {f.agreement for f in found.values()} == {"single"}


def test_one_dissent_contradicts_by_itself_and_makes_no_contradiction_of_what_both_families_say():
    rows = [claim(1, "openai", "raises"), claim(2, "google", "raises"), claim(3, "google", "lowers")]
    found = compare(rows)
    assert [found[row["id"]].agreement for row in rows] == ["agree", "agree", "contradiction"]
    assert set(found["c-1"].counterparts) == {"c-2", "c-3"}


def test_strengths_may_differ_and_other_topics_do_not_answer():
    rows = [
        claim(1, "openai", "raises"),
        claim(2, "google", "raises", strength="strong"),
        claim(3, "google", "lowers", topic="SCC/smoke"),
    ]
    assert compare(rows)["c-1"].agreement == "strength_differs"


def test_summaries_answer_each_other_only_on_the_same_matter():
    pale, again = "Basal cell carcinoma is a pearly papule.", "A pearly papule is basal cell carcinoma."
    other = "It seldom spreads to lymph nodes or to bones."
    said = ((1, "openai", pale), (2, "google", again), (3, "google", other))
    rows = [claim(number, family, "descriptive", topic="BCC/summary", text=text) for number, family, text in said]
    found = compare(rows)
    assert found["c-1"].counterparts == ("c-2",) and found["c-3"].agreement == "single"


def test_kappa_of_a_worked_example():
    """Both yes 20, first only 5, second only 10, both no 15: observed 0.70, expected 0.50, kappa 0.40."""
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert kappa(pairs) == pytest.approx(0.4, abs=1e-12)


@pytest.mark.parametrize("pairs", [[], [("raises", "raises")] * 3])
def test_kappa_is_undefined_where_chance_explains_all(pairs):
    assert kappa(pairs) is None


def test_each_pair_of_families_counts_once():
    rows = [claim(1, "openai", "raises"), claim(2, "google", "lowers")]
    found = compare(rows)
    rows = [row | {"counterparts": found[row["id"]].counterparts} for row in rows]
    assert direction_pairs(rows) == [("lowers", "raises")]


def test_a_family_that_says_both_of_one_factor_is_flagged_for_both_claims_and_for_no_others():
    rows = [
        claim(1, "openai", "raises"),
        claim(2, "openai", "lowers"),
        claim(3, "openai", "none"),
        claim(4, "google", "raises"),
        claim(5, "openai", "lowers", topic="BCC/drink"),
        claim(6, "openai", "raises", topic="BCC/summary"),
        claim(7, "openai", "lowers", topic="BCC/summary"),
    ]
    claimed = {(row["topic"], row["family"], row["direction"]) for row in rows}
    assert [row["id"] for row in rows if _contradicts_itself(row, claimed)] == ["c-1", "c-2"]


def test_claims_on_other_topics_answer_nothing():
    found = compare([claim(1, "openai", "raises"), claim(2, "google", "raises", topic="BCC/drink")])
    assert all(one.agreement == "single" and not one.counterparts for one in found.values())
