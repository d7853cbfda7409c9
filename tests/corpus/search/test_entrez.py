"""The client of E-utilities, over real HTTP: what is sent, what comes, and every way in which it can go wrong."""

import re
import socket
import time
import traceback
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from Bio import Entrez

from prima_jax.corpus.search import entrez
from prima_jax.corpus.search.entrez import PubMed
from prima_jax.errors import UserError
from tests.corpus.search import eutils_server as faults
from tests.corpus.search.eutils_server import FIXTURES, EutilsServer, Fault, invented, redirect

KEY = "0123456789abcdef+secret/key"
EMAIL = "somebody@example.org"
FIRST, LAST = date(2011, 1, 1), date(2026, 12, 31)
IDS = [str(n) for n in range(1, 8)]
shared = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"needs the recorded replies in {FIXTURES}")


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


def search(pubmed, term="skin", most=100, **more):
    return pubmed.search(term, FIRST, LAST, most=most, **more)


def fetched(pubmed, ids=IDS, history=None):
    return [article.id for page in pubmed.fetch(ids, history) for article, _ in page]


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


@pytest.mark.parametrize(
    "fault",
    [
        faults.busy(),
        faults.BROKEN,
        Fault(502),
        faults.CUT,
        faults.TRUNCATED,
        faults.WEB_PAGE,
        faults.PLAIN,
        faults.ERROR,
        Fault(body=b""),
        Fault(body=b"<eSearchResult><Count>many</Count></eSearchResult>"),
        Fault(body=b"<eSearchResult><Count>7</Count><IdList/></eSearchResult>"),
    ],
    ids=lambda fault: f"{fault.status} {fault.how or (fault.body or b'')[:30]!r}",
)
@pytest.mark.parametrize("utility", ["esearch", "epost", "efetch"])
def test_what_fails_for_a_while_is_tried_again(server, pubmed, waits, utility, fault):
    server.fail(fault, fault, of=utility)
    assert search(pubmed).ids == tuple(IDS)
    assert fetched(pubmed) == IDS
    assert server.count(utility) == (3 if utility == "efetch" else 1) + 2
    assert len(waits) == 2
    assert server.delivered == dict.fromkeys(IDS, 1)


def test_a_connection_that_stands_still_ends(server, waits):
    server.fail(faults.STALL)
    assert search(PubMed(EMAIL, timeout=0.2, sleep=waits.append)).ids == tuple(IDS)
    assert (server.count(), len(waits)) == (2, 1)
    assert socket.getdefaulttimeout() is None


def test_a_reply_that_only_drips_ends(server, pubmed, monkeypatch):
    monkeypatch.setattr(entrez, "LONGEST_REPLY", -1.0)
    with pytest.raises(UserError, match="a reply took over"):
        search(pubmed)
    assert server.count() == 5


def test_waits_grow_and_are_not_all_the_same(server, pubmed, waits):
    server.fail(*[faults.BROKEN] * 4)
    search(pubmed)
    for n, wait in enumerate(waits):
        assert 2**n <= wait <= 2**n + 1, waits
    assert len(waits) == 4
    server.fail(*[faults.BROKEN] * 4)
    search(pubmed)
    assert waits[:4] != waits[4:]


def test_the_time_that_ncbi_asks_for_is_waited(server, pubmed, waits, capsys):
    server.fail(faults.busy("42"))
    search(pubmed)
    assert waits == [42.0]
    assert "in 42 s" in capsys.readouterr().err


@pytest.mark.parametrize("nonsense", ["soon", "-5"])
def test_nonsense_in_its_place_is_no_trouble(server, pubmed, waits, nonsense):
    server.fail(faults.busy(nonsense))
    search(pubmed)
    assert 1 <= waits[0] <= 2


def test_a_wait_of_hours_is_told_instead(server, pubmed, waits):
    server.fail(faults.busy("7200"))
    with pytest.raises(UserError, match="wait for 120 minutes"):
        search(pubmed)
    assert waits == []


def test_after_five_tries_it_is_told_in_one_sentence(server, pubmed, waits):
    server.fail(*[faults.BROKEN] * 5)
    with pytest.raises(UserError, match=r"esearch\) did not answer.*5 times.*HTTP 500.*same command goes on.*\.$") as told:
        search(pubmed)
    assert (server.count(), len(waits), "\n" in str(told.value)) == (5, 4, False)


def test_no_network_is_told(monkeypatch, waits):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(Entrez, "urlopen", redirect(address))
    with pytest.raises(UserError, match=r"Connection refused.*config\.search\.source"):
        search(PubMed(EMAIL, sleep=waits.append))


def test_a_request_that_is_refused_is_not_repeated(server, pubmed, waits):
    server.fail(Fault(400, body=b"<eSearchResult><ERROR>Empty term and query_key</ERROR></eSearchResult>"))
    with pytest.raises(UserError, match=r"HTTP 400 \(Empty term"):
        search(pubmed)
    assert (server.count(), waits) == (1, [])


def test_the_key_is_in_no_message_and_in_no_traceback(server, pubmed):
    echo = f"<eSearchResult><ERROR>bad {KEY} and {'x' * 270}{KEY}</ERROR></eSearchResult>".encode()
    for wrong in (
        [faults.bad_key(KEY)],
        [Fault(403, body=f"blocked: {KEY}".encode())],
        [Fault(body=echo)] * 5,
        [faults.BROKEN] * 5,
    ):
        server.fail(*wrong)
        with pytest.raises(UserError) as told:
            search(pubmed)
        shown = "".join(traceback.format_exception(told.value))
        error, chain = told.value, []
        while error is not None:
            chain.append(repr(error) + repr(vars(error)))
            error = error.__cause__ or error.__context__
        for part in (KEY, KEY[:12], KEY.replace("+", "%2B")):
            assert part not in shown + "".join(chain), shown
    assert KEY not in repr(pubmed) and KEY not in str(pubmed)


def test_a_refused_key_is_told(server, pubmed):
    server.fail(faults.bad_key(KEY))
    with pytest.raises(UserError, match="refuses the API key in NCBI_API_KEY"):
        search(pubmed)


def test_the_key_in_what_pubmed_says_of_a_search_is_hidden(server, pubmed):
    server.replies["skin"] = (
        f"<eSearchResult><Count>0</Count><IdList/><QueryTranslation>{KEY}</QueryTranslation><WarningList>"
        f"<OutputMessage>{KEY}</OutputMessage></WarningList></eSearchResult>"
    ).encode()
    found = search(pubmed)
    assert (found.translation, found.warnings) == ("***", ("OutputMessage: ***",))


@pytest.mark.parametrize("status", [200, 400])
def test_a_list_that_ncbi_forgot_is_made_again_of_what_is_missing(server, pubmed, waits, status):
    server.expired_status = status
    found = search(pubmed)
    pages = pubmed.fetch(found.ids, found.history)
    assert [a.id for a, _ in next(pages)] == IDS[:3]
    server.fail(faults.FORGET)
    assert [a.id for page in pages for a, _ in page] == IDS[3:]
    assert [a.parameters["id"] for a in server.asked if a.utility == "epost"] == ["4,5,6,7"]
    assert (server.delivered, waits) == (dict.fromkeys(IDS, 1), [])


def test_a_list_that_is_forgotten_each_time_is_told(server, pubmed):
    server.fail(*[faults.FORGET] * 5, of="efetch")
    with pytest.raises(UserError, match="lost its list of what to fetch 5 times"):
        fetched(pubmed)


def test_records_that_a_page_lacks_are_asked_for_again(server, pubmed):
    server.fail(faults.SHORT, of="efetch")
    assert sorted(fetched(pubmed)) == IDS
    assert [a.parameters["id"] for a in server.asked if a.utility == "epost"] == [",".join(IDS), "3"]


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


def test_what_pubmed_warns_of_is_handed_on(server, pubmed):
    server.replies["abc"] = (
        b"<eSearchResult><Count>0</Count><IdList/><ErrorList><PhraseNotFound>abcXYZ</PhraseNotFound></ErrorList>"
        b"<WarningList><QuotedPhraseNotFound>&quot;x y&quot;</QuotedPhraseNotFound></WarningList></eSearchResult>"
    )
    assert search(pubmed, "abc").warnings == ("PhraseNotFound: abcXYZ", 'QuotedPhraseNotFound: "x y"')


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


@shared
def test_a_recorded_reply_with_records_is_read(server, pubmed):
    server.fail(Fault(body=(FIXTURES / "pubmed2.xml").read_bytes()), of="efetch")
    assert fetched(pubmed, ["11748933", "11700088"]) == ["11748933", "11700088"]


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
