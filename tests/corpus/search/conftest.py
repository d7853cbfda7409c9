"""PubMed for the tests: a server on loopback, its client, and the pauses that the client would have made."""

import time
from types import SimpleNamespace

import pytest
from Bio import Entrez

from prima_jax.corpus.search import entrez
from prima_jax.corpus.search.entrez import PubMed
from tests.corpus.search.eutils_server import EutilsServer, invented, redirect
from tests.corpus.search.searching import EMAIL, IDS, KEY


@pytest.fixture
def server(monkeypatch):
    with EutilsServer([invented(i, year=2010 + int(i)) for i in IDS]) as running:
        monkeypatch.setattr(Entrez, "urlopen", redirect(running.url))
        monkeypatch.setattr(entrez, "PAGE", 3)
        monkeypatch.setattr(Entrez, "time", SimpleNamespace(time=time.time, sleep=lambda seconds: None))
        monkeypatch.setattr(Entrez._open, "previous", 0)
        yield running


@pytest.fixture
def waits():
    return []


@pytest.fixture
def pubmed(server, waits):
    return PubMed(EMAIL, api_key=KEY, timeout=10, sleep=waits.append)
