"""What stands between a browser and the page: hosts, origins, headers, and the signatures of forms."""

import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "Forms", "Guard", "host_names"]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # no-referrer would make browsers send "Origin: null" with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """The outermost layer: refuses foreign hosts and origins, and sets the headers of every answer, errors too."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        host = _host(f"//{headers.get('host', '')}")
        # Without this, a name that somebody else owns could be pointed at this machine (DNS rebinding).
        if host not in self._hosts and not ("*" in self._hosts and _is_address(host)):
            return PlainTextResponse("This page is not served under that name; use the address that the command printed.", 400)
        if method not in ("GET", "HEAD"):
            origin = headers.get("origin")
            foreign = origin is not None and _netloc(origin) != headers["host"].lower()
            if foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                return PlainTextResponse("This form was sent from another site; nothing was changed.", 403)
        return None


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


def host_names(host: str) -> frozenset[str]:
    """The names under which a page is served that listens at `host`; "*" stands for any numeric address.

    A numeric address cannot be pointed elsewhere by who owns a name, so it is safe where the page is open to the network.
    """
    names = {host.strip("[]").lower(), "localhost", "127.0.0.1", "::1"}
    if not _is_loopback(host):
        name = socket.gethostname().lower()
        names |= {"*", name, f"{name}.local"}
    return frozenset(names - {""})


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _host(netloc: str) -> str:
    try:
        return (urlsplit(netloc).hostname or "").lower()
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
