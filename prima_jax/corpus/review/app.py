"""The page's addresses. Every form works without JavaScript; what a page may load, and from where, is in pages/security.py."""

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.review import export
from prima_jax.corpus.review.accounts import Reviewer
from prima_jax.corpus.review.claims import Filters
from prima_jax.corpus.review.decisions import Decision, Version
from prima_jax.corpus.review.desk import Desk
from prima_jax.corpus.review.faults import SignedOut, tell_faults
from prima_jax.corpus.review.store import Refused, Replayed, Stale
from prima_jax.pages.passphrases import SignInRefused
from prima_jax.pages.security import Guard
from prima_jax.pages.static_files import static_files

__all__ = ["create_app"]

LARGEST_BODY = 64 * 1024
LONGEST_FILTER = 200
"""Characters: each filter stands in every link of the list."""
_OFF: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
router = APIRouter()


def create_app(folder: CorpusFolder, *, needed: int, hours: float, hosts: Iterable[str], port: int) -> ASGIApp:
    """The review of one folder, served under the names `hosts`. `port` keeps the cookies of two reviews on one machine apart."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, max_body_size=LARGEST_BODY, telemetry=_OFF)
    app.state.desk = Desk(folder, needed, hours)
    app.state.cookie = f"prima_review_{port}"
    app.include_router(router)
    app.include_router(static_files(Path(__file__).parent / "static"))
    tell_faults(app)
    return Guard(app, hosts)


def _desk(request: Request) -> Desk:
    return request.app.state.desk


def _me(request: Request) -> Reviewer:
    found = _desk(request).accounts.signed_in(request.cookies.get(request.app.state.cookie))
    if found is None:
        raise SignedOut
    return found


def _filters(
    disease: str = "", attribute: str = "", flag: str = "", agreement: str = "", show: str = "todo", words: str = ""
) -> Filters:
    return Filters(*(value[:LONGEST_FILTER] for value in (disease, attribute, flag, agreement, show or "todo", words)))


At = Annotated[Desk, Depends(_desk)]
Me = Annotated[Reviewer, Depends(_me)]
Shown = Annotated[Filters, Depends(_filters)]
Field = Annotated[str, Form()]


@router.get("/")
def home() -> Response:
    return RedirectResponse("/claims", 303)


@router.get("/sign-in")
def sign_in_page(request: Request, desk: At) -> Response:
    return _sign_in(request, desk, "", 200)


@router.post("/sign-in")
def sign_in(request: Request, desk: At, name: Field = "", passphrase: Field = "", form: Field = "") -> Response:
    visitor = request.cookies.get(request.app.state.cookie + "_visitor", "")
    if not visitor or not desk.forms.check(form, visitor, "sign-in"):
        return _sign_in(request, desk, "The page had been open for too long, or cookies are off; try again.", 403, name)
    try:
        token = desk.accounts.sign_in(name, passphrase, desk.hours, request.client.host if request.client else "")
    except SignInRefused as refusal:
        again = _sign_in(request, desk, str(refusal), 429 if refusal.wait else 401, name)
        if refusal.wait:
            again.headers["Retry-After"] = str(refusal.wait)
        return again
    before = desk.accounts.signed_in(request.cookies.get(request.app.state.cookie))
    if before is not None:  # nobody would end it any more
        desk.accounts.sign_out(before)
    answer = RedirectResponse("/claims", 303)
    _set_cookie(request, answer, "", token, int(desk.hours * 3600))
    return answer


@router.post("/sign-out")
def sign_out(request: Request, desk: At, me: Me, form: Field = "") -> Response:
    if not desk.forms.check(form, me.session, "sign-out"):
        raise HTTPException(403)
    desk.accounts.sign_out(me)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(request.app.state.cookie)
    return answer


@router.get("/claims")
def claims(request: Request, desk: At, me: Me, filters: Shown, page: str = "1", done: str = "") -> Response:
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    return _page(desk, me, "claims.html", kept=_kept(desk, me, done), **desk.list_page(me, filters, number))


@router.get("/claims/{claim_id}")
def claim(desk: At, me: Me, filters: Shown, claim_id: str, done: str = "") -> Response:
    found = desk.claim_page(me, _claim(desk, claim_id), filters)
    return _page(desk, me, "claim.html", kept=_kept(desk, me, done), notice="", typed={}, **found)


@router.post("/claims/{claim_id}")
def decide(
    desk: At,
    me: Me,
    filters: Shown,
    claim_id: str,
    action: Field = "",
    version: Field = "",
    text: Field = "",
    direction: Field = "",
    strength: Field = "",
    reason: Field = "",
    basis: Field = "",
    form: Field = "",
) -> Response:
    found = _claim(desk, claim_id)
    typed = {"action": action, "text": text, "direction": direction, "strength": strength, "reason": reason}
    once = desk.forms.check(form, me.session, "decide", claim_id, basis)
    if once is None:
        return _again(desk, me, found, filters, "This form is not valid; nothing was changed. Send the one below.", typed, 403)
    try:
        after = Version(text, direction, strength) if action == "edit" else None
        after = _chosen(desk, found, version) if action == "approve" else after
        kept = desk.store.decide(found, me.name, action, needed=desk.needed, after=after, reason=reason, seen=basis, form=once)  # type: ignore[arg-type]
    except Refused as refusal:
        status = 409 if isinstance(refusal, Replayed | Stale) else 422
        return _again(desk, me, found, filters, str(refusal), typed, status)
    following = desk.next_claim(me, claim_id, filters)
    path = f"/claims/{following}" if following else "/claims"
    return RedirectResponse(path + filters.query(done=kept.number), 303)


@router.get("/claims/{claim_id}/history")
def history(desk: At, me: Me, filters: Shown, claim_id: str) -> Response:
    return _page(desk, me, "history.html", filters=filters, **desk.history(me, _claim(desk, claim_id)))


@router.get("/progress")
def progress(desk: At, me: Me) -> Response:
    return _page(desk, me, "progress.html", **desk.progress(me))


@router.get("/help")
def help_page(desk: At, me: Me) -> Response:
    return _page(desk, me, "help.html")


@router.get("/export.csv")
def export_csv(desk: At, me: Me) -> Response:
    return _download(export.as_csv(_rows(desk, me)), "text/csv; charset=utf-8", "claims.csv")


@router.get("/export.jsonl")
def export_jsonl(desk: At, me: Me) -> Response:
    return _download(export.as_jsonl(_rows(desk, me)), "application/x-ndjson", "claims.jsonl")


def _page(desk: Desk, me: Reviewer, template: str, code: int = 200, **values: Any) -> HTMLResponse:
    leave = desk.forms.sign(me.session, "sign-out")
    return HTMLResponse(desk.render(template, me=me, leave=leave, **values), code)


def _again(
    desk: Desk, me: Reviewer, found: dict[str, Any], filters: Filters, notice: str, typed: dict[str, str], code: int
) -> HTMLResponse:
    """The claim as it stands now, why nothing was changed, and what had been typed."""
    return _page(desk, me, "claim.html", code, kept=None, notice=notice, typed=typed, **desk.claim_page(me, found, filters))


def _claim(desk: Desk, claim_id: str) -> dict[str, Any]:
    found = desk.catalogue.claims().get(claim_id)
    if found is None:
        raise HTTPException(404)
    return found


def _chosen(desk: Desk, found: dict[str, Any], version: str) -> Version:
    """The version of that name, as an approval has to say which it means. Raises Stale for one that nobody stands for."""
    known = {v.id: v for d in desk.store.decisions(found["id"]) if (v := d.after)} | {Version.of(found).id: Version.of(found)}
    if version not in known:
        raise Stale("This wording is not there (any more). Nothing was changed; this is how the claim stands now.")
    return known[version]


def _kept(desk: Desk, me: Reviewer, number: str) -> Decision | None:
    """The decision that was just made, to be told on the next page; nobody else's."""
    if not (number.isascii() and number.isdigit() and len(number) < 12):
        return None
    return next((d for d in desk.store.decisions() if d.number == int(number) and d.who == me.name), None)


def _rows(desk: Desk, me: Reviewer) -> list[dict[str, Any]]:
    return export.rows(desk.catalogue.claims().values(), desk.store.decisions(), desk.needed, me.name)


def _download(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _sign_in(request: Request, desk: Desk, notice: str, status: int, name: str = "") -> HTMLResponse:
    visitor = request.cookies.get(request.app.state.cookie + "_visitor") or secrets.token_urlsafe(32)
    form = desk.forms.sign(visitor, "sign-in")
    answer = HTMLResponse(desk.render("sign_in.html", me=None, notice=notice, form=form, name=name[:100]), status)
    _set_cookie(request, answer, "_visitor", visitor, 24 * 3600)
    return answer


def _set_cookie(request: Request, answer: Response, kind: str, value: str, seconds: int) -> None:
    secure = request.url.scheme == "https"
    name = request.app.state.cookie + kind
    answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite="strict", secure=secure)
