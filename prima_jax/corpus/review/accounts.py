"""Who may sign in: passphrases (argon2id, RFC 9106), sessions, and a growing wait after wrong passphrases."""

import hashlib
import secrets
import sqlite3
import threading
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from prima_jax.corpus.review.database import Database
from prima_jax.errors import UserError

__all__ = ["Accounts", "Reviewer", "SignInRefused"]

SHORTEST, LONGEST = 12, 200
"""Characters in a passphrase."""
LONGEST_STATEMENT = 300
"""Characters of a qualification, or of declared conflicts."""
FREE_FAILURES = 5
FIRST_WAIT, LONGEST_WAIT = 5, 900
"""Seconds: the wait begins so at the fifth failure, and doubles with each one more."""
MOST_WAITING, MOST_OF_ONE_ADDRESS = 8, 4
"""Sign-ins that are looked at or wait for it; the page's other threads stay free for who is signed in."""
BUSY_WAIT = 3
"""Seconds until a sign-in that was one too many is to be tried again."""
_hasher = PasswordHasher()
_at_once = threading.Semaphore(2)  # each takes 64 MiB


@dataclass(frozen=True)
class Reviewer:
    """Who is signed in."""

    name: str
    role: str
    session: str
    """The hash of the session's token, which forms are bound to."""


class SignInRefused(Exception):
    """Its sentence tells nothing about which names exist."""

    def __init__(self, sentence: str, wait: int = 0) -> None:
        super().__init__(sentence)
        self.wait = wait
        """Seconds until another try is looked at."""


class Accounts:
    """The reviewers and their sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()

    def add(self, name: str, passphrase: str, role: str, qualification: str, conflicts: str) -> str:
        """Adds a reviewer, or gives one a new passphrase, which ends their sessions. Raises UserError for bad input.

        For a reviewer who is there, an empty `qualification` or `conflicts` leaves what was stated before.
        """
        name = _clean(name)
        qualification, conflicts = _statement(qualification, "qualification"), _statement(conflicts, "conflicts")
        hashed = _hash(passphrase)
        with self._database.write() as connection:
            row = connection.execute(
                "SELECT name, role, qualification, conflicts FROM reviewer WHERE key = ?", (_key(name),)
            ).fetchone()
            if row is None:
                day = datetime.now(UTC).isoformat(timespec="seconds")
                values = (_key(name), name, role, hashed, qualification, conflicts, day)
                connection.execute("INSERT INTO reviewer VALUES (?, ?, ?, ?, ?, ?, ?)", values)
                return f"{name} may sign in now, as {_role(role)}."
            if row[1] != role:
                raise UserError(
                    f"{row[0]} is of the role {row[1]}, and roles never change: give --role {row[1]}, or add another name."
                )
            texts = (qualification or row[2], conflicts or row[3])
            connection.execute(
                "UPDATE reviewer SET passphrase = ?, qualification = ?, conflicts = ? WHERE key = ?", (hashed, *texts, _key(name))
            )
            connection.execute("DELETE FROM session WHERE reviewer = ?", (_key(name),))
            connection.execute("DELETE FROM attempt WHERE key LIKE ?", (_key(name) + "%",))
        return f"{row[0]} has a new passphrase; whoever was signed in under that name no longer is."

    def sign_in(self, name: str, passphrase: str, hours: float, address: str = "") -> str:
        """A new session's token. Raises SignInRefused.

        Wrong tries count for the `address` that they came from: whoever else knows a name cannot lock its owner out.
        """
        key = _key(name)
        attempts = f"{key} {_sha256(address)}"
        with self._admitted(address):
            self._note_attempt(attempts)
            hashed, nobody = self._passphrase(key), _nobody()
            right = _is_right(hashed or nobody, passphrase)  # the same work for a name that does not exist
        if hashed is None or not right:
            raise SignInRefused("The name or the passphrase is wrong.")
        token, now = secrets.token_urlsafe(32), time.time()
        with self._database.write() as connection:
            connection.execute("DELETE FROM attempt WHERE key = ?", (attempts,))
            connection.execute("DELETE FROM session WHERE expires < ?", (now,))
            connection.execute("INSERT INTO session VALUES (?, ?, ?, ?)", (_sha256(token), key, now, now + hours * 3600))
        return token

    def signed_in(self, token: str | None) -> Reviewer | None:
        """Whose session a token opens; None where it is unknown or over."""
        if not token:
            return None
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT name, role, token FROM session JOIN reviewer ON key = reviewer WHERE token = ? AND expires > ?",
                (_sha256(token), time.time()),
            ).fetchone()
        return Reviewer(*row) if row else None

    def sign_out(self, reviewer: Reviewer) -> None:
        with self._database.write() as connection:
            connection.execute("DELETE FROM session WHERE token = ?", (reviewer.session,))

    @contextmanager
    def _admitted(self, address: str) -> Iterator[None]:
        """Holds one of the few places of sign-ins. Raises SignInRefused where there is none."""
        with self._lock:
            if self._inside.total() >= MOST_WAITING or self._inside[address] >= MOST_OF_ONE_ADDRESS:
                raise SignInRefused("Many are signing in just now; try again in a few seconds.", BUSY_WAIT)
            self._inside[address] += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside[address] -= 1
                self._inside += Counter()  # drops those of none

    def _note_attempt(self, key: str) -> None:
        """Counts a try before it is looked at, so that many at once gain nothing. Raises SignInRefused during a wait."""
        now = time.time()
        with self._database.write() as connection:
            connection.execute("DELETE FROM attempt WHERE last < ?", (now - 86400,))
            row = connection.execute("SELECT failures, until FROM attempt WHERE key = ?", (key,)).fetchone()
            failures, until = row or (0, 0.0)
            if now < until:
                wait = int(until - now) + 1
                raise SignInRefused(f"Too many wrong tries under this name; try again in {_duration(wait)}.", wait)
            _count_failure(connection, key, failures + 1, now)

    def _passphrase(self, key: str) -> str | None:
        with self._database.read() as connection:
            row = connection.execute("SELECT passphrase FROM reviewer WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None


def _count_failure(connection: sqlite3.Connection, key: str, failures: int, now: float) -> None:
    over = failures - FREE_FAILURES
    until = now + min(FIRST_WAIT * 2 ** min(over, 20), LONGEST_WAIT) if over >= 0 else 0.0
    connection.execute("INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?)", (key, failures, now, until))


def _clean(name: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not name or len(name) > 100 or not _shows(name):
        raise UserError(f"{name!r} cannot be a reviewer's name: give one of 1 to 100 characters that can be seen.")
    return name


def _statement(text: str, what: str) -> str:
    """One line that can be printed in the card; may be empty."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if len(text) > LONGEST_STATEMENT or not _shows(text):
        raise UserError(
            f"--{what} takes one line of at most {LONGEST_STATEMENT} characters that can be seen; found {text[:60]!r}."
        )
    return text


def _shows(text: str) -> bool:
    return text.isprintable() and not any(unicodedata.category(c) == "Cf" for c in text)


def _key(name: str) -> str:
    """Two ways to write a name are one person; hashed, so that a try with a long name takes no more room."""
    return _sha256(" ".join(unicodedata.normalize("NFKC", name).casefold().split()))


def _hash(passphrase: str) -> str:
    passphrase = unicodedata.normalize("NFKC", passphrase)
    if not SHORTEST <= len(passphrase) <= LONGEST or not passphrase.strip():
        raise UserError(
            f"A passphrase has {SHORTEST} to {LONGEST} characters, this one {len(passphrase)}: take four or more random words."
        )
    return _hasher.hash(passphrase)


def _is_right(hashed: str, passphrase: str) -> bool:
    with _at_once:
        try:
            return _hasher.verify(hashed, unicodedata.normalize("NFKC", passphrase[: 4 * LONGEST]))
        except (VerificationError, InvalidHashError):
            return False


@cache
def _nobody() -> str:
    """What a passphrase nobody knows was made into."""
    return _hasher.hash(secrets.token_urlsafe(32))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _role(role: str) -> str:
    return "a physician" if role == "physician" else "a test reviewer, whose decisions vet nothing"


def _duration(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 120 else f"{-(-seconds // 60)} minutes"
