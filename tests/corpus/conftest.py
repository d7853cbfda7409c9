"""What several tests of the corpus need: a server that plays a language model, a folder under review, a browser."""

import shutil

import pytest

from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.review.app import create_app
from prima_jax.corpus.writers import retries
from tests.corpus.llm_server import LLMServer
from tests.corpus.review_browser import CHROMIUM, FLAGS, sign_in
from tests.corpus.review_example import PEOPLE, add_people, make_folder


@pytest.fixture
def llm_server(monkeypatch):
    """The addresses and keys of both families lead to it."""
    server = LLMServer()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.001)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _review_made_once(tmp_path_factory):
    made = make_folder(tmp_path_factory.mktemp("made"))
    add_people(made, *PEOPLE)  # argon2 takes its time
    return made


@pytest.fixture
def review_folder(_review_made_once, tmp_path):
    """A copy of its own, with the people who review."""
    return CorpusFolder(shutil.copytree(_review_made_once.path, tmp_path, dirs_exist_ok=True))


@pytest.fixture
def folder(review_folder):
    return review_folder


@pytest.fixture
def app(folder):
    return create_app(folder, needed=2, hours=8, hosts={"testserver", "localhost"}, port=1)


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
        page.on("request", lambda request: None if request.url.startswith(address) else wrong.append(request.url))
        if name:
            sign_in(page, address, name)
        return page

    yield open_for
    for context in opened:
        context.close()
    assert wrong == []
