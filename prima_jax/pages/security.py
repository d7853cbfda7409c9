"""What stands between a browser and a page: hosts, origins and headers."""

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "Guard", "host_names", "is_loopback"]

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

    def __init__(self, app: ASGIApp, hosts: Iterable[str], headers: Mapping[str, str] = HEADERS) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
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


def host_names(host: str) -> frozenset[str]:
    """The names under which a page is served that listens at `host`; "*" stands for any numeric address.

    A numeric address cannot be pointed elsewhere by who owns a name, so it is safe where the page is open to the network.
    """
    names = {host.strip("[]").lower(), "localhost", "127.0.0.1", "::1"}
    if not is_loopback(host):
        name = socket.gethostname().lower()
        names |= {"*", name, f"{name}.local"}
    return frozenset(names - {""})


def is_loopback(host: str) -> bool:
    """True where only this machine reaches what listens at `host`."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


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
