"""Step review: serves the page until it is stopped."""

import asyncio
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from ml_collections import ConfigDict
from uvicorn.protocols.http.h11_impl import H11Protocol

from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.review.app import create_app
from prima_jax.corpus.review.claims import Catalogue
from prima_jax.corpus.review.security import host_names
from prima_jax.corpus.review.store import ReviewStore
from prima_jax.errors import UserError
from prima_jax.studies.study import Study

__all__ = ["Impatient", "run"]

LONGEST_SESSION = 7 * 24.0
LONGEST_REQUEST = 30.0
"""Seconds from a request's first byte, or the connection, to its last byte: one that is half sent is not held for ever."""


def run(config: ConfigDict, study: Study, folder: CorpusFolder) -> str:
    """Prints the page's address and serves it until Ctrl-C or SIGTERM.

    Raises UserError where there are no claims or no reviewers, where config.review is wrong, or the port is taken.
    """
    _check(config)
    claims = list(Catalogue(folder).claims().values())
    folder.needs(folder.articles, "search")
    needed, host = config.review.reviewers, config.review.host
    with ReviewStore(folder.review) as store:
        store.verify()
        if not store.roles():
            raise UserError(
                "There is no reviewer yet: add each with the same command and `reviewer NAME` in place of `review`; "
                "it asks for a passphrase."
            )
    listener = _listen(host, config.review.port)
    port = listener.getsockname()[1]
    app = create_app(folder, needed=needed, hours=config.review.session_hours, hosts=host_names(host), port=port)
    print(_address(host, port), flush=True)
    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
        http=Impatient,
    )
    with _quiet_end():
        uvicorn.Server(settings).run(sockets=[listener])
    with ReviewStore(folder.review) as store:
        states = Counter(outcome.state for outcome in store.outcomes(claims, needed).values())
        told = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in sorted(states.items()))
        return f"The page was closed with {store.verify()} decisions in {folder.review}; claims: {told}."


class Impatient(H11Protocol):
    """The server's HTTP, but for requests that never end: uvicorn has a time limit between requests alone."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(LONGEST_REQUEST, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.more_body or self.cycle.response_complete:  # there is more to come
            self._late = self._late or self.loop.call_later(LONGEST_REQUEST, self.transport.close)
        else:
            self._in_time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _check(config: ConfigDict) -> None:
    review = config.review
    if not isinstance(review.reviewers, int) or review.reviewers < 1:
        raise UserError(f"config.review.reviewers is {review.reviewers!r}; give how many persons decide each claim, 1 or more.")
    if not 0 < review.session_hours <= LONGEST_SESSION:
        raise UserError(
            f"config.review.session_hours is {review.session_hours!r}; give more than 0 and at most {LONGEST_SESSION:g}."
        )
    if not isinstance(review.host, str) or not review.host.strip():
        raise UserError("config.review.host is empty; give 127.0.0.1, or 0.0.0.0 for the whole network.")
    if not isinstance(review.port, int) or not 0 <= review.port < 65536:
        raise UserError(f"config.review.port is {review.port!r}; give a number from 0 (any free one) to 65535.")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        raise UserError(
            f"Cannot serve at {host}, port {port}: {error.strerror or error}; another review may be running there. "
            "Give another --config.review.port or --config.review.host."
        ) from error
    return listener


def _address(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    if host_names(host) == host_names("localhost") | {host}:
        return f"The review is at http://{shown}:{port}/ ; Ctrl-C closes it, and nothing is lost."
    return (
        f"The review is at http://{socket.gethostname()}:{port}/ for the whole network, WITHOUT encryption: keep to a network "
        "you trust, or serve 127.0.0.1 and let others in through an SSH tunnel. Ctrl-C closes it, and nothing is lost."
    )


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
