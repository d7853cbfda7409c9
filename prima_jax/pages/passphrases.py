"""Passphrases (argon2id, RFC 9106), a growing wait after wrong ones, and a limit on how many are looked at."""

import secrets
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from prima_jax.errors import UserError

__all__ = ["BUSY_WAIT", "Places", "SignInRefused", "duration", "hash_of", "is_right", "nobody", "wait_after"]

SHORTEST, LONGEST = 12, 200
"""Characters in a passphrase."""
FREE_FAILURES = 5
FIRST_WAIT, LONGEST_WAIT = 5, 900
"""Seconds: the wait begins so at the fifth failure, and doubles with each one more."""
MOST_WAITING, MOST_OF_ONE_ADDRESS = 8, 4
"""Sign-ins that are looked at or wait for it; the page's other threads stay free for who is signed in."""
BUSY_WAIT = 3
"""Seconds until a sign-in that was one too many is to be tried again."""
_hasher = PasswordHasher()
_at_once = threading.Semaphore(2)  # each takes 64 MiB


class SignInRefused(Exception):
    """Its sentence tells nothing about which names exist."""

    def __init__(self, sentence: str, wait: int = 0) -> None:
        super().__init__(sentence)
        self.wait = wait
        """Seconds until another try is looked at."""


class Places:
    """The few places of sign-ins that are looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()

    @contextmanager
    def admitted(self, address: str) -> Iterator[None]:
        """Holds a place. Raises SignInRefused where there is none."""
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


def hash_of(passphrase: str) -> str:
    """What is kept of a passphrase. Raises UserError for one that is too short or too long."""
    passphrase = unicodedata.normalize("NFKC", passphrase)
    if not SHORTEST <= len(passphrase) <= LONGEST or not passphrase.strip():
        raise UserError(
            f"A passphrase has {SHORTEST} to {LONGEST} characters, this one {len(passphrase)}: take four or more random words."
        )
    return _hasher.hash(passphrase)


def is_right(hashed: str, passphrase: str) -> bool:
    """True for the passphrase that `hashed` was made of."""
    with _at_once:
        try:
            return _hasher.verify(hashed, unicodedata.normalize("NFKC", passphrase[: 4 * LONGEST]))
        except (VerificationError, InvalidHashError):
            return False


@cache
def nobody() -> str:
    """What a passphrase nobody knows was made into."""
    return _hasher.hash(secrets.token_urlsafe(32))


def wait_after(failures: int) -> int:
    """Seconds until the next try is looked at."""
    over = failures - FREE_FAILURES
    return min(FIRST_WAIT * 2 ** min(over, 20), LONGEST_WAIT) if over >= 0 else 0


def duration(seconds: int) -> str:
    """In words."""
    return f"{seconds} seconds" if seconds < 120 else f"{-(-seconds // 60)} minutes"
