"""Who may sign in: names, passphrases, sessions, and the wait after wrong passphrases."""

import sqlite3
import threading
import time

import pytest

from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.review import accounts as accounts_module
from prima_jax.corpus.review.accounts import Accounts
from prima_jax.corpus.review.store import add_reviewer
from prima_jax.errors import UserError
from prima_jax.pages.passphrases import BUSY_WAIT, SignInRefused
from scripts.review.example import ADA, PASSPHRASE, PEOPLE


def test_passphrases_are_hashed_with_argon2id(folder):
    rows = sqlite3.connect(folder.review).execute("SELECT passphrase FROM reviewer").fetchall()
    assert len({row[0] for row in rows}) == 3 and all(row[0].startswith("$argon2id$") for row in rows)
    assert PASSPHRASE.encode() not in folder.review.read_bytes()


def test_the_file_is_for_its_owner_alone(folder):
    assert folder.review.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\u202eb", "a\x00b"])
def test_a_name_that_cannot_be_seen_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="name"):
        add_reviewer(CorpusFolder(tmp_path), name, PASSPHRASE, "physician", "", "")


@pytest.mark.parametrize("passphrase", ["", "elevenchars", " " * 20, "x" * 201])
def test_a_short_or_empty_passphrase_is_refused_and_not_repeated(tmp_path, passphrase):
    with pytest.raises(UserError, match="12 to 200") as refused:
        add_reviewer(CorpusFolder(tmp_path), ADA, passphrase, "physician", "", "")
    assert not passphrase.strip() or passphrase not in str(refused.value)


def test_two_ways_to_write_a_name_are_one_person_and_roles_never_change(folder, store):
    assert "new passphrase" in add_reviewer(folder, "dr. ADA  example", "another four words", "physician", "", "")
    assert store.roles() == dict.fromkeys(PEOPLE, "physician")
    assert Accounts(store.database).sign_in("ＤＲ. ada  EXAMPLE", "another four words", 8)
    with pytest.raises(UserError, match="roles never change"):
        add_reviewer(folder, ADA, PASSPHRASE, "test", "", "")


@pytest.mark.parametrize(
    "name", ["Dr. Аda Example", "Dr Ada Exarnple", "Dr. Ada Examp1e", "Dr. Ädа  Example.", "DR. ADA EXAMPIE"]
)
def test_a_name_that_looks_like_another_is_no_second_reviewer(folder, store, name):
    with pytest.raises(UserError, match=r"looks like 'Dr\. Ada Example', who is a reviewer already"):
        add_reviewer(folder, name, "another four words", "physician", "", "")
    assert set(store.roles()) == set(PEOPLE)


def test_a_new_passphrase_ends_sessions(folder, store):
    accounts = Accounts(store.database)
    token = accounts.sign_in(ADA, PASSPHRASE, 8)
    assert accounts.signed_in(token).name == ADA
    add_reviewer(folder, ADA, "another four words", "physician", "", "")
    assert accounts.signed_in(token) is None
    with pytest.raises(SignInRefused):
        accounts.sign_in(ADA, PASSPHRASE, 8)
    assert accounts.signed_in(accounts.sign_in(ADA, "another four words", 8)).role == "physician"


def test_tokens_are_stored_only_hashed_and_expire(folder, store):
    accounts = Accounts(store.database)
    token = accounts.sign_in(ADA, PASSPHRASE, 8)
    raw = sqlite3.connect(folder.review, isolation_level=None)
    assert token not in str(raw.execute("SELECT * FROM session").fetchall())
    assert raw.execute("SELECT expires - created FROM session").fetchone()[0] == pytest.approx(8 * 3600)
    raw.execute("UPDATE session SET expires = 0")
    assert accounts.signed_in(token) is None


@pytest.mark.parametrize("name", [ADA, "Dr. Nobody"])
def test_wrong_passphrases_bring_a_growing_wait_alike_for_who_exists_and_who_does_not(folder, store, name, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1e9)  # hashing takes long on a busy machine
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
    assert [wait - 1 for wait in waits] == [5, 10, 20]


def test_signing_in_ends_the_wait(store):
    accounts = Accounts(store.database)
    for _ in range(4):
        with pytest.raises(SignInRefused):
            accounts.sign_in(ADA, "wrong wrong wrong", 8)
    accounts.sign_in(ADA, PASSPHRASE, 8)
    for _ in range(4):
        with pytest.raises(SignInRefused, match="is wrong"):
            accounts.sign_in(ADA, "wrong wrong wrong", 8)


def test_wrong_tries_from_elsewhere_do_not_lock_the_owner_out(folder, store):
    accounts = Accounts(store.database)
    for tries in range(6):
        with pytest.raises(SignInRefused, match="Too many" if tries == 5 else "is wrong"):
            accounts.sign_in(ADA, "wrong wrong wrong", 8, "10.0.0.9")
    assert accounts.sign_in(ADA, PASSPHRASE, 8, "10.0.0.1")
    add_reviewer(folder, ADA, "another four words", "physician", "", "")
    assert accounts.sign_in(ADA, "another four words", 8, "10.0.0.9"), "a new passphrase ends the wait everywhere"


def test_a_flood_of_sign_ins_is_refused_at_once_and_leaves_places_for_others(store, monkeypatch):
    slow = threading.Event()
    monkeypatch.setattr(accounts_module, "is_right", lambda *_: slow.wait(30) and False)
    accounts, said = Accounts(store.database), []

    def one(number: int) -> None:
        try:
            accounts.sign_in(f"Nobody {number}", "wrong wrong wrong", 8, "10.0.0.9")
        except SignInRefused as refused:
            said.append(refused.wait)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads[4:]:
        thread.join(0.1)
    while len(said) < 36:
        time.sleep(0.01)
    assert said == [BUSY_WAIT] * 36, "four are looked at, the others answered"
    slow.set()
    for thread in threads:
        thread.join()
    assert sorted(said) == [0] * 4 + [BUSY_WAIT] * 36
    monkeypatch.undo()
    assert accounts.sign_in(ADA, PASSPHRASE, 8, "10.0.0.9")
