"""The client of E-utilities, over real HTTP: what is sent, and what comes."""

import re
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from Bio import Entrez

from prima_jax.corpus.search import entrez
from prima_jax.corpus.search.entrez import PubMed
from tests.corpus.search import eutils_server as faults
from tests.corpus.search.eutils_server import FIXTURES
from tests.corpus.search.searching import EMAIL, IDS, KEY, fetched, search

shared = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"needs the recorded replies in {FIXTURES}")


def test_each_request_says_who_asks(server, pubmed):
    found = search(pubmed)
    fetched(pubmed, found.ids)
    assert {asked.utility for asked in server.asked} == {"esearch", "epost", "efetch"}
    for asked in server.asked:
        sent = asked.parameters
        assert (sent["tool"], sent["email"], sent["api_key"], sent["db"]) == ("prima-jax", EMAIL, KEY, "pubmed")


def test_without_a_key_none_is_sent(server):
    search(PubMed(EMAIL))
    assert "api_key" not in server.asked[0].parameters


def test_a_search_sends_dates_order_and_number(server, pubmed):
    search(pubmed, most=5, sort="relevance")
    sent = server.asked[0].parameters
    assert (sent["term"], sent["retmax"], sent["sort"], sent["usehistory"]) == ("skin", "5", "relevance", "y")
    assert (sent["datetype"], sent["mindate"], sent["maxdate"]) == ("pdat", "2011/01/01", "2026/12/31")


def test_a_search_gives_the_most_asked_for_and_counts_all(server, pubmed):
    found = search(pubmed, most=5)
    assert (found.ids, found.count, found.translation) == (tuple(IDS[:5]), 7, "as run: skin")


def test_what_was_found_is_fetched_in_pages_from_the_history(server, pubmed):
    found = search(pubmed)
    pages = [[article.id for article, _ in page] for page in pubmed.fetch(found.ids, found.history)]
    assert pages == [IDS[:3], IDS[3:6], IDS[6:]]
    assert server.count("epost") == 0
    assert [a.parameters["retstart"] for a in server.asked if a.utility == "efetch"] == ["0", "3", "6"]


def test_some_of_it_is_fetched_by_posting_the_numbers(server, pubmed):
    assert fetched(pubmed, ["2", "5"]) == ["2", "5"]
    assert [(a.utility, a.method) for a in server.asked] == [("epost", "POST"), ("efetch", "GET")]
    assert server.asked[0].parameters["id"] == "2,5"


def test_an_article_comes_with_the_bytes_that_were_sent(server, pubmed):
    ((article, raw),) = next(pubmed.fetch(["4"]))
    assert (article.id, raw) == ("4", server.records["4"])


def test_a_history_that_holds_others_first_costs_requests_but_no_article(server, pubmed):
    found = search(pubmed)
    assert sorted(fetched(pubmed, ["6", "7"], found.history)) == ["6", "7"]


def test_nothing_asked_for_asks_nothing(server, pubmed):
    assert fetched(pubmed, []) == []
    assert server.asked == []


def test_numbers_without_a_record_are_left_out(server, pubmed):
    assert fetched(pubmed, ["999", "2"]) == ["2"]
    assert fetched(pubmed, ["999"]) == []
    assert server.count("efetch") == 3  # each list twice at most


def test_more_than_pubmed_lists_is_found_in_ever_shorter_spans(server, pubmed, monkeypatch):
    monkeypatch.setattr(entrez, "MOST_IDS", 2)
    server.most_ids = 2
    found = search(pubmed)
    assert (sorted(found.ids), found.count, found.warnings) == (IDS, 7, ())
    spans = [(a.parameters["mindate"], a.parameters["maxdate"]) for a in server.asked]
    assert spans[0] == ("2011/01/01", "2026/12/31") and len(spans) == len(set(spans))
    assert sorted(fetched(pubmed, found.ids, found.history)) == IDS
    assert all(a.parameters["id"].count(",") < 2 for a in server.asked if a.utility == "epost")


def test_the_newest_come_first_where_not_all_are_wanted(server, pubmed, monkeypatch):
    monkeypatch.setattr(entrez, "MOST_IDS", 2)
    server.most_ids = 2
    found = search(pubmed, most=3)
    assert (set(found.ids) >= {"7", "6"}, len(found.ids), found.count) == (True, 3, 7)


def test_spans_leave_no_day_out_and_count_none_twice(server, pubmed, monkeypatch):
    monkeypatch.setattr(entrez, "MOST_IDS", 1)
    asked = []

    def count(term, first, last, most, sort):
        asked.append((first, last))
        days = (last - first).days + 1
        return entrez.Found(tuple(str(first + timedelta(n)) for n in range(min(days, 1))), days, "")

    monkeypatch.setattr(pubmed, "_search", count)
    found = pubmed.search("x", date(2023, 12, 30), date(2024, 3, 2), most=1000)
    assert sorted(found.ids) == [str(date(2023, 12, 30) + timedelta(n)) for n in range(64)]
    assert len(asked) == 2 * 64 - 1


def test_one_day_with_more_than_pubmed_lists_is_told(server, pubmed, monkeypatch):
    monkeypatch.setattr(entrez, "MOST_IDS", 2)
    server.most_ids = 2
    server.years = dict.fromkeys(IDS, 2020)
    server.hits = lambda term: IDS  # the server tells no days apart, so each day of 2020 has them all
    found = pubmed.search("x", date(2020, 1, 1), date(2020, 1, 2), most=100)
    assert set(found.ids) == {"1", "2"}
    assert "of 7 articles of 2020-01-02, only 2 can be listed" in found.warnings


@shared
def test_recorded_replies_to_searches_are_read(server, pubmed):
    for number, count, ids in ((1, 63, 20), (2, 42249, 100), (3, 2651, 6), (5, 5, 5), (6, 1018, 20), (7, 330, 20), (8, 0, 0)):
        server.replies[str(number)] = (FIXTURES / f"esearch{number}.xml").read_bytes()
        found = search(pubmed, str(number))
        assert (found.count, len(found.ids)) == (count, ids)
        assert found.translation
    assert search(pubmed, "2").history == entrez.History("MCID_6927d6e7fee3e90f880ec190", "1")
    assert search(pubmed, "8").warnings == ("PhraseNotFound: abcXYZ", "OutputMessage: No items found.")
    assert entrez._history((FIXTURES / "epost1.xml").read_bytes()) == entrez.History("MCID_692851c130aec64bed0a8c2a", "1")


@pytest.mark.parametrize(("key", "pause"), [("", 0.37), (KEY, 0.1)])
def test_requests_keep_the_distance_that_ncbi_asks_for(server, monkeypatch, key, pause):
    clock = SimpleNamespace(now=1e9, slept=[])

    def sleep(seconds):
        clock.slept.append(seconds)
        clock.now += seconds

    monkeypatch.setattr(Entrez, "time", SimpleNamespace(time=lambda: clock.now, sleep=sleep))
    monkeypatch.setattr(Entrez._open, "previous", 0)
    pubmed = PubMed(EMAIL, api_key=key, sleep=lambda seconds: None)
    server.fail(faults.BROKEN, faults.BROKEN)  # tries that fail count as well
    found = search(pubmed)
    fetched(pubmed, found.ids, found.history)
    assert server.count() == 6
    assert clock.slept == pytest.approx([pause] * 5, rel=1e-3)


def test_long_queries_are_posted_and_arrive_whole(server, pubmed):
    term = " OR ".join(f'"invented disease {n}"[tiab]' for n in range(200))
    assert search(pubmed, term).translation == f"as run: {term}"
    assert server.asked[0].method == "POST"
    assert re.search(r"\[tiab\]$", server.asked[0].parameters["term"])
