"""Signatures of forms: what was sent is what was shown, to whom it was shown."""

import hashlib
import hmac
import secrets

__all__ = ["Forms"]


class Forms:
    """Signatures that bind a form to a session, to what it is for, and to what was shown with it."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, session: str, *purpose: str) -> str:
        nonce = secrets.token_urlsafe(16)
        return f"{nonce}.{self._signature(nonce, session, purpose)}"

    def check(self, token: str, session: str, *purpose: str) -> str | None:
        """The token's own name, which is good for once; None for one that was not signed for this."""
        nonce, _, signature = token.partition(".")
        expected = self._signature(nonce, session, purpose)
        return nonce if hmac.compare_digest(expected.encode(), signature.encode(errors="replace")) else None

    def _signature(self, nonce: str, session: str, purpose: tuple[str, ...]) -> str:
        parts = [part.encode(errors="replace") for part in (nonce, session, *purpose)]
        content = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.new(self._secret, content, hashlib.sha256).hexdigest()
