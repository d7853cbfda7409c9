"""The client of E-utilities, over real HTTP: every way in which it can go wrong."""

import socket
import traceback

import pytest
from Bio import Entrez

from prima_jax.corpus.search import entrez
from prima_jax.corpus.search.entrez import PubMed
from prima_jax.errors import UserError
from tests.corpus.search import eutils_server as faults
from tests.corpus.search.eutils_server import Fault, redirect
from tests.corpus.search.searching import EMAIL, IDS, KEY, fetched, search


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
        [Fault(403, body=f"blocked: {KEY}".encode())],
        [Fault(body=echo)] * 5,
        [faults.BROKEN] * 5,
        [faults.bad_key(KEY)],
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
    assert "refuses the API key in NCBI_API_KEY" in str(told.value)
    assert KEY not in repr(pubmed) and KEY not in str(pubmed)


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
