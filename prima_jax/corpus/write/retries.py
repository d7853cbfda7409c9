"""When a server is asked again: the same rules for all families, since the SDKs' own differ and end where a stream begins."""

from collections.abc import Callable
from typing import TypeVar

import tenacity

from prima_jax.corpus.write.writers import Unanswered, Unavailable, WriterError

__all__ = ["Transient", "hide", "refusal", "tidy", "too_long", "with_retries"]

T = TypeVar("T")
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds: waits double from the first to the longest, with up to as much again by chance."""
LONGEST_ASKED = 300.0
"""Seconds that a server may ask us to wait; beyond, the step ends and is to be run later."""


class Transient(Exception):
    """May be over soon. `wait`: the seconds that the server asked for; `lasting`: if it is not over, all topics fail alike."""

    def __init__(self, reason: str, *, wait: float | None = None, lasting: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.lasting = lasting or (wait or 0.0) > LONGEST_ASKED


def with_retries(ask: Callable[[], T], attempts: int) -> T:
    """What `ask` returns, after at most so many attempts. Raises Unanswered, or Unavailable, after the last."""
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(attempts), retry=tenacity.retry_if_exception(_is_worth_it), wait=_wait, reraise=True
    )
    try:
        return retrying(ask)
    except Transient as error:
        if (error.wait or 0.0) > LONGEST_ASKED:
            raise Unavailable(f"{error}, and asks to come back in {error.wait:.0f} seconds") from error
        kind = Unavailable if error.lasting else Unanswered
        raise kind(f"{error}, {attempts} time{'s' if attempts > 1 else ''} in a row") from error


def refusal(code: int, said: str, *, model: str, wait: float | None) -> Exception:
    """Returns the error that an HTTP status means with every family; `said`: the server's words, tidied."""
    if code == 404:
        return Unavailable(f"the server knows no model {model}, or the address is wrong (HTTP 404: {said})")
    if code == 413:
        return too_long(said)
    if code == 429:
        return Transient("too many requests (HTTP 429)", wait=wait, lasting=True)
    if code == 408 or code >= 500:
        return Transient(f"the server failed (HTTP {code})", wait=wait)
    return WriterError(f"the server refused the request (HTTP {code}: {said})")


def too_long(said: str) -> WriterError:
    return WriterError(f"the passages are too long for the model; lower config.retrieve.passages ({said})")


def hide(text: str, key: str) -> str:
    """The text without our key, should a server have repeated it."""
    return text.replace(key, "***") if key else text


def tidy(message: object, key: str) -> str:
    """What a server says, as part of one line, and never with our key in it."""
    line = " ".join("".join(c if c.isprintable() else " " for c in hide(str(message), key)).split())
    return line if len(line) <= 200 else line[:200] + " ..."


def _is_worth_it(error: BaseException) -> bool:
    return isinstance(error, Transient) and (error.wait or 0.0) <= LONGEST_ASKED


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Transient) and error.wait:
        return error.wait
    return tenacity.wait_exponential_jitter(initial=FIRST_WAIT, max=LONGEST_WAIT, jitter=FIRST_WAIT)(state)
