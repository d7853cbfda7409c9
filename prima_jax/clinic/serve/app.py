"""The page's addresses. What a page may load is in pages/security.py; what is sent stays in memory (uploads.py)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

import prima_jax
from prima_jax.clinic.serve.desk import Desk
from prima_jax.clinic.serve.door import HOURS
from prima_jax.clinic.serve.faults import SignedOut, tell_faults
from prima_jax.clinic.serve.form import case_of_api, case_of_form, sent_error_rate
from prima_jax.clinic.serve.uploads import LARGEST_BODY, read_passphrase, read_sent
from prima_jax.pages.passphrases import SignInRefused
from prima_jax.pages.security import HEADERS, Guard
from prima_jax.pages.static_files import static_files

__all__ = ["create_app"]

_OFF: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
_POLICY = HEADERS["Content-Security-Policy"].replace("img-src 'self'", "img-src 'self' data: blob:")
"""Pictures of an explanation come with it, those of chosen photographs from the browser itself."""
_PREDICT = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["images"],
                    "properties": {
                        "metadata": {"type": "string", "description": "A JSON object: attribute -> its value."},
                        "images": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "views": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "The kind of each image, where the study has several.",
                        },
                        "error_rate": {"type": "number", "description": "Of the prediction set."},
                    },
                }
            }
        },
    }
}
router = APIRouter()


def create_app(desk: Desk, *, hosts: Iterable[str], port: int) -> ASGIApp:
    """The page of one model, served under the names `hosts`. `port` keeps the cookies of two pages on one machine apart."""
    app = FastAPI(
        title="PRIMA",
        version=prima_jax.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        max_body_size=LARGEST_BODY,
        telemetry=_OFF,
    )
    app.state.desk = desk
    app.state.cookie = f"prima_case_{port}"
    app.include_router(router)
    app.include_router(static_files(Path(__file__).parent / "static"))
    tell_faults(app)
    return Guard(app, hosts, HEADERS | {"Content-Security-Policy": _POLICY})


def _desk(request: Request) -> Desk:
    return request.app.state.desk


def _inside(request: Request) -> Desk:
    """The desk for who is signed in, or for anyone where nobody has to be."""
    desk = _desk(request)
    if desk.door is not None and not desk.door.is_open(request.cookies.get(request.app.state.cookie)):
        raise SignedOut
    return desk


At = Annotated[Desk, Depends(_desk)]
Inside = Annotated[Desk, Depends(_inside)]


@router.get("/", include_in_schema=False)
def page(desk: Inside) -> Response:
    return HTMLResponse(desk.render("page.html", **desk.form()))


@router.get("/docs", include_in_schema=False)
def docs(desk: Inside) -> Response:
    return HTMLResponse(desk.render("docs.html", attributes=desk.form()["questions"]))


@router.post("/predict", include_in_schema=False)
async def predict(request: Request, desk: Inside) -> Response:
    with desk.place():
        sent = await read_sent(request)
        case, rate = case_of_form(desk.model.study, sent), sent_error_rate(sent)
        answers = await run_in_threadpool(desk.answer, case, rate)
    part, one = bool(request.headers.get("hx-request")), answers[0]
    of_each = zip(one.class_names, one.probabilities.tolist(), one.spread.tolist(), strict=True)
    diagnoses = sorted(of_each, key=lambda of_one: -of_one[1])
    template = "_answer.html" if part else "answer.html"
    return HTMLResponse(desk.render(template, found=answers, one=one, diagnoses=diagnoses, part=part))


@router.post("/explain", include_in_schema=False)
async def explain(request: Request, desk: Inside) -> Response:
    with desk.place():
        case = case_of_form(desk.model.study, await read_sent(request))
        found, drawn = await run_in_threadpool(desk.explain, case)
    ranked = sorted(found.contributions, key=lambda one: -abs(one.shapley))
    return HTMLResponse(desk.render("_why.html", found=found, ranked=ranked, drawn=drawn))


@router.post("/api/predict", openapi_extra=_PREDICT, summary="The answer for one case, as prima predict --json gives it")
async def api_predict(request: Request, desk: Inside) -> Response:
    with desk.place():
        sent = await read_sent(request)
        case, rate = case_of_api(desk.model.study, sent), sent_error_rate(sent)
        answers = await run_in_threadpool(desk.answer, case, rate)
    return JSONResponse(answers.as_json())


@router.get("/sign-in", include_in_schema=False)
def sign_in_page(desk: At) -> Response:
    return HTMLResponse(desk.render("sign_in.html", notice=""))


@router.post("/sign-in", include_in_schema=False)
async def sign_in(request: Request, desk: At) -> Response:
    answer = RedirectResponse("/", 303)
    if desk.door is None:
        return answer
    try:
        address = request.client.host if request.client else ""
        token = await run_in_threadpool(desk.door.sign_in, await read_passphrase(request), address)
    except SignInRefused as refusal:
        refused = HTMLResponse(desk.render("sign_in.html", notice=str(refusal)), 429 if refusal.wait else 401)
        if refusal.wait:
            refused.headers["Retry-After"] = str(refusal.wait)
        return refused
    secure = request.url.scheme == "https"
    answer.set_cookie(request.app.state.cookie, token, max_age=HOURS * 3600, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/sign-out", include_in_schema=False)
def sign_out(request: Request, desk: Inside) -> Response:
    if desk.door is not None:
        desk.door.sign_out(request.cookies.get(request.app.state.cookie))
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(request.app.state.cookie)
    return answer
