"""The page's addresses. Every form works without JavaScript; what a page may load, and from where, is in pages/security.py."""

import secrets
import time
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
from prima_jax.corpus.review.paragraphs import as_claim
from prima_jax.corpus.review.store import Refused, Replayed, Stale, edited
from prima_jax.pages.passphrases import SignInRefused
from prima_jax.pages.security import Guard
from prima_jax.pages.static_files import static_files
from prima_jax.studies.study import Study

__all__ = ["create_app"]

REASONS = (
    "It is no claim: a heading, a method, advice or a fragment.",
    "It is on another disease or body site.",
    "It is on another factor.",
    "The source does not say this.",
    "The direction is wrong.",
    "It does not hold for these patients: another population.",
    "Another claim says the same.",
    "It is not right in medicine.",
)
"""Of rejection, each under its number's key."""
LARGEST_BODY = 64 * 1024
LONGEST_FILTER = 200
"""Characters: each filter stands in every link of the list."""
_OFF: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
router = APIRouter()


def create_app(folder: CorpusFolder, study: Study, *, needed: int, hours: float, hosts: Iterable[str], port: int) -> ASGIApp:
    """The review of one folder, served under the names `hosts`. `port` keeps the cookies of two reviews on one machine apart."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, max_body_size=LARGEST_BODY, telemetry=_OFF)
    app.state.desk = Desk(folder, study, needed, hours)
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
    stock: Field = "",
    reason: Field = "",
    also: Annotated[tuple[str, ...], Form()] = (),
    flagged: Field = "",
    basis: Field = "",
    shown: Field = "",
    form: Field = "",
) -> Response:
    found = _claim(desk, claim_id)
    typed: dict[str, Any] = {"action": action, "text": text, "direction": direction, "strength": strength, "reason": reason}
    once = desk.forms.check(form, me.session, "decide", claim_id, basis, shown)
    if once is None:
        return _again(desk, me, found, filters, "This form is not valid; nothing was changed. Send the one below.", typed, 403)
    try:
        after = _chosen(desk, found, version) if action == "approve" else None
        if action == "edit":
            after = edited(found, Version(text, direction, strength))
            typed["flags"] = desk.new_flags(found, after)
            if {flag["code"] for flag in typed["flags"]} - set(flagged.split()):
                raise Refused("The checks flag your words: change them, or say why they are right, and send them again.")
        kept = desk.store.decide(
            found, me.name, action, needed=desk.needed, after=after, reason=" ".join(filter(None, (stock, reason))),  # type: ignore[arg-type]
            seen=basis, form=once, also=_also(desk, me, found, also), flagged=[f["code"] for f in typed.get("flags", ())],
            seconds=max(0, int(time.time()) - int(shown)),
        )  # fmt: skip
    except Refused as refusal:
        status = 409 if isinstance(refusal, Replayed | Stale) else 422
        return _again(desk, me, found, filters, str(refusal), typed, status)
    following = desk.next_claim(me, claim_id, filters)
    path = f"/claims/{following}" if following else "/claims"
    return RedirectResponse(path + filters.query(done=kept.number), 303)


@router.get("/claims/{claim_id}/history")
def history(desk: At, me: Me, filters: Shown, claim_id: str) -> Response:
    return _page(desk, me, "history.html", filters=filters, **desk.history(me, _claim(desk, claim_id)))


@router.get("/paragraphs")
def paragraphs(desk: At, me: Me) -> Response:
    return _paragraphs(desk, me, "", 200)


@router.post("/paragraphs/{name}")
def read_paragraph(desk: At, me: Me, name: str, action: Field = "", reason: Field = "", form: Field = "") -> Response:
    found = next((one for one in (as_claim(p) for p, _, _ in desk.paragraphs(me)) if one["id"] == name), None)
    once = desk.forms.check(form, me.session, "paragraph", name)
    if found is None or once is None:
        return _paragraphs(desk, me, "This text has changed since you opened the page; nothing was kept. Read it again.", 409)
    try:
        if action not in ("approve", "reject"):
            raise Refused("A text can be approved or rejected; to change it, change its claims.")
        desk.store.decide(found, me.name, action, needed=1, reason=reason, form=once)  # type: ignore[arg-type]
    except Refused as refusal:
        return _paragraphs(desk, me, str(refusal), 409 if isinstance(refusal, Replayed) else 422)
    return RedirectResponse("/paragraphs", 303)


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
    return HTMLResponse(desk.render(template, me=me, leave=leave, reasons=REASONS, **values), code)


def _again(
    desk: Desk, me: Reviewer, found: dict[str, Any], filters: Filters, notice: str, typed: dict[str, Any], code: int
) -> HTMLResponse:
    """The claim as it stands now, why nothing was changed, and what had been typed."""
    return _page(desk, me, "claim.html", code, kept=None, notice=notice, typed=typed, **desk.claim_page(me, found, filters))


def _paragraphs(desk: Desk, me: Reviewer, notice: str, code: int) -> HTMLResponse:
    rows = [(text, as_claim(text)["id"], reading, turn) for text, reading, turn in desk.paragraphs(me)]
    forms = {name: desk.forms.sign(me.session, "paragraph", name) for _, name, _, _ in rows}
    return _page(desk, me, "paragraphs.html", code, rows=rows, forms=forms, notice=notice)


def _also(desk: Desk, me: Reviewer, found: dict[str, Any], chosen: Iterable[str]) -> list[dict[str, Any]]:
    """The claims of these names, as far as they are the same one on other topics. Raises Stale where one is not (any more)."""
    same = {one["id"]: one for one in desk.elsewhere(me, found)} if chosen else {}
    if set(chosen) - set(same):
        raise Stale(
            "The same claim on another topic was changed or decided meanwhile. Nothing was changed; this is how it stands."
        )
    return [same[name] for name in chosen]


def _claim(desk: Desk, claim_id: str) -> dict[str, Any]:
    found = desk.catalogue.shown().get(claim_id)
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
