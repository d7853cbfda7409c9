"""The step search from PubMed, over real HTTP: again, stopped, and with what can be wrong (from a folder: test_search_folder)."""

import shutil
import time
from datetime import date
from types import SimpleNamespace

import pytest
from Bio import Entrez

from prima_jax.corpus.articles import ArticleStore
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.search import entrez, search
from prima_jax.errors import UserError
from tests.corpus.search import eutils_server as faults
from tests.corpus.search.eutils_server import EutilsServer, invented, recorded, redirect
from tests.corpus.search.searching import config, rows, run, stored
from tests.corpus.shared import SHARED
from tests.studies.pad_ufes_20 import PAD_UFES_20

KEY = "0123456789abcdefsecret"
IDS = [str(n) for n in range(1, 31)]
OLDEST = date.today().year - 5
shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the records in {SHARED}")


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
    assert f"18 searches of PubMed found {len(found)} articles, {len(found)} of them new." in said
    assert f"articles.sqlite holds {len(found)}, 0 without an abstract and 0 retracted." in said


def test_records_are_kept_as_they_were_sent(server, tmp_path):
    run(tmp_path)
    with ArticleStore(tmp_path / "articles.sqlite") as store:
        assert {i: store.raw(i) for i in store.ids()} == {i: server.records[i] for i in store.ids()}


def test_a_rerun_asks_again_and_fetches_nothing(server, tmp_path):
    run(tmp_path)
    before = rows(tmp_path)
    server.asked.clear()
    assert " 0 of them new" in run(tmp_path)
    assert (server.count("esearch"), server.count()) == (18, 18)
    assert rows(tmp_path) == before


def test_a_rerun_fetches_what_is_new_alone(server, tmp_path):
    hits = server.hits
    server.hits = lambda term: [i for i in hits(term) if i not in ("3", "9")]
    run(tmp_path)
    server.hits = hits
    server.delivered.clear()
    assert " 2 of them new" in run(tmp_path)
    assert server.delivered == {"3": 1, "9": 1}


def test_each_search_is_noted_with_what_pubmed_made_of_it(server, tmp_path):
    run(tmp_path)
    with ArticleStore(tmp_path / "articles.sqlite") as store:
        noted = store.searches()
    assert len(noted) == 18
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
    run(tmp_path, reviews=2, case_reports=0)
    assert set(stored(tmp_path)) == {i for q in PAD_UFES_20.classes.values() for i in some(IDS)(f'"{q}" systematic')[:2]}
    assert "BCC, reviews: 2 of 8 articles, by pub_date." in capsys.readouterr().err


def test_older_articles_are_not_asked_for(server, tmp_path):
    server.years["2"] = date.today().year - 16
    run(tmp_path)
    assert "2" not in stored(tmp_path) and "1" in stored(tmp_path)


def test_what_pubmed_warns_of_is_told_once(server, tmp_path, capsys):
    unknown = b"<ErrorList><PhraseNotFound>nevuss</PhraseNotFound></ErrorList>"
    server.fail(*[faults.Fault(body=b"<eSearchResult><Count>0</Count><IdList/>" + unknown + b"</eSearchResult>")] * 2)
    run(tmp_path)
    assert capsys.readouterr().err.count("PubMed on BCC, reviews: PhraseNotFound: nevuss") == 1


def test_articles_that_do_not_come_are_told_and_asked_for_again(server, tmp_path):
    missing = server.records.pop("2")
    assert "asked for again by the next run: 2." in run(tmp_path)  # two searches found it
    server.records["2"] = missing
    assert " 1 of them new." in run(tmp_path)


def test_all_faults_in_a_row_change_nothing(server, tmp_path):
    smooth, rough = tmp_path / "smooth", tmp_path / "rough"
    smooth.mkdir()
    rough.mkdir()
    run(smooth)
    every = [faults.busy("1"), faults.BROKEN, faults.CUT, faults.TRUNCATED, faults.WEB_PAGE, faults.PLAIN, faults.ERROR]
    pending = [*every, faults.FORGET, faults.SHORT] * 2
    server.on_request = lambda number: server.fail(pending.pop()) if number % 2 and pending else None  # every other request
    run(rough)
    assert not pending
    assert rows(rough) == rows(smooth)


def test_a_run_that_failed_keeps_what_it_has_and_goes_on(server, tmp_path):
    run_until = iter([None] * 4 + [faults.BROKEN] * 1000)
    make = server._efetch

    def failing(sent, fault):
        spoiled = next(run_until)
        return (500, b"") if spoiled else make(sent, fault)

    server._efetch = failing
    server.answer = _with_status(server)
    with pytest.raises(UserError, match="what was fetched is kept"):
        run(tmp_path)
    kept = set(stored(tmp_path))
    assert len(kept) > 8
    server._efetch = make
    run(tmp_path)
    assert kept < set(stored(tmp_path))
    assert server.delivered == dict.fromkeys(stored(tmp_path), 1)


def _with_status(server):
    answer = server.answer

    def with_status(asked):
        fault, body = answer(asked)
        return (faults.Fault(500) if not body else fault), body

    return with_status


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


def test_a_store_that_is_none_is_told(server, tmp_path):
    (tmp_path / "articles.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(UserError, match=r"articles\.sqlite"):
        run(tmp_path)


@shared
def test_recorded_replies_and_pubmed_itself_give_the_same_article(tmp_path, server):
    records = recorded()
    (tmp_path / "source").mkdir()
    for path in faults.FIXTURES.glob("pubmed*.xml"):
        shutil.copy(path, tmp_path / "source")
    study = SimpleNamespace(classes={"A": "asthma", "B": "oxygen"}, terms={}, shown=lambda: (), name="other")
    search.run(config(tmp_path / "source"), study, CorpusFolder(tmp_path))
    offline = stored(tmp_path)
    (tmp_path / "online").mkdir()
    with EutilsServer(records, lambda term: list(offline)) as replay:
        Entrez.urlopen = redirect(replay.url)
        search.run(config(years=100), study, CorpusFolder(tmp_path / "online"))
    assert offline and stored(tmp_path / "online") == offline
