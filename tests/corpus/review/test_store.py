"""What follows from decisions, and the log that nobody can change."""

import dataclasses
import itertools
import multiprocessing
import sqlite3
from collections import Counter

import pytest

from prima_jax.corpus.check.agreement import kappa
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.review.accounts import Accounts, SignInRefused
from prima_jax.corpus.review.decisions import Decision, Version, basis, outcome, turn
from prima_jax.corpus.review.store import Refused, Replayed, ReviewStore, Stale, add_reviewer
from prima_jax.errors import UserError
from scripts.review.example import PASSPHRASE, PEOPLE, example_claims

ADA, BEN, CYD = PEOPLE
CLAIM = example_claims()[2]
FLAGGED = example_claims()[0]
ORIGINAL = Version.of(CLAIM)
OTHER = Version("Working outdoors raises the odds of actinic keratosis.", "raises", "moderate")
THIRD = Version("Sun at work raises the odds of actinic keratosis.", "raises", "weak")


@pytest.fixture
def store(folder):
    with ReviewStore(folder.review) as opened:
        yield opened


def decided(number, who, after, *, action=None, reason="", flags=(), claim=CLAIM["id"], independent=True):
    action = action or ("reject" if after is None else "approve" if after == ORIGINAL else "edit")
    return Decision(number, who, "", claim, action, ORIGINAL, after, reason, flags, independent, "", "")


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


def test_decisions_are_kept_with_before_after_and_reason(folder, store):
    store.decide(CLAIM, ADA, "edit", needed=2, after=OTHER, reason="clearer")
    with ReviewStore(folder.review) as again:
        (kept,) = again.decisions(CLAIM["id"])
    assert (kept.number, kept.who, kept.action, kept.before, kept.after, kept.reason) == (
        1,
        ADA,
        "edit",
        ORIGINAL,
        OTHER,
        "clearer",
    )
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


def test_a_database_that_is_none_is_told_in_a_sentence(tmp_path):
    (tmp_path / "review.sqlite").write_text("this is no database at all, whatever it is called" * 50)
    with pytest.raises(UserError, match="cannot be opened"):
        ReviewStore(tmp_path / "review.sqlite")


class TestReviewers:
    def test_passphrases_are_hashed_with_argon2id(self, folder):
        rows = sqlite3.connect(folder.review).execute("SELECT passphrase FROM reviewer").fetchall()
        assert len({row[0] for row in rows}) == 3 and all(row[0].startswith("$argon2id$") for row in rows)
        assert PASSPHRASE.encode() not in folder.review.read_bytes()

    def test_the_file_is_for_its_owner_alone(self, folder):
        assert folder.review.stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\u202eb", "a\x00b"])
    def test_a_name_that_cannot_be_seen_is_refused(self, tmp_path, name):
        with pytest.raises(UserError, match="name"):
            add_reviewer(CorpusFolder(tmp_path), name, PASSPHRASE, "physician", "", "")

    @pytest.mark.parametrize("passphrase", ["", "elevenchars", " " * 20, "x" * 201])
    def test_a_short_or_empty_passphrase_is_refused_and_not_repeated(self, tmp_path, passphrase):
        with pytest.raises(UserError, match="12 to 200") as refused:
            add_reviewer(CorpusFolder(tmp_path), ADA, passphrase, "physician", "", "")
        assert not passphrase.strip() or passphrase not in str(refused.value)

    def test_two_ways_to_write_a_name_are_one_person_and_roles_never_change(self, folder, store):
        assert "new passphrase" in add_reviewer(folder, "dr. ADA  example", "another four words", "physician", "", "")
        assert store.roles() == dict.fromkeys(PEOPLE, "physician")
        with pytest.raises(UserError, match="roles never change"):
            add_reviewer(folder, ADA, PASSPHRASE, "test", "", "")

    def test_a_new_passphrase_ends_sessions(self, folder, store):
        accounts = Accounts(store.database)
        token = accounts.sign_in(ADA, PASSPHRASE, 8)
        assert accounts.signed_in(token).name == ADA
        add_reviewer(folder, ADA, "another four words", "physician", "", "")
        assert accounts.signed_in(token) is None
        with pytest.raises(SignInRefused):
            accounts.sign_in(ADA, PASSPHRASE, 8)
        assert accounts.signed_in(accounts.sign_in(ADA, "another four words", 8)).role == "physician"

    def test_tokens_are_stored_only_hashed_and_expire(self, folder, store):
        accounts = Accounts(store.database)
        token = accounts.sign_in(ADA, PASSPHRASE, 8)
        raw = sqlite3.connect(folder.review, isolation_level=None)
        assert token not in str(raw.execute("SELECT * FROM session").fetchall())
        raw.execute("UPDATE session SET expires = 0")
        assert accounts.signed_in(token) is None

    @pytest.mark.parametrize("name", [ADA, "Dr. Nobody"])
    def test_wrong_passphrases_bring_a_growing_wait_alike_for_who_exists_and_who_does_not(self, folder, store, name):
        accounts = Accounts(store.database)
        raw = sqlite3.connect(folder.review, isolation_level=None)
        for _ in range(5):
            with pytest.raises(SignInRefused, match=r"The name or the passphrase is wrong\.") as refused:
                accounts.sign_in(name, "wrong wrong wrong", 8)
            assert refused.value.wait == 0
        waits = []
        for _ in range(3):
            with pytest.raises(SignInRefused, match="Too many") as refused:
                accounts.sign_in(name, PASSPHRASE, 8)  # not even the right one is looked at
            waits.append(refused.value.wait)
            raw.execute("UPDATE attempt SET until = 0")
            with pytest.raises(SignInRefused, match="is wrong"):
                accounts.sign_in(name, "wrong wrong wrong", 8)
        assert [wait - 1 for wait in waits] == pytest.approx([5, 10, 20], abs=1)

    def test_signing_in_ends_the_wait(self, store):
        accounts = Accounts(store.database)
        for _ in range(4):
            with pytest.raises(SignInRefused):
                accounts.sign_in(ADA, "wrong wrong wrong", 8)
        accounts.sign_in(ADA, PASSPHRASE, 8)
        for _ in range(4):
            with pytest.raises(SignInRefused, match="is wrong"):
                accounts.sign_in(ADA, "wrong wrong wrong", 8)
