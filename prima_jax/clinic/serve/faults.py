"""What a browser is told where something does not go: one sentence, nothing of the inside."""

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException as HTTPError

from prima_jax.clinic.serve.desk import Busy
from prima_jax.clinic.serve.uploads import LARGEST_PHOTOGRAPH, MOST_PHOTOGRAPHS
from prima_jax.errors import UserError

__all__ = ["SignedOut", "tell_faults"]

_PLAIN = {
    404: "There is no such page.",
    405: "This address takes no such request.",
    413: f"That is too much: send up to {MOST_PHOTOGRAPHS} photographs of {LARGEST_PHOTOGRAPH // 10**6} MB each.",
}
_BUSY = "The model is answering others just now: try again in a few seconds."


class SignedOut(Exception):
    """Nobody is signed in, or the session is over."""


def tell_faults(app: FastAPI) -> None:
    """From now on every fault of `app` is told in a sentence."""
    app.add_exception_handler(SignedOut, _signed_out)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(HTTPError, _http_error)
    app.add_exception_handler(Exception, _fault)


async def _signed_out(request: Request, _: Exception) -> Response:
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": "/sign-in"})
    if request.method == "GET":
        return RedirectResponse("/sign-in", 303)
    return _told(request, "You are signed out, or your session is over: sign in and send it again.", 401)


async def _busy(request: Request, _: Exception) -> Response:
    answer = _told(request, _BUSY, 503)
    answer.headers["Retry-After"] = "5"
    return answer


async def _user_error(request: Request, error: Exception) -> Response:
    return _told(request, str(error), 422)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPError) else 500
    return _told(request, _PLAIN.get(status, "The request could not be read."), status)


async def _fault(request: Request, _: Exception) -> Response:
    request.app.state.desk.counts["faults"] += 1
    return _told(request, "Something went wrong here; there is no answer. Tell who runs this page.", 500)


def _told(request: Request, sentence: str, status: int) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": sentence}, status)
    part = "_message.html" if request.headers.get("hx-request") else "message.html"
    return HTMLResponse(request.app.state.desk.render(part, sentence=sentence), status)
