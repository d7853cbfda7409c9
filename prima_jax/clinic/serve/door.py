"""Who may open the page where others reach it: one passphrase, kept as its hash; sessions are in memory alone."""

import hashlib
import os
import secrets
import threading
import time
from pathlib import Path

from prima_jax.errors import UserError
from prima_jax.pages.passphrases import Places, SignInRefused, duration, hash_of, is_right, wait_after

__all__ = ["HOURS", "Door", "read_door", "write_hash"]

HOURS = 12
"""How long one stays signed in."""
_BEGINS = "$argon2id$"


def write_hash(file: Path, passphrase: str) -> None:
    """Writes a new password file, for its owner alone. Raises UserError for a short passphrase, or where it cannot be written."""
    hashed = hash_of(passphrase)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(hashed + "\n")
    except OSError as error:
        raise UserError(f"{file} cannot be written ({error.strerror}); choose another --password-file.") from error


def read_door(file: Path) -> "Door":
    """Raises UserError for a file that `write_hash` has not written."""
    try:
        hashed = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--password-file: {file} cannot be read as text; give another, or delete it to make it anew.") from error
    if not hashed.startswith(_BEGINS) or len(hashed.split()) != 1:
        raise UserError(f"--password-file: {file} holds no argon2id hash; delete it, and the command makes it anew.")
    return Door(hashed)


class Door:
    """Lets in who knows the passphrase."""

    def __init__(self, hashed: str) -> None:
        self._hashed = hashed
        self._places = Places()
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        """The hash of a session's token -> when it ends."""
        self._failures: dict[str, tuple[int, float]] = {}
        """Address -> failures, and when the next try is looked at."""

    def sign_in(self, passphrase: str, address: str) -> str:
        """A new session's token. Raises SignInRefused."""
        with self._places.admitted(address):
            self._note_try(address)
            right = is_right(self._hashed, passphrase)
        if not right:
            raise SignInRefused("The passphrase is wrong.")
        token, now = secrets.token_urlsafe(32), time.time()
        with self._lock:
            self._failures.pop(address, None)
            self._until = {key: end for key, end in self._until.items() if end > now}
            self._until[_key(token)] = now + HOURS * 3600
        return token

    def is_open(self, token: str | None) -> bool:
        """True while the token's session lasts."""
        return token is not None and self._until.get(_key(token), 0.0) > time.time()

    def sign_out(self, token: str | None) -> None:
        """Ends the token's session."""
        with self._lock:
            self._until.pop(_key(token or ""), None)

    def _note_try(self, address: str) -> None:
        """Counts a try before it is looked at, so that many at once gain nothing. Raises SignInRefused during a wait."""
        now = time.time()
        with self._lock:
            self._failures = {one: noted for one, noted in self._failures.items() if noted[1] > now - 86400}
            failures, until = self._failures.get(address, (0, now))
            if now < until:
                wait = int(until - now) + 1
                raise SignInRefused(f"Too many wrong tries; try again in {duration(wait)}.", wait)
            self._failures[address] = failures + 1, now + wait_after(failures + 1)


def _key(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
