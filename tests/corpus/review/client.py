"""A reviewer's browser in the tests over HTTP: reads the forms of a page, and sends them."""

import html
import re

from fastapi.testclient import TestClient

from prima_jax.corpus.review.store import ReviewStore
from scripts.review.example import ADA, PASSPHRASE

FLAGGED_EDIT = "The checks flag your words"
EVIL = "<script>window.hit = 1; alert(1)</script><img src=x onerror=alert(2)>"


def client(app):
    return TestClient(app, follow_redirects=False, raise_server_exceptions=False)


def fields(page, action):
    """The hidden fields of the form that does `action`."""
    return _hidden(_form(page, action))


def filled(page, action):
    """What a reviewer finds written and chosen in the form that does `action`; None where nothing is chosen."""
    form = _form(page, action)
    written = re.findall(r'<textarea name="(\w+)"[^>]*>(.*?)</textarea>', form, re.DOTALL)
    found = {name: html.unescape(value) for name, value in written}
    for name, options in re.findall(r'<select name="(\w+)">(.*?)</select>', form, re.DOTALL):
        (found[name],) = re.findall(r'value="(\w+)" selected', options) or [None]
    return found


def _form(page, action):
    for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
        if _hidden(form).get("action") == action or f'action="{action}"' in form:
            return form
    raise AssertionError(f"no form does {action}")


def _hidden(form):
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))


def sign_in(browser, name=ADA, passphrase=PASSPHRASE):
    form = fields(browser.get("/sign-in").text, "/sign-in")
    return browser.post("/sign-in", data={"name": name, "passphrase": passphrase, **form})


def signed_in(app, name=ADA):
    browser = client(app)
    answer = sign_in(browser, name)
    assert (answer.status_code, answer.headers["location"]) == (303, "/claims")
    return browser


def decide(browser, identifier, action, **more):
    """Sends a decision; an edit once more where the checks flag its words."""
    form = fields(browser.get(f"/claims/{identifier}").text, action)
    answer = browser.post(f"/claims/{identifier}", data=form | more)
    if FLAGGED_EDIT in answer.text:
        answer = browser.post(f"/claims/{identifier}", data=fields(answer.text, action) | more)
    return answer


def text(answer):
    """What a reader sees of a page, roughly."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def rows(folder):
    with ReviewStore(folder.review) as store:
        return [(d.who, d.action) for d in store.decisions()]
