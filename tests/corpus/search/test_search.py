"""The step search from PubMed, over real HTTP: again, stopped, and with what can be wrong (from a folder: test_search_folder)."""

import time
from datetime import date
from types import SimpleNamespace

import pytest
from Bio import Entrez

from prima_jax.corpus.articles import ArticleStore
from prima_jax.corpus.search import entrez
from prima_jax.errors import UserError
from tests.corpus.search import eutils_server as faults
from tests.corpus.search.eutils_server import EutilsServer, invented, redirect
from tests.corpus.search.searching import rows, run, stored
from tests.studies.pad_ufes_20 import PAD_UFES_20

KEY = "0123456789abcdefsecret"
IDS = [str(n) for n in range(1, 31)]
OLDEST = date.today().year - 5


def some(ids):
    """Each disease finds a stretch of the ids that overlaps with the next one's; nothing is retracted."""

    def hits(term):
        if "retracted publication[pt]" in term:
            return []
        named = term.split('"')[1]
        at = list(PAD_UFES_20.classes.values()).index(named) * len(ids) // 7
        return ids[at : at + len(ids) * 2 // 7] if "systematic" in term else ids[at : at + 3]

    return hits


@pytest.fixture
def server(monkeypatch):
    with EutilsServer([invented(i, year=OLDEST) for i in IDS], some(IDS)) as running:
        monkeypatch.setattr(Entrez, "urlopen", redirect(running.url))
        monkeypatch.setattr(Entrez, "time", SimpleNamespace(time=time.time, sleep=lambda seconds: None))
        monkeypatch.setattr(Entrez._open, "previous", 0)
        monkeypatch.setattr(entrez, "PAGE", 4)
        monkeypatch.setattr(entrez.PubMed.__init__, "__kwdefaults__", {"api_key": "", "timeout": 10.0, "sleep": lambda s: None})
        monkeypatch.setenv("NCBI_API_KEY", f" {KEY}\n")
        yield running


def test_each_article_is_found_fetched_and_stored_once(server, tmp_path):
    said = run(tmp_path)
    found = {i for q in PAD_UFES_20.classes.values() for i in some(IDS)(f'"{q}" systematic')}
    assert set(stored(tmp_path)) == found
    assert server.delivered == dict.fromkeys(found, 1)
    assert f"24 searches of PubMed found {len(found)} articles, {len(found)} of them new." in said
    assert f"articles.sqlite holds {len(found)}, 0 without an abstract and 0 retracted." in said


def test_a_rerun_fetches_what_is_new_alone(server, tmp_path):
    hits = server.hits
    server.hits = lambda term: [i for i in hits(term) if i not in ("3", "9")]
    run(tmp_path)
    server.hits = hits
    server.delivered.clear()
    assert " 2 of them new" in run(tmp_path)
    assert server.delivered == {"3": 1, "9": 1}
    before = rows(tmp_path)
    server.asked.clear()
    assert " 0 of them new" in run(tmp_path)
    assert (server.count("esearch"), server.count()) == (24, 24)  # all is asked again, and nothing fetched
    assert rows(tmp_path) == before


def test_each_search_is_noted_with_what_pubmed_made_of_it(server, tmp_path):
    run(tmp_path)
    with ArticleStore(tmp_path / "articles.sqlite") as store:
        noted = store.searches()
    assert len(noted) == 24
    for query, translation, count, day in noted:
        assert query.startswith(translation.removeprefix("as run: "))
        assert (day, count == 0) == (date.today().isoformat(), "retracted publication[pt]" in query)


def test_what_was_retracted_since_is_fetched_again_once(server, tmp_path):
    run(tmp_path)
    hits = server.hits
    server.hits = lambda term: ["2", "30"] if "retracted publication[pt]" in term else hits(term)
    server.records["2"] = invented(2, types="Retracted Publication", year=OLDEST)
    assert "30" not in stored(tmp_path)
    server.delivered.clear()
    said = run(tmp_path)
    assert "Retracted since they were fetched: 1." in said and "and 1 retracted." in said
    assert stored(tmp_path)["2"].retracted
    assert server.delivered == {"2": 1}  # 30 is not in the store, so it is left alone
    assert "Retracted since" not in run(tmp_path)
    assert server.delivered == {"2": 1}


def test_no_more_are_taken_than_were_asked_for_and_that_is_told(server, tmp_path, capsys):
    run(tmp_path, reviews=2, studies=0, case_reports=0)
    assert set(stored(tmp_path)) == {i for q in PAD_UFES_20.classes.values() for i in some(IDS)(f'"{q}" systematic')[:2]}
    assert "BCC, reviews: 2 of 8 articles, by pub_date." in capsys.readouterr().err


def test_what_pubmed_warns_of_is_told_once(server, tmp_path, capsys):
    unknown = b"<ErrorList><PhraseNotFound>nevuss</PhraseNotFound></ErrorList>"
    server.fail(*[faults.Fault(body=b"<eSearchResult><Count>0</Count><IdList/>" + unknown + b"</eSearchResult>")] * 2)
    run(tmp_path)
    assert capsys.readouterr().err.count("PubMed on BCC, reviews: PhraseNotFound: nevuss") == 1


def test_articles_that_do_not_come_are_told_and_asked_for_again(server, tmp_path):
    missing = server.records.pop("2")
    assert "asked for again by the next run: 3." in run(tmp_path)  # three searches found it
    server.records["2"] = missing
    assert " 1 of them new." in run(tmp_path)


def test_a_run_that_failed_keeps_what_it_has_and_goes_on(server, tmp_path):
    server.on_request = lambda number: server.fail(*[faults.BROKEN] * 5) if number == 10 else None
    with pytest.raises(UserError, match="what was fetched is kept"):
        run(tmp_path)
    kept = set(stored(tmp_path))
    assert len(kept) > 8
    run(tmp_path)
    assert kept < set(stored(tmp_path))
    assert server.delivered == dict.fromkeys(stored(tmp_path), 1)


@pytest.mark.parametrize("email", ["", "somebody", "a b@example.org"])
def test_an_address_is_needed_and_told_before_anything_is_asked(server, tmp_path, email):
    with pytest.raises(UserError, match=r"config\.search\.email.*--config\.search\.email=.*--config\.search\.source="):
        run(tmp_path, email=email)
    assert server.asked == []


def test_the_key_is_sent_and_is_nowhere_on_disk_or_in_what_is_said(server, tmp_path, capsys):
    server.fail(faults.busy("12"))
    said = run(tmp_path)
    server.fail(*[faults.BROKEN] * 5)
    with pytest.raises(UserError) as told:
        run(tmp_path)
    assert {asked.parameters["api_key"] for asked in server.asked} == {KEY}
    streams = capsys.readouterr()
    assert KEY not in said + str(told.value) + streams.out + streams.err
    for path in tmp_path.rglob("*"):
        assert KEY.encode() not in path.read_bytes(), path
