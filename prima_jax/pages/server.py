"""Serves a page until it is stopped."""

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from prima_jax.errors import UserError
from prima_jax.pages.security import is_loopback

__all__ = ["Impatient", "address", "listen", "serve"]


def serve(app: ASGIApp, listener: socket.socket, *, log: str = "warning", longest: float = 30.0) -> None:
    """Serves `app` until Ctrl-C or SIGTERM; no request is logged.

    log: from which level on the server's own messages are; longest: as Impatient's.
    """
    settings = uvicorn.Config(
        app,
        log_level=log,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
        http=type("Http", (Impatient,), {"longest": longest}),
    )
    with _quiet_end():
        uvicorn.Server(settings).run(sockets=[listener])


def listen(host: str, port: int, advice: str) -> socket.socket:
    """Opens a port, 0: any free one. Raises UserError, which ends with `advice`, where it is taken."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(128)
    except OSError as error:
        raise UserError(f"Cannot serve at {host}, port {port}: {error.strerror or error}; {advice}") from error
    return listener


def address(host: str, port: int) -> str:
    """Where a page is found, as its command says it."""
    shown = f"[{host}]" if ":" in host else host
    if is_loopback(host.strip("[]").lower()):
        return f"at http://{shown}:{port}/ ;"
    return (
        f"at http://{socket.gethostname()}:{port}/ for the whole network, WITHOUT encryption: keep to a network you trust, or "
        "serve 127.0.0.1 and let others in through an SSH tunnel."
    )


class Impatient(H11Protocol):
    """The server's HTTP, but for requests that never end: uvicorn has a time limit between requests alone."""

    longest = 30.0
    """Seconds from a request's first byte, or the connection, to its last byte: one that is half sent is not held for ever."""
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(self.longest, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.more_body or self.cycle.response_complete:  # there is more to come
            self._late = self._late or self.loop.call_later(self.longest, self.transport.close)
        else:
            self._in_time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


@contextmanager
def _quiet_end() -> Iterator[None]:
    """The server raises the signal that ended it once more; here that is no news."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
