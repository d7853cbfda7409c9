"""The review page at the level of HTTP: what it shows, and what it refuses."""

import re
import socket
import threading
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn

from configs.corpus import get_config
from prima_jax.corpus.folder import CorpusFolder, write_lines
from prima_jax.corpus.review import serve
from prima_jax.corpus.review.app import create_app
from prima_jax.corpus.review.forms import Forms
from prima_jax.corpus.review.store import ReviewStore
from prima_jax.errors import UserError
from prima_jax.pages import server
from scripts.review.example import (
    ADA,
    BEN,
    CONFIG,
    FLAGGED,
    LOST,
    PEOPLE,
    RETRACTED,
    SCREEN,
    STUDY,
    SUN,
    SUN_TOO,
    add_people,
    example_claims,
    make_folder,
)
from tests.corpus.review.client import decide, fields, filled, rows, signed_in, text


class TestReading:
    def test_the_list_shows_every_claim_and_its_filters_narrow_it(self, app):
        browser = signed_in(app)

        def shown(query):
            return re.findall(r'class="row card" href="/claims/(c-\w+)', browser.get(f"/claims{query}").text)

        everything = [c["id"] for c in example_claims()]
        assert shown("") == shown("?show=all") == everything
        assert shown("?disease=MEL") == [RETRACTED]
        assert shown("?attribute=summary") == [LOST]
        assert shown("?flag=quote_not_found") == [LOST]
        assert shown("?flag=none") == [SUN, SUN_TOO, SCREEN]
        assert shown("?flag=any&disease=BCC") == everything[:2]
        assert shown("?agreement=agree") == [SUN, SUN_TOO]
        assert shown("?words=sunscreen+third") == [SCREEN]
        assert shown("?show=approved") == shown("?disease=nothing") == []
        assert shown("?page=99999999999999") == shown("?page=-1") == shown("?page=x") == shown("?page=") == everything
        assert shown("?show=nonsense") == []

    def test_a_claim_stands_beside_its_sources_with_the_quote_marked_in_its_context(self, app):
        page = signed_in(app).get(f"/claims/{FLAGGED}")
        assert "<mark>Current smokers had a slightly lower incidence of basal cell carcinoma</mark>" in page.text
        assert "Nine invented studies with 4,120 imaginary patients were pooled." in text(page)
        assert "Systematic Review, Meta-Analysis" in text(page) and "2021" in text(page)
        assert 'href="https://pubmed.ncbi.nlm.nih.gov/90000001/" target="_blank" rel="noopener noreferrer"' in page.text
        assert "Smoking raises the risk of basal cell carcinoma in women" in text(page)  # the other family
        assert "contradiction Another family claims another direction." in text(page)

    def test_progress_counts_what_was_done(self, app):
        ada, ben = signed_in(app), signed_in(app, BEN)
        for browser in (ada, ben):
            decide(browser, SUN, "approve")
        decide(ada, SCREEN, "reject", reason="no")
        page = ada.get("/progress")
        assert re.findall(r"<b>(\d+)</b>", page.text) == ["5", "1", "0", "1"]
        assert "2 of 7 done by you or settled" in text(page)

    def test_a_lost_quote_and_a_retraction_are_told(self, app):
        browser = signed_in(app)
        assert "were not found in the abstract: “rough scaly patches" in text(browser.get(f"/claims/{LOST}"))
        assert "RETRACTED" in text(browser.get(f"/claims/{RETRACTED}"))

    def test_nothing_comes_from_elsewhere(self, app):
        browser = signed_in(app)
        for path in ("/claims", f"/claims/{FLAGGED}", "/progress", "/help", f"/claims/{FLAGGED}/history", "/sign-in"):
            page = browser.get(path).text
            assert all(link.startswith("/") for link in re.findall(r'(?:src|action)="([^"]*)"', page))
            assert all(link.startswith("/static/") for link in re.findall(r'<link[^>]*href="([^"]*)"', page))
            assert not re.search(r"<script>|<style|style=|\son\w+=", page)

    def test_new_claims_are_seen_without_a_restart(self, app, folder):
        browser = signed_in(app)
        assert browser.get(f"/claims/{SCREEN}").status_code == 200
        write_lines(folder.claims, [c for c in example_claims() if c["id"] != SCREEN])
        assert browser.get(f"/claims/{SCREEN}").status_code == 404
        folder.claims.unlink()
        answer = browser.get("/claims")
        assert answer.status_code == 503 and "run the step check first" in text(answer)


class TestDeciding:
    def test_two_who_agree_approve(self, app, folder):
        ada, ben = signed_in(app), signed_in(app, BEN)
        answer = decide(ada, SCREEN, "approve")
        assert answer.status_code == 303 and answer.headers["location"] == f"/claims/{LOST}?done=1"
        assert "Approved and kept" in text(ada.get(answer.headers["location"]))
        assert "Approved and kept" not in text(ben.get(answer.headers["location"]))
        assert decide(ben, SCREEN, "approve").status_code == 303
        assert rows(folder) == [(ADA, "approve"), (BEN, "approve")]
        assert SCREEN in ada.get("/claims?show=approved").text

    def test_the_second_sees_nothing_of_the_first(self, app):
        ada, ben = signed_in(app), signed_in(app, BEN)

        def pages():
            found = [ben.get(p).text for p in ("/claims?show=all", f"/claims/{SUN}", f"/claims/{SUN}/history", "/export.jsonl")]
            return [re.sub(r'value="[^"]*"|All \d+ rows', "", page) for page in found]

        before = pages()
        edited = {"text": "Sun on the job raises the odds.", "direction": "raises", "strength": "weak"}
        decide(ada, SUN, "edit", **edited, reason="my secret reason")
        assert pages() == before
        assert "my secret reason" in ada.get(f"/claims/{SUN}/history").text

    def test_a_third_sees_both_without_names_and_decides(self, app, folder):
        ada, ben, cyd = (signed_in(app, name) for name in PEOPLE)
        edited = {"text": "Sun at work raises the odds of it.", "direction": "raises", "strength": "weak"}
        decide(ada, SUN, "edit", **edited, reason="clearer words")
        decide(ben, SUN, "reject", reason="only one review")
        page = cyd.get(f"/claims/{SUN}")
        assert "your opinion decides" in text(page)
        assert "clearer words" in text(page) and "only one review" in text(page)
        assert ADA not in page.text and BEN not in page.text
        assert ADA not in cyd.get(f"/claims/{SUN}/history").text
        assert all(ADA not in cyd.get(f"/export.{kind}").text for kind in ("csv", "jsonl"))
        assert "only one review" not in ada.get(f"/claims/{SUN}/history").text
        versions = re.findall(r'<input type="radio" name="version" value="(\w+)"', page.text)
        assert len(versions) == 2  # the edit, and the writer's own words
        assert decide(cyd, SUN, "approve", version=versions[0]).status_code == 303
        settled = ada.get(f"/claims/{SUN}")
        assert "Approved in these words" in text(settled) and "Your decision" not in settled.text
        history = text(ben.get(f"/claims/{SUN}/history"))
        assert all(name in history for name in PEOPLE) and "having seen the others'" in history
        with ReviewStore(folder.review) as store:
            assert store.outcomes(example_claims(), 2)[SUN].text == edited["text"]

    def test_a_third_who_names_no_wording_or_an_invented_one_is_refused(self, app, folder):
        ada, ben, cyd = (signed_in(app, name) for name in PEOPLE)
        decide(ada, SUN, "approve")
        decide(ben, SUN, "reject", reason="no")
        assert decide(cyd, SUN, "approve").status_code == 409
        assert decide(cyd, SUN, "approve", version="0" * 16).status_code == 409
        assert len(rows(folder)) == 2

    @pytest.mark.parametrize(
        ("identifier", "action", "more", "told"),
        [
            (SUN, "reject", {}, "rejection needs a reason"),
            (SUN, "edit", {"text": "Other words", "direction": "up", "strength": "weak", "reason": "mine"}, "Choose a direction"),
            (SUN, "reject", {"reason": "x" * 2001}, "2000 are the most"),
        ],
    )
    def test_a_rule_that_is_broken_is_told_and_what_was_typed_is_kept(self, app, folder, identifier, action, more, told):
        answer = decide(signed_in(app), identifier, action, **more)
        assert answer.status_code == 422 and told in text(answer)
        kept = filled(answer.text, action)
        assert {name: kept[name] for name in more} == more | ({"direction": None} if more.get("direction") == "up" else {})
        assert rows(folder) == []

    def test_an_own_opinion_may_be_replaced_until_another_decided(self, app, folder):
        ada, ben = signed_in(app), signed_in(app, BEN)
        decide(ada, SUN, "reject", reason="slipped")
        assert "you can still replace" in text(ada.get(f"/claims/{SUN}"))
        stale = fields(ada.get(f"/claims/{SUN}").text, "reject")
        decide(ben, SUN, "approve")
        answer = ada.post(f"/claims/{SUN}", data=stale | {"reason": "long thoughts of mine"})
        assert answer.status_code == 409 and "changed or decided since you opened it" in text(answer)
        assert "waiting for others" in text(answer) and "long thoughts of mine" in text(answer)
        assert rows(folder) == [(ADA, "reject"), (BEN, "approve")]

    def test_many_who_send_at_once_are_counted_once_each(self, app, folder):
        browsers = [signed_in(app, name) for name in PEOPLE]
        forms = [fields(browser.get(f"/claims/{SUN}").text, "approve") for browser in browsers]
        codes = []

        def send(browser, form):
            codes.append(browser.post(f"/claims/{SUN}", data=form).status_code)

        threads = [threading.Thread(target=send, args=pair) for pair in zip(browsers, forms, strict=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(codes) == [303] * 2 + [409] * 7
        assert len(rows(folder)) == 2

    def test_where_one_reviewer_is_needed_an_edit_decides_and_may_still_be_replaced(self, folder):
        app = create_app(folder, STUDY, needed=1, hours=8, hosts={"testserver"}, port=1)
        ada, ben = signed_in(app), signed_in(app, BEN)
        ben_opened = fields(ben.get(f"/claims/{SUN}").text, "approve")
        decide(ada, SUN, "edit", text="Sun at work raises the odds.", direction="raises", strength="weak", reason="clearer")
        assert "Approved in these words" in text(ben.get(f"/claims/{SUN}"))
        assert ben.post(f"/claims/{SUN}", data=ben_opened).status_code == 409
        page = ada.get(f"/claims/{SUN}").text
        assert re.search(r'<textarea name="text"[^>]*>Sun at work raises the odds.</textarea>', page)  # goes on from the own edit
        assert decide(ada, SUN, "reject", reason="after all not").status_code == 303
        assert "rejected" in text(ben.get("/claims?show=rejected"))

    def test_a_test_reviewer_is_told_to_be_one(self, app, folder):
        add_people(folder, "Dr. Try Example", role="test")
        assert "what you decide vets nothing" in text(signed_in(app, "Dr. Try Example").get("/claims"))
        assert "vets nothing" not in text(signed_in(app).get("/claims"))

    def test_many_claims_come_in_pages_and_the_next_claim_crosses_them(self, app, folder):
        many = [example_claims()[2] | {"id": f"c-{n:016d}", "counterparts": []} for n in range(120)]
        write_lines(folder.claims, many)
        ada = signed_in(app)
        lists = [ada.get(f"/claims?page={page}").text for page in (1, 2, 3, 4)]
        shown = [re.findall(r'class="row card" href="/claims/(c-\w+)', found) for found in lists]
        assert [len(page) for page in shown] == [50, 50, 20, 20]
        assert [*shown[0], *shown[1], *shown[2]] == [c["id"] for c in many]
        assert decide(ada, many[49]["id"], "approve").headers["location"] == f"/claims/{many[50]['id']}?done=1"


class TestServing:
    def test_as_it_comes_two_reviewers_are_needed_and_sessions_end_within_a_day(self):
        assert get_config().review.reviewers == 2 and 0 < get_config().review.session_hours <= 24

    def test_by_default_it_listens_on_this_machine_alone(self):
        assert get_config().review.host == "127.0.0.1"
        with closing(server.listen(get_config().review.host, 0, "")) as listener:
            assert listener.getsockname()[0] == "127.0.0.1"

    def test_without_reviewers_or_claims_it_does_not_start(self, tmp_path):
        with pytest.raises(UserError, match="run the step check first"):
            serve.run(CONFIG, None, CorpusFolder(tmp_path))
        folder = make_folder(tmp_path)
        with pytest.raises(UserError, match="`reviewer NAME`"):
            serve.run(CONFIG, None, folder)
        write_lines(folder.claims, [])
        with pytest.raises(UserError, match="holds no claims"):
            serve.run(CONFIG, None, folder)

    def test_a_port_that_is_taken_is_told(self, folder):
        with closing(server.listen("127.0.0.1", 0, "")) as taken:
            config = CONFIG.copy_and_resolve_references()
            config.review.port = taken.getsockname()[1]
            with pytest.raises(UserError, match="another review may be running there"):
                serve.run(config, None, folder)

    @pytest.mark.parametrize(
        ("key", "value"), [("reviewers", 0), ("session_hours", 0.0), ("session_hours", 1000.0), ("port", 70000), ("host", "")]
    )
    def test_settings_that_cannot_be_are_told(self, folder, key, value):
        config = CONFIG.copy_and_resolve_references()
        config.review[key] = value
        with pytest.raises(UserError, match=f"review.{key}"):
            serve.run(config, None, folder)

    @pytest.mark.parametrize("broken", [{"text": 1}, {"direction": "up"}, {"flags": None}, {"agreement": None}])
    def test_a_damaged_claim_is_told_with_its_line(self, folder, broken):
        claims = example_claims()
        claims[1] |= broken
        write_lines(folder.claims, claims)
        with pytest.raises(UserError, match=f"line 2: the claim's {next(iter(broken))}"):
            serve.run(CONFIG, None, folder)


@pytest.mark.parametrize("line", ["[" * 100_000, "9" * 5000, '"\\ud800"', "[1]", "{"])
def test_a_line_that_another_program_left_is_told_with_its_number(folder, line):
    folder.claims.write_text(f"{line}\n{folder.claims.read_text()}")
    with pytest.raises(UserError, match=r"line 1, .*; remove the file and run its step again"):
        serve.run(CONFIG, None, folder)


@pytest.mark.parametrize(
    "half", [b"", b"GET /claims HT", b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nna"]
)
def test_a_request_that_is_half_sent_is_not_held_for_ever(app, half, monkeypatch):
    monkeypatch.setattr(server.Impatient, "longest", 0.5)
    with closing(server.listen("127.0.0.1", 0, "")) as listener:
        running = uvicorn.Server(uvicorn.Config(app, log_level="critical", http=server.Impatient))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        with socket.create_connection(listener.getsockname(), timeout=30) as connection:
            connection.sendall(half)
            assert b"200 OK" not in connection.recv(1 << 16)  # returns once the server has closed it
        running.should_exit = True
        thread.join()


def test_signatures_do_not_confuse_their_parts():
    forms = Forms(b"k" * 32)
    token = forms.sign("session", "decide", "ab", "c")
    assert forms.check(token, "session", "decide", "ab", "c")
    assert forms.check(token, "session", "decide", "a", "bc") is None
    assert Forms(b"l" * 32).check(token, "session", "decide", "ab", "c") is None


def test_filters_are_kept_from_claim_to_claim(app):
    browser = signed_in(app)
    form = fields(browser.get(f"/claims/{SUN}?disease=ACK&flag=none").text, "approve")
    answer = browser.post(f"/claims/{SUN}?disease=ACK&flag=none", data=form)
    parts = urlsplit(answer.headers["location"])
    assert parts.path == f"/claims/{SUN_TOO}" and parse_qs(parts.query) == {"disease": ["ACK"], "flag": ["none"], "done": ["1"]}


def test_each_picture_is_shown_or_linked_in_the_documentation_and_each_page_has_one():
    docs = Path(__file__).parents[3] / "docs"
    told = set(re.findall(r"\(review/(\w+\.png)\)", (docs / "review.md").read_text()))
    assert told == {file.name for file in (docs / "review").glob("*.png")}
    pages = {file.stem for file in Path(serve.__file__).parent.glob("templates/[a-z]*.html")} - {"base"}
    assert pages <= {name.removesuffix(".png") for name in told}
