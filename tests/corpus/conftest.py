"""What tests of several steps need: a server that plays a language model, and a folder under review."""

import shutil

import pytest

from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.write import retries
from scripts.review.example import PEOPLE, add_people, make_folder
from tests.corpus.write.llm_server import LLMServer


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
