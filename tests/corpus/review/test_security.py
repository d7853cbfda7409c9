"""What the review page refuses: the wrong passphrase, forged and replayed forms, path tricks; and what runs nowhere."""

import re
import sqlite3
import time

import pytest

from prima_jax.corpus.articles import Article
from prima_jax.corpus.review import export
from prima_jax.corpus.review.app import create_app
from prima_jax.corpus.review.view import harmless, safe_link
from prima_jax.pages.security import HEADERS, host_names
from scripts.review.example import ADA, BEN, PASSPHRASE, PEOPLE, SCREEN, STUDY, SUN, add_people, claim, make_folder
from tests.corpus.review.client import EVIL, client, decide, fields, rows, sign_in, signed_in, text


class TestRefusals:
    def test_every_page_needs_a_session(self, app):
        browser = client(app)
        for path in ("/claims", f"/claims/{SUN}", f"/claims/{SUN}/history", "/progress", "/help", "/export.csv", "/export.jsonl"):
            answer = browser.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
            assert answer.text == ""
        assert browser.get("/claims", headers={"HX-Request": "true"}).headers["hx-redirect"] == "/sign-in"

    def test_a_wrong_passphrase_and_an_unknown_name_are_told_alike(self, app):
        told = []
        for name in (ADA, "Dr. Nobody"):
            answer = sign_in(client(app), name, "wrong wrong wrong")
            assert answer.status_code == 401 and "prima_review_1=" not in answer.headers.get("set-cookie", "")
            assert "wrong wrong wrong" not in answer.text and f'value="{name}"' in answer.text
            told.append(re.search(r'role="alert">([^<]*)', answer.text)[1])
        assert told[0] == told[1] == "The name or the passphrase is wrong."

    def test_too_many_wrong_passphrases_bring_a_wait(self, app, monkeypatch):
        monkeypatch.setattr(time, "time", lambda: 1e9)  # hashing takes long on a busy machine
        browser = client(app)
        codes = [sign_in(browser, ADA, "wrong wrong wrong").status_code for _ in range(5)]
        answer = sign_in(browser)
        assert codes == [401] * 5 and (answer.status_code, answer.headers["retry-after"]) == (429, "6")

    def test_a_session_that_is_over_is_told_and_what_was_typed_is_shown(self, app, folder):
        ada = signed_in(app)
        form = fields(ada.get(f"/claims/{SUN}").text, "reject")
        raw = sqlite3.connect(folder.review, isolation_level=None)
        raw.execute("UPDATE session SET expires = 0")
        raw.close()
        answer = ada.post(f"/claims/{SUN}", data=form | {"reason": "long thoughts of mine"})
        assert answer.status_code == 401 and "your session is over" in text(answer) and "long thoughts of mine" in answer.text
        assert rows(folder) == []

    def test_signing_out_ends_the_session_on_the_server(self, app):
        ada = signed_in(app)
        token = ada.cookies["prima_review_1"]
        form = fields(ada.get("/claims").text, "/sign-out")
        assert ada.post("/sign-out", data={"form": "forged.forged"}).status_code == 403
        assert ada.post("/sign-out", data=form).status_code == 303
        ada.cookies.set("prima_review_1", token)
        assert ada.get("/claims").status_code == 303

    @pytest.mark.parametrize("forged", ["", "x", "nonce.", "nonce." + "0" * 64, "nonce.ü", "." + "0" * 64])
    def test_a_forged_form_changes_nothing(self, app, folder, forged):
        ada = signed_in(app)
        form = fields(ada.get(f"/claims/{SUN}").text, "approve")
        answer = ada.post(f"/claims/{SUN}", data=form | {"form": forged})
        assert answer.status_code == 403 and "not valid" in text(answer) and rows(folder) == []

    def test_a_form_is_bound_to_its_session_claim_and_what_was_shown(self, app, folder):
        ada, ben, again = signed_in(app), signed_in(app, BEN), signed_in(app)
        form = fields(ada.get(f"/claims/{SUN}").text, "approve")
        other = fields(ada.get(f"/claims/{SCREEN}").text, "approve")
        leave = fields(ada.get("/claims").text, "/sign-out")
        assert {b.post(f"/claims/{SUN}", data=form).status_code for b in (ben, again)} == {403}
        assert again.post("/sign-out", data=leave).status_code == 403
        assert ada.post(f"/claims/{SCREEN}", data=form).status_code == 403
        assert ada.post(f"/claims/{SUN}", data=form | {"basis": other["basis"]}).status_code == 403
        assert ada.post(f"/claims/{SUN}", data=form | leave).status_code == 403
        assert rows(folder) == []

    def test_forms_survive_a_restart_of_the_server(self, app, folder):
        ada = signed_in(app)
        form = fields(ada.get(f"/claims/{SUN}").text, "approve")
        after = client(create_app(folder, STUDY, needed=2, hours=8, hosts={"testserver"}, port=1))
        after.cookies.update(ada.cookies)
        assert after.post(f"/claims/{SUN}", data=form).status_code == 303

    def test_a_sign_in_form_of_another_visitor_is_refused(self, app):
        form = fields(client(app).get("/sign-in").text, "/sign-in")
        victim = client(app)
        victim.get("/sign-in")
        answer = victim.post("/sign-in", data={"name": ADA, "passphrase": PASSPHRASE, **form})
        assert answer.status_code == 403 and "prima_review_1=" not in answer.headers["set-cookie"]

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://["}, 403),
            ({"Origin": "http://testserver.evil.example"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}, 303),
        ],
    )
    def test_a_form_from_another_site_is_refused(self, app, headers, status):
        ada = signed_in(app)
        form = fields(ada.get(f"/claims/{SUN}").text, "approve")
        assert ada.post(f"/claims/{SUN}", data=form, headers=headers).status_code == status

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "", "localhost.evil.example", "127.0.0.2", "[::"])
    def test_a_foreign_host_is_refused(self, app, host):
        answer = client(app).get("/sign-in", headers={"Host": host})
        assert answer.status_code == 400 and "Sign in" not in answer.text
        assert client(app).get("/sign-in", headers={"Host": "localhost:9999"}).status_code == 200

    def test_which_hosts_are_known(self):
        assert host_names("127.0.0.1") == {"127.0.0.1", "localhost", "::1"}
        assert "*" in host_names("0.0.0.0") and "*" not in host_names("localhost")

    def test_large_bodies_and_odd_ones_are_refused(self, app, folder):
        ada = signed_in(app)
        form = fields(ada.get(f"/claims/{SUN}").text, "reject")
        assert ada.post(f"/claims/{SUN}", data=form | {"reason": "x" * 70_000}).status_code == 413

        def chunks():
            for _ in range(100):
                yield b"reason=" + b"x" * 1000

        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert ada.post(f"/claims/{SUN}", content=chunks(), headers=kind).status_code == 413
        assert ada.post(f"/claims/{SUN}", json={"action": "reject"}).status_code in (400, 403)
        assert ada.post(f"/claims/{SUN}", data=form, files={"reason": ("x.txt", b"x")}).status_code == 400
        assert ada.post(f"/claims/{SUN}", content=b"a=%ff&b&&=;%", headers=kind).status_code == 403
        assert rows(folder) == []

    def test_every_answer_carries_the_headers(self, app):
        ada = signed_in(app)
        paths = ("/claims", f"/claims/{SUN}", "/static/review.css", "/static/htmx.js", "/nope", "/export.csv")
        answers = [ada.get(p) for p in paths]
        answers += [ada.put("/claims"), ada.post("/claims/x", data={"reason": "x" * 70_000}), client(app).get("/claims")]
        answers += [ada.get("/claims", headers={"Host": "evil.example"})]
        for answer in answers:
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, answer.url
        assert "default-src 'none'" in HEADERS["Content-Security-Policy"] and "unsafe" not in HEADERS["Content-Security-Policy"]

    def test_cookies_are_for_the_server_alone(self, app):
        cookie = sign_in(client(app)).headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Max-Age=28800" in cookie

    def test_a_fault_tells_nothing_of_the_inside(self, app, monkeypatch):
        ada = signed_in(app)
        monkeypatch.setattr(export, "as_csv", lambda _: 1 / 0)
        answer = ada.get("/export.csv")
        assert answer.status_code == 500 and "Something went wrong" in text(answer) and "division" not in answer.text
        assert answer.headers["X-Frame-Options"] == "DENY"


class TestHarmless:
    """Script in whatever others wrote: an abstract, a title, a claim, a writer, a flag, a comment, a name."""

    @pytest.fixture
    def evil(self, tmp_path):
        said = ((EVIL, f"{EVIL} said so."),)
        article = Article('x"><script>', EVIL, said, url="javascript:alert(3)", journal=EVIL, types=(EVIL,))
        one = claim("BCC/smoke", f"{EVIL}:m", f"{EVIL} \u202erisk", "raises", "weak", [(article.id, EVIL)], [(EVIL, EVIL)])
        other = claim("BCC/smoke", "b:m", EVIL, "lowers", "weak", [("nowhere" + EVIL, EVIL)])
        one["counterparts"], one["disease_name"] = [other["id"]], f"d{EVIL}"
        made = make_folder(tmp_path, [one, other], [article])
        add_people(made, f"Dr. {EVIL}"[:100], *PEOPLE)
        return made, one["id"]

    def test_no_markup_of_others_comes_through(self, evil):
        folder, identifier = evil
        app = create_app(folder, STUDY, needed=2, hours=8, hosts={"testserver"}, port=1)
        browsers = [signed_in(app, name) for name in (f"Dr. {EVIL}"[:100], *PEOPLE[:2])]
        decide(browsers[0], identifier, "reject", reason=EVIL)
        decide(browsers[1], identifier, "edit", text=f"{EVIL} 2", direction="raises", strength="weak", reason=EVIL)
        paths = ("/claims?show=all", f"/claims/{identifier}", f"/claims/{identifier}/history")
        pages = [browser.get(path) for browser in browsers for path in paths]
        pages += [browsers[2].get("/progress"), browsers[2].get(f"/claims?words={EVIL}&disease={EVIL}")]
        for page in pages:
            assert page.status_code == 200
            assert "<script>" not in page.text and "<img src=x" not in page.text and "\u202e" not in page.text
            assert "javascript:" not in page.text
        assert "&lt;script&gt;window.hit" in pages[1].text and "[U+202E]" in pages[1].text

    def test_only_links_to_the_web_are_links(self):
        good = ("https://example.org/a", "http://example.org")
        assert [safe_link(url) for url in good] == list(good)
        scripts = ("javascript:alert(1)", "JaVaScRiPt:x", " javascript:x", "data:text/html,x")
        bad = (*scripts, "//example.org", "https:", "", "http://[")
        assert [safe_link(url) for url in bad] == [None] * len(bad)

    def test_hidden_characters_are_shown(self):
        assert harmless("a\u202eb\u200bc\x00\ud800\n") == "a[U+202E]b[U+200B]c[U+0000][U+D800]\n"
        assert harmless("naïve café – 0.93 μm") == "naïve café – 0.93 μm"
