"""What follows from the decisions on a claim: its state, whose turn it is, and who carried it."""

import dataclasses
import itertools
from collections import Counter

import pytest

from prima_jax.corpus.review.decisions import Decision, Version, basis, outcome, turn
from scripts.review.example import ADA, BEN, CYD, example_claims

CLAIM = example_claims()[2]
ORIGINAL = Version.of(CLAIM)
OTHER = Version("Working outdoors raises the odds of actinic keratosis.", "raises", "moderate")
THIRD = Version("Sun at work raises the odds of actinic keratosis.", "raises", "weak")


def decided(number, who, after, *, action=None, reason="", flags=(), claim=CLAIM["id"], independent=True):
    action = action or ("reject" if after is None else "approve" if after == ORIGINAL else "edit")
    return Decision(number, who, "physician", "", claim, action, ORIGINAL, after, reason, flags, independent, None, "", "")


def states(*opinions, needed=2, claim=CLAIM):
    found = outcome(claim, [decided(n, who, after) for n, (who, after) in enumerate(opinions, 1)], needed)
    return found.state, found.text if found.state == "approved" else None


def test_one_reviewer_is_enough_where_one_is_needed():
    assert states(needed=1) == ("open", None)
    assert states((ADA, ORIGINAL), needed=1) == ("approved", CLAIM["text"])
    assert states((ADA, None), needed=1) == ("rejected", None)
    assert states((ADA, OTHER), needed=1) == ("approved", OTHER.text)


def test_two_reviewers_have_to_agree():
    assert states((ADA, ORIGINAL)) == ("open", None)
    assert states((ADA, ORIGINAL), (BEN, ORIGINAL)) == ("approved", CLAIM["text"])
    assert states((ADA, None), (BEN, None)) == ("rejected", None)
    assert states((ADA, ORIGINAL), (BEN, None)) == ("third_opinion", None)
    assert states((ADA, OTHER), (BEN, ORIGINAL)) == ("third_opinion", None)
    assert states((ADA, OTHER), (BEN, OTHER)) == ("approved", OTHER.text)
    assert states((ADA, OTHER), (BEN, THIRD)) == ("third_opinion", None)


def test_an_edit_of_the_strength_alone_is_another_opinion():
    weaker = dataclasses.replace(ORIGINAL, strength="weak")
    assert states((ADA, weaker), (BEN, ORIGINAL)) == ("third_opinion", None)


def test_a_third_opinion_decides_by_majority():
    assert states((ADA, OTHER), (BEN, ORIGINAL), (CYD, OTHER)) == ("approved", OTHER.text)
    assert states((ADA, ORIGINAL), (BEN, None), (CYD, None)) == ("rejected", None)
    assert states((ADA, OTHER), (BEN, None), (CYD, ORIGINAL)) == ("unresolved", None)


@pytest.mark.parametrize("needed", [1, 2, 3])
def test_no_sequence_of_opinions_settles_a_claim_without_enough_people_for_it(needed):
    """Every run of up to four opinions: what is approved has `needed` persons or a majority, and never its editor alone."""
    people = (ADA, BEN, CYD, "Dr. Dee Example")
    for opinions in itertools.chain.from_iterable(itertools.product((ORIGINAL, OTHER, None), repeat=n) for n in range(5)):
        length = len(opinions)
        found = outcome(CLAIM, [decided(n, people[n - 1], after) for n, after in enumerate(opinions, 1)], needed)
        most = max(Counter(opinions).values(), default=0)
        if found.state in ("approved", "rejected"):
            assert length >= needed and 2 * most > length
            assert len(found.reviewers) == most >= min(2, needed)
        if length >= needed and most == length:
            assert found.state in ("approved", "rejected")
        if found.state == "unresolved":
            assert length > max(2, needed) and 2 * most <= length


def test_the_outcome_names_who_carried_it_and_their_reasons():
    log = [
        decided(1, ADA, None, reason="wrong"),
        decided(2, BEN, ORIGINAL, reason="fine"),
        decided(3, CYD, None, reason="no source"),
    ]
    found = outcome(CLAIM, log, 2)
    assert (found.state, found.reviewers, found.reasons) == ("rejected", (ADA, CYD), ("wrong", "no source"))


def test_the_last_opinion_of_a_person_counts_and_others_decisions_on_other_claims_do_not():
    log = [decided(1, ADA, None), decided(2, ADA, ORIGINAL), decided(3, BEN, ORIGINAL), decided(4, CYD, None, claim="c-other")]
    assert outcome(CLAIM, log, 2).state == "approved"


def test_an_approval_lapses_where_the_claim_was_flagged_since_and_a_rejection_does_not():
    flagged = CLAIM | {"flags": [{"code": "contradiction", "message": "x"}]}
    assert states((ADA, ORIGINAL), (BEN, ORIGINAL), claim=flagged)[0] == "open"
    assert states((ADA, None), (BEN, None), claim=flagged)[0] == "rejected"
    seen = [decided(n, who, ORIGINAL, reason="fine", flags=("contradiction",)) for n, who in ((1, ADA), (2, BEN))]
    assert outcome(flagged, seen, 2).state == "approved"
    assert turn(flagged, [decided(1, ADA, ORIGINAL)], 2, ADA) == "first"


def test_turns():
    def of(who, *log, needed=2):
        return turn(CLAIM, [decided(n, name, after) for n, (name, after) in enumerate(log, 1)], needed, who)

    assert of(ADA) == "first"
    assert of(ADA, (ADA, ORIGINAL)) == "again"
    assert of(BEN, (ADA, ORIGINAL)) == "first"
    assert of(ADA, (ADA, ORIGINAL), (BEN, None)) == "none"
    assert of(CYD, (ADA, ORIGINAL), (BEN, None)) == "third"
    assert of(CYD, (ADA, ORIGINAL), (BEN, ORIGINAL)) == "none"
    assert of(BEN, (ADA, ORIGINAL), needed=1) == "none"


def test_the_basis_of_a_first_opinion_tells_nothing_of_another_and_that_of_a_third_does():
    first = [decided(1, ADA, ORIGINAL)]
    assert basis(CLAIM, [], 2, BEN) == basis(CLAIM, first, 2, BEN)
    differ = [*first, decided(2, BEN, None)]
    assert basis(CLAIM, first, 2, CYD) != basis(CLAIM, differ, 2, CYD)
    assert basis(CLAIM, differ, 2, CYD) != basis(CLAIM, [*first, decided(2, BEN, OTHER), decided(3, BEN, None)], 2, CYD)
