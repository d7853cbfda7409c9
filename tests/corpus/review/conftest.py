"""The review page for the tests: its app, a browser, and reviewers in it."""

from pathlib import Path

import pytest

from prima_jax.corpus.review.app import create_app
from prima_jax.corpus.review.store import ReviewStore
from scripts.review.browser import CHROMIUM, FLAGS, serve, sign_in
from scripts.review.example import STUDY

in_a_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"NO BROWSER: {CHROMIUM} is missing; apt-get install chromium"),
]


@pytest.fixture
def folder(review_folder):
    return review_folder


@pytest.fixture
def store(folder):
    with ReviewStore(folder.review) as opened:
        yield opened


@pytest.fixture
def app(folder):
    return create_app(folder, STUDY, needed=2, hours=8, hosts={"testserver", "localhost"}, port=1)


@pytest.fixture
def address(folder):
    with serve(folder.path) as (found, _):
        yield found


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def person(chromium):
    """Opens a page for a reviewer, in a context of their own; fails if a script of others ran, or the page asked elsewhere."""
    opened, wrong = [], []

    def open_for(name, address, **options):
        context = chromium.new_context(**options)
        context.set_default_timeout(120_000)  # a busy machine is no fault of the page
        page = context.new_page()
        opened.append(context)
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" and "the server responded" not in m.text else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith((address, f"blob:{address}")) else wrong.append(r.url))
        if name:
            sign_in(page, address, name)
        return page

    yield open_for
    for context in opened:
        context.close()
    assert wrong == []
