"""What a browser is told where something does not go: one sentence, nothing of the inside, and what had been typed."""

import logging
import sqlite3
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException as HTTPError

from prima_jax.corpus.review.database import Unusable
from prima_jax.errors import UserError

__all__ = ["SignedOut", "tell_faults"]

_PLAIN = {
    400: "The request could not be read.",
    404: "There is no such page, or the claim is no longer under review: it may have been changed since.",
    405: "This address takes no such request.",
    413: "That is too long; nothing was changed.",
}
_UNUSABLE = (
    "The review's database cannot be used just now: another program holds it, or the disk is full or may not be written; "
    "nothing was changed. Try again, or tell who runs this page."
)


class SignedOut(Exception):
    """Nobody is signed in, or the session is over."""


def tell_faults(app: FastAPI) -> None:
    """From now on every fault of `app` is told in a sentence."""
    app.add_exception_handler(SignedOut, _signed_out)
    app.add_exception_handler(HTTPError, _http_error)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(Unusable, _unusable)
    app.add_exception_handler(sqlite3.Error, _unusable)
    app.add_exception_handler(Exception, _fault)


async def _signed_out(request: Request, _: Exception) -> Response:
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": "/sign-in"})
    if request.method == "GET":
        return RedirectResponse("/sign-in", 303)
    sentence = "You are signed out, or your session is over; nothing was changed. Sign in and send it again."
    return _message(request, sentence, 401, await _typed(request))


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPError) else 500
    return _message(request, _PLAIN.get(status, "This was refused; nothing was changed."), status)


async def _unreadable(request: Request, _: Exception) -> Response:
    return _message(request, _PLAIN[400], 400)


async def _user_error(request: Request, error: Exception) -> Response:
    return _message(request, str(error), 503)


async def _unusable(request: Request, error: Exception) -> Response:
    logging.getLogger(__name__).error("%s", error)
    return _message(request, _UNUSABLE, 503, await _typed(request))


async def _fault(request: Request, _: Exception) -> Response:
    return _message(request, "Something went wrong here; nothing was changed. Tell who runs this page.", 500)


async def _typed(request: Request) -> dict[str, str]:
    """The words that a reviewer wrote; never a passphrase."""
    if request.method == "GET":
        return {}
    return {k: v for k, v in (await request.form()).items() if k in ("text", "reason") and isinstance(v, str) and v}


def _message(request: Request, sentence: str, status: int, typed: dict[str, str] | None = None) -> HTMLResponse:
    desk: Any = request.app.state.desk
    return HTMLResponse(desk.render("message.html", me=None, sentence=sentence, typed=typed or {}), status)
