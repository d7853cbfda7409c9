"""The log of decisions: what it takes in, and that nobody can change it."""

import multiprocessing
import sqlite3

import pytest

from prima_jax.corpus.check.agreement import kappa
from prima_jax.corpus.review.decisions import Version, basis
from prima_jax.corpus.review.store import Refused, Replayed, ReviewStore, Stale
from prima_jax.errors import UserError
from scripts.review.example import ADA, BEN, CYD, PEOPLE, example_claims

CLAIM = example_claims()[2]
FLAGGED = example_claims()[0]
ORIGINAL = Version.of(CLAIM)
OTHER = Version("Working outdoors raises the odds of actinic keratosis.", "raises", "moderate")
THIRD = Version("Sun at work raises the odds of actinic keratosis.", "raises", "weak")


def test_decisions_are_kept_with_before_after_and_reason(folder, store):
    store.decide(CLAIM, ADA, "edit", needed=2, after=OTHER, reason="clearer")
    with ReviewStore(folder.review) as again:
        (kept,) = again.decisions(CLAIM["id"])
    found = (kept.number, kept.who, kept.action, kept.before, kept.after, kept.reason)
    assert found == (1, ADA, "edit", ORIGINAL, OTHER, "clearer")
    assert kept.at.endswith("+00:00") and kept.independent


def test_a_third_person_may_approve_an_edit_but_nobody_their_own(store):
    store.decide(CLAIM, ADA, "edit", needed=2, after=OTHER, reason="clearer")
    with pytest.raises(Refused, match="another person's edit"):
        store.decide(CLAIM, ADA, "approve", needed=2, after=OTHER)
    with pytest.raises(Refused, match="another person's edit"):  # BEN has not been shown it yet
        store.decide(CLAIM, BEN, "approve", needed=2, after=OTHER)
    store.decide(CLAIM, BEN, "approve", needed=2)
    with pytest.raises(Refused, match="another person's edit"):
        store.decide(CLAIM, CYD, "approve", needed=2, after=THIRD)
    last = store.decide(CLAIM, CYD, "approve", needed=2, after=OTHER)
    assert not last.independent
    found = store.outcomes([CLAIM], 2)[CLAIM["id"]]
    assert (found.state, found.text, found.reviewers) == ("approved", OTHER.text, (ADA, CYD))


def test_nobody_decides_twice_once_another_has(store):
    store.decide(CLAIM, ADA, "reject", needed=2, reason="slipped")
    store.decide(CLAIM, ADA, "approve", needed=2)
    store.decide(CLAIM, BEN, "approve", needed=2)
    for who in PEOPLE:
        with pytest.raises(Refused, match="nothing for you to decide"):
            store.decide(CLAIM, who, "approve", needed=2)
    assert [d.action for d in store.decisions()] == ["reject", "approve", "approve"]


@pytest.mark.parametrize(
    ("claim", "action", "after", "reason", "told"),
    [
        (CLAIM, "reject", None, " ", "rejection needs a reason"),
        (CLAIM, "edit", OTHER, "", "edit needs a reason"),
        (CLAIM, "edit", ORIGINAL, "x", "changes nothing"),
        (CLAIM, "edit", Version(f"  {CLAIM['text']}\n", "raises", "moderate"), "x", "changes nothing"),
        (CLAIM, "edit", Version(" ", "raises", "weak"), "x", "empty"),
        (CLAIM, "edit", Version("x" * 2001, "raises", "weak"), "x", "2000"),
        (CLAIM, "edit", Version("x \u202e y", "raises", "weak"), "x", "do not show"),
        (CLAIM, "edit", Version("x\x00y", "raises", "weak"), "x", "do not show"),
        (CLAIM, "edit", Version("x", "sideways", "weak"), "x", "direction"),
        (CLAIM, "edit", None, "x", "new words"),
        (CLAIM, "delete", None, "x", "approved, edited or rejected"),
        (FLAGGED, "approve", None, "", "flagged"),
    ],
)
def test_what_breaks_a_rule_is_refused_and_changes_nothing(store, claim, action, after, reason, told):
    with pytest.raises(Refused, match=told):
        store.decide(claim, ADA, action, needed=2, after=after, reason=reason)
    assert store.decisions() == []


def test_a_stranger_cannot_decide(store):
    with pytest.raises(Refused, match="no reviewer"):
        store.decide(CLAIM, "Dr. Nobody", "approve", needed=2)


def test_a_form_counts_once_and_only_for_what_was_shown(store):
    seen = basis(CLAIM, [], 2, ADA)
    store.decide(CLAIM, ADA, "approve", needed=2, seen=seen, form="one")
    with pytest.raises(Replayed):
        store.decide(CLAIM, ADA, "reject", needed=2, reason="x", seen=seen, form="one")
    with pytest.raises(Stale):
        store.decide(CLAIM, ADA, "reject", needed=2, reason="x", seen=seen, form="two")
    assert [d.action for d in store.decisions()] == ["approve"]


def test_a_form_that_was_refused_may_be_sent_again(store):
    with pytest.raises(Refused, match="reason"):
        store.decide(CLAIM, ADA, "reject", needed=2, form="one")
    assert store.decide(CLAIM, ADA, "reject", needed=2, reason="x", form="one").number == 1


def test_the_database_itself_refuses_to_change_or_delete_a_decision(folder, store):
    store.decide(CLAIM, ADA, "approve", needed=2)
    raw = sqlite3.connect(folder.review)
    row = raw.execute("SELECT * FROM decision").fetchone()
    for statement, values in (
        ("UPDATE decision SET reason = 'x'", ()),
        ("DELETE FROM decision", ()),
        (f"INSERT OR REPLACE INTO decision VALUES ({', '.join('?' * len(row))})", row),
        ("UPDATE reviewer SET role = 'test'", ()),
        ("DELETE FROM reviewer", ()),
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(statement, values)
    raw.close()
    assert len(store.decisions()) == 1


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE decision SET reason = 'another' WHERE number = 2",
        "UPDATE decision SET who = 'Dr. Cyd Example' WHERE number = 1",
        "UPDATE decision SET flags = '[\"x\"]' WHERE number = 1",
        "UPDATE decision SET independent = 0 WHERE number = 3",
        "UPDATE decision SET role = 'test' WHERE number = 1",
        "UPDATE decision SET seconds = 100 WHERE number = 2",
        "DELETE FROM decision WHERE number = 1",
        "DELETE FROM decision WHERE number = 2",
    ],
)
def test_verify_finds_what_was_changed_behind_the_triggers(folder, store, tampering):
    for claim, who in ((CLAIM, ADA), (CLAIM, BEN), (example_claims()[3], ADA)):
        store.decide(claim, who, "approve", needed=2, reason="fine")
    assert store.verify() == 3
    raw = sqlite3.connect(folder.review, isolation_level=None)
    for name in ("decision_stays", "decision_remains"):
        raw.execute(f"DROP TRIGGER {name}")
    raw.execute(tampering)
    raw.close()
    with pytest.raises(UserError, match="was changed after the fact"):
        store.verify()


def test_a_role_that_was_changed_since_is_found(folder, store):
    store.decide(CLAIM, ADA, "approve", needed=2)
    with sqlite3.connect(folder.review, isolation_level=None) as raw:
        raw.execute("DROP TRIGGER role_stays")
        raw.execute("UPDATE reviewer SET role = 'test'")
    with pytest.raises(UserError, match="of the role physician then, and test now"):
        store.verify()


def _decide_all(path, who):
    with ReviewStore(path) as store:
        for claim in example_claims():
            store.decide(claim, who, "approve", needed=2, reason="fine")


def test_two_processes_at_once_lose_nothing_and_keep_one_chain(folder):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_decide_all, args=(folder.review, who)) for who in (ADA, BEN)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    with ReviewStore(folder.review) as store:
        assert store.verify() == 14
        assert {o.state for o in store.outcomes(example_claims(), 2).values()} == {"approved"}


def test_independent_pairs_leave_out_the_third_and_use_what_was_said_last_before_seeing_others(store):
    store.decide(CLAIM, ADA, "reject", needed=2, reason="slipped")
    store.decide(CLAIM, ADA, "approve", needed=2)
    store.decide(CLAIM, BEN, "reject", needed=2, reason="no")
    store.decide(CLAIM, CYD, "reject", needed=2, reason="no")
    other = example_claims()[3]
    for who in (ADA, BEN):
        store.decide(other, who, "approve", needed=2)
    store.decide(FLAGGED, ADA, "reject", needed=2, reason="no")
    pairs = store.independent_pairs(example_claims())
    assert sorted(pairs) == [("approve", "approve"), ("approve", "reject")]
    assert kappa(pairs) == pytest.approx(0.0)


def test_opinions_after_a_claim_came_back_are_not_independent(store):
    for who in (ADA, BEN):
        store.decide(CLAIM, who, "approve", needed=2)
    flagged = CLAIM | {"flags": [{"code": "contradiction", "message": "x"}]}
    again = [store.decide(flagged, who, "approve", needed=2, reason="fine") for who in (ADA, BEN)]
    assert not any(d.independent for d in again)
    assert store.outcomes([flagged], 2)[CLAIM["id"]].state == "approved"
