"""The file `review.sqlite`: its tables, which the database itself keeps append-only, and its transactions."""

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prima_jax.errors import UserError

__all__ = ["Database", "Unusable"]

LONGEST_WAIT = 10.0
"""Seconds to wait for another process that is writing."""
_VERSION = 2
_TABLES = """
CREATE TABLE reviewer (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL CHECK (role IN ('physician', 'test')), passphrase TEXT NOT NULL,
    qualification TEXT NOT NULL, conflicts TEXT NOT NULL, added TEXT NOT NULL);
CREATE TABLE session (
    token TEXT PRIMARY KEY, reviewer TEXT NOT NULL REFERENCES reviewer (key), created REAL NOT NULL, expires REAL NOT NULL);
CREATE TABLE attempt (key TEXT PRIMARY KEY, failures INTEGER NOT NULL, last REAL NOT NULL, until REAL NOT NULL);
CREATE TABLE sent_form (nonce TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE secret (value BLOB NOT NULL);
CREATE TABLE decision (
    number INTEGER PRIMARY KEY, who TEXT NOT NULL, role TEXT NOT NULL, at TEXT NOT NULL, claim TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('approve', 'edit', 'reject')), before TEXT NOT NULL, after TEXT, reason TEXT NOT NULL,
    flags TEXT NOT NULL, independent INTEGER NOT NULL, seconds INTEGER, previous TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE INDEX decision_claim ON decision (claim);

CREATE TRIGGER decision_stays BEFORE UPDATE ON decision BEGIN SELECT RAISE(ABORT, 'decisions are never changed'); END;
CREATE TRIGGER decision_remains BEFORE DELETE ON decision BEGIN SELECT RAISE(ABORT, 'decisions are never deleted'); END;
-- INSERT OR REPLACE would delete without firing the trigger above.
CREATE TRIGGER decision_follows BEFORE INSERT ON decision
    WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM decision)
    BEGIN SELECT RAISE(ABORT, 'decisions are only added at the end'); END;
CREATE TRIGGER role_stays BEFORE UPDATE OF key, name, role ON reviewer
    WHEN (NEW.key, NEW.name, NEW.role) <> (OLD.key, OLD.name, OLD.role)
    BEGIN SELECT RAISE(ABORT, 'a reviewer keeps name and role'); END;
CREATE TRIGGER reviewer_remains BEFORE DELETE ON reviewer BEGIN SELECT RAISE(ABORT, 'reviewers are never deleted'); END;
CREATE TRIGGER reviewer_once BEFORE INSERT ON reviewer WHEN EXISTS (SELECT 1 FROM reviewer WHERE key = NEW.key)
    BEGIN SELECT RAISE(ABORT, 'there is such a reviewer'); END;
"""


class Unusable(UserError):
    """The database cannot be read or written just now: it is locked, read-only or damaged, or the disk is full."""


class Database:
    """One connection that threads share; other processes may have the file open at the same time."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        try:
            if not self.path.exists():
                self.path.touch(mode=0o600)  # it holds what passphrases were made into
            self._connection = sqlite3.connect(self.path, timeout=LONGEST_WAIT, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")  # what was answered "kept" is on the disk
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise UserError(
                f"{self.path} cannot be opened as the review's database ({error}): see that it can be written and that no other "
                "program holds it, or restore it from a copy."
            ) from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Raises Unusable."""
        with self._lock, self._told():
            yield self._connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone among all processes: it happens as a whole, or, where an exception leaves it, not at all.

        Raises Unusable.
        """
        with self._lock, self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")  # where a full disk shows first
            except BaseException:
                if self._connection.in_transaction:  # a disk's fault may have ended it already
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise Unusable(
                f"{self.path} could not be used ({error}), and nothing was changed: end the program that holds it, or make room "
                "on the disk, and try again."
            ) from error

    def secret(self) -> bytes:
        """The key that forms are signed with."""
        with self.read() as connection:
            return connection.execute("SELECT value FROM secret").fetchone()[0]

    def _prepare(self) -> None:
        if self._version():
            return
        with self.write() as connection:
            if self._version():  # another process was quicker
                return
            for statement in _statements(_TABLES):
                connection.execute(statement)
            connection.execute("INSERT INTO secret VALUES (?)", (secrets.token_bytes(32),))
            connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _version(self) -> int:
        """0 where there are no tables yet. Raises UserError for one that is not known here."""
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise UserError(f"{self.path} is of another version ({version}, here {_VERSION}); use the program that made it.")
        return version


def _statements(script: str) -> Iterator[str]:
    """executescript would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
