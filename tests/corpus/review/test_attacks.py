"""Attacks on the review page: a live server over plain sockets, a database that fails, and forms of other people."""

import http.client
import io
import resource
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from prima_jax.corpus import __main__ as command
from prima_jax.corpus.review import accounts, database
from prima_jax.corpus.review.app import create_app
from prima_jax.corpus.review.store import ReviewStore
from prima_jax.errors import UserError
from scripts.review.browser import serve
from scripts.review.example import ADA, BEN, PASSPHRASE, SCREEN, STUDY, SUN
from tests.corpus.review.client import client, decide, fields, rows, sign_in, signed_in, text

CONFIG = Path(__file__).parents[3] / "configs" / "corpus.py"
SQL = "'; DROP TABLE decision; --"
UP = "/static/../../../../../../../../etc/passwd"
NOWHERE = (
    *("/static/../app.py", UP, UP.replace("..", "%2e%2e"), "/static/..%5c..%5cstore.py", "/static/..%2fapp.py", "/static/"),
    *("/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/review.css%00", "/static/review.css/../app.py"),
    *("/review.sqlite", "/docs", "/openapi.json", "//etc/passwd", "/claims.jsonl", "/../review.sqlite"),
    "/export.csv/../../review.sqlite",
)


class TestOverPlainSockets:
    """No client that tidies a path before it is sent."""

    @pytest.fixture(scope="class")
    def port(self, _review_made_once):
        with serve(_review_made_once.path) as (address, _):
            yield int(address.rsplit(":")[-1])

    def ask(self, port, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        found = answer.status, answer.read().decode(errors="replace"), dict(answer.getheaders())
        connection.close()
        return found

    @pytest.mark.parametrize("path", NOWHERE)
    def test_a_path_as_it_was_sent_leads_nowhere(self, port, path):
        status, body, _ = self.ask(port, path)
        assert status == 404
        assert "root:" not in body and "create_app" not in body and "SQLite" not in body

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
    @pytest.mark.parametrize("path", ["/claims", "/sign-in", "/export.csv"])
    def test_other_methods_are_refused(self, port, method, path):
        assert self.ask(port, path, method)[0] == 405

    @pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "/%0d%0aSet-Cookie:%20x=1", "/sign-in?next=//e"])
    def test_no_address_sends_a_browser_elsewhere(self, port, path):
        _, _, headers = self.ask(port, path)
        assert "location" not in headers and "x=1" not in str(headers)


def test_a_server_that_is_ended_says_how_many_decisions_it_keeps(folder):
    with serve(folder.path) as (address, process):
        assert urlopen(f"{address}/sign-in").status == 200
        process.terminate()
        assert "closed with 0 decisions" in process.stdout.read()
        assert process.wait(20) == 0


def test_a_session_that_somebody_else_chose_is_not_taken_over(app):
    browser = client(app)
    browser.cookies.set("prima_review_1", "chosen-by-somebody-else")
    sign_in(browser)
    assert browser.get("/claims").status_code == 200
    thief = client(app)
    thief.cookies.set("prima_review_1", "chosen-by-somebody-else")
    assert thief.get("/claims").status_code == 303


def test_signing_in_anew_ends_the_session_before(app):
    browser = signed_in(app)
    before = browser.cookies["prima_review_1"]
    sign_in(browser, BEN)
    assert browser.cookies["prima_review_1"] != before and BEN in browser.get("/claims").text
    old = client(app)
    old.cookies.set("prima_review_1", before)
    assert old.get("/claims").status_code == 303


def test_a_name_that_does_not_exist_takes_the_same_work(app, monkeypatch):
    """Counted, not timed: one comparison each, with a hash of the same cost."""
    checked = []
    right = accounts.is_right
    monkeypatch.setattr(accounts, "is_right", lambda hashed, given: checked.append(hashed) or right(hashed, given))
    for name in (ADA, "Dr. Nobody"):
        assert sign_in(client(app), name, "wrong wrong wrong").status_code == 401
    costs = [hashed.split("$")[1:4] for hashed in checked]
    assert len(costs) == 2 and costs[0] == costs[1] and costs[0][0] == "argon2id"


ODD = [SQL, "x' OR '1'='1", "\u202e" + ADA, "Dr. Аda Example", "\ud800", "\x00", "İ" * 5000, ADA + "\u0301"]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_open_nothing(app, folder, name):
    browser = client(app)
    assert sign_in(browser, name.encode(errors="surrogatepass")).status_code == 401
    assert browser.get("/claims").status_code == 303 and rows(folder) == []


def test_no_statement_is_made_of_what_somebody_typed(app, folder):
    ada = signed_in(app)
    assert decide(ada, SUN, "reject", reason=SQL).status_code == 303
    for query in ("words", "disease", "flag", "show", "done", "page"):
        assert ada.get(f"/claims?{urlencode({query: SQL})}").status_code == 200
    assert ada.get(f"/claims/{SUN}'--").status_code == 404
    assert decide(ada, SCREEN, "edit", text=SQL, direction="raises", strength="weak", reason='x" OR 1=1').status_code == 303
    with ReviewStore(folder.review) as store:
        assert [d.reason for d in store.decisions()] == [SQL, 'x" OR 1=1'] and store.decisions()[1].after.text == SQL


def test_long_filters_do_not_swell_the_list(app):
    page = signed_in(app).get(f"/claims?show=all&words=&disease=&flag={'x' * 5000}")
    assert page.status_code == 200 and "x" * 201 not in page.text


@contextmanager
def locked(app, folder):
    with closing(sqlite3.connect(folder.review, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def read_only(app, folder):
    connection = app._app.state.desk.store.database._connection
    connection.execute("PRAGMA query_only = ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA query_only = OFF")


@contextmanager
def full_disk(app, folder):
    """The system refuses to let any file grow, as a full disk does; sqlite meets it when it commits."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("fault", [locked, read_only, full_disk])
def test_a_database_that_fails_is_told_in_a_sentence_and_what_was_typed_is_kept(folder, monkeypatch, fault):
    monkeypatch.setattr(database, "LONGEST_WAIT", 0.05)
    app = create_app(folder, STUDY, needed=2, hours=8, hosts={"testserver"}, port=1)
    ada = signed_in(app)
    form = fields(ada.get(f"/claims/{SUN}").text, "reject") | {"reason": "long thoughts of mine"}
    entry = fields(client(app).get("/sign-in").text, "/sign-in")
    with fault(app, folder):
        answer = ada.post(f"/claims/{SUN}", data=form)
        assert answer.status_code == 503
        assert "cannot be used just now" in text(answer) and "nothing was changed" in text(answer)
        assert "long thoughts of mine" in answer.text and str(folder.path) not in answer.text
        assert PASSPHRASE not in ada.post("/sign-in", data={"name": BEN, "passphrase": PASSPHRASE, **entry}).text
    assert rows(folder) == []
    assert ada.post(f"/claims/{SUN}", data=form).status_code == 303  # the same form, once it is well again
    assert rows(folder) == [(ADA, "reject")]


def run(folder, monkeypatch, *step):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSPHRASE}\n"))
    return command.main([f"--config={CONFIG}", f"--folder={folder.path}", *step])


def test_at_the_command_line_a_locked_or_damaged_database_is_one_sentence(folder, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(database, "LONGEST_WAIT", 0.05)
    export = ("export", str(tmp_path / "out.csv"))
    with locked(None, folder):
        assert run(folder, monkeypatch, "reviewer", "Dr. New Example") == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1 and "could not be used (database is locked)" in error
        assert run(folder, monkeypatch, *export) == 0  # who only reads need not wait
    capsys.readouterr()
    folder.review.write_bytes(b"no database" * 1000)
    for step in (export, ("reviewer", "Dr. New Example")):
        assert run(folder, monkeypatch, *step) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1 and "cannot be opened" in error


def test_a_database_of_another_version_is_refused_in_a_sentence(folder):
    with closing(sqlite3.connect(folder.review, isolation_level=None)) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(UserError, match=r"another version \(99, here 2\); use the program that made it"):
        ReviewStore(folder.review)
