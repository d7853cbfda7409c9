"""Who may sign in, and their sessions."""

import hashlib
import secrets
import sqlite3
import time
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime

from prima_jax.corpus.review.database import Database
from prima_jax.corpus.review.look_alikes import look_of
from prima_jax.errors import UserError
from prima_jax.pages.passphrases import Places, SignInRefused, duration, hash_of, is_right, nobody, wait_after

__all__ = ["Accounts", "Reviewer"]

LONGEST_STATEMENT = 300
"""Characters of a qualification, or of declared conflicts."""


@dataclass(frozen=True)
class Reviewer:
    """Who is signed in."""

    name: str
    role: str
    session: str
    """The hash of the session's token, which forms are bound to."""


class Accounts:
    """The reviewers and their sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places = Places()

    def add(self, name: str, passphrase: str, role: str, qualification: str, conflicts: str) -> str:
        """Adds a reviewer, or gives one a new passphrase, which ends their sessions. Raises UserError for bad input.

        For a reviewer who is there, an empty `qualification` or `conflicts` leaves what was stated before.
        """
        name = _clean(name)
        qualification, conflicts = _statement(qualification, "qualification"), _statement(conflicts, "conflicts")
        hashed = hash_of(passphrase)
        with self._database.write() as connection:
            row = connection.execute(
                "SELECT name, role, qualification, conflicts FROM reviewer WHERE key = ?", (_key(name),)
            ).fetchone()
            if row and _folded(row[0]) != _folded(name):  # a new passphrase might be meant for somebody else
                raise UserError(
                    f"{name!r} looks like {row[0]!r}, who is a reviewer already: give a name that differs to the eye."
                )
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
        with self._places.admitted(address):
            self._note_attempt(attempts)
            hashed, another = self._passphrase(key), nobody()
            right = is_right(hashed or another, passphrase)  # the same work for a name that does not exist
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

    def _note_attempt(self, key: str) -> None:
        """Counts a try before it is looked at, so that many at once gain nothing. Raises SignInRefused during a wait."""
        now = time.time()
        with self._database.write() as connection:
            connection.execute("DELETE FROM attempt WHERE last < ?", (now - 86400,))
            row = connection.execute("SELECT failures, until FROM attempt WHERE key = ?", (key,)).fetchone()
            failures, until = row or (0, 0.0)
            if now < until:
                wait = int(until - now) + 1
                raise SignInRefused(f"Too many wrong tries under this name; try again in {duration(wait)}.", wait)
            _count_failure(connection, key, failures + 1, now)

    def _passphrase(self, key: str) -> str | None:
        with self._database.read() as connection:
            row = connection.execute("SELECT passphrase FROM reviewer WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None


def _count_failure(connection: sqlite3.Connection, key: str, failures: int, now: float) -> None:
    wait = wait_after(failures)
    until = now + wait if wait else 0.0
    connection.execute("INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?)", (key, failures, now, until))


def _clean(name: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not name or len(name) > 100 or not _shows(name) or not look_of(name):
        raise UserError(f"{name!r} cannot be a reviewer's name: give one of 1 to 100 characters that can be seen.")
    return name


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


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
    return _sha256(look_of(name))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _role(role: str) -> str:
    return "a physician" if role == "physician" else "a test reviewer, whose decisions vet nothing"
