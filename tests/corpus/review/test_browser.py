"""The review page as physicians meet it: a real server in a process of its own, a real Chromium, real clicks and keys."""

import contextlib
import csv
import http.server
import io
import re
import signal
import sqlite3
import threading
from pathlib import Path

import pytest

from prima_jax.corpus.articles import Article
from prima_jax.corpus.review.store import ReviewStore
from scripts.review.browser import CHROMIUM, serve, sign_in
from scripts.review.example import (
    ADA,
    BEN,
    FLAGGED,
    FLAGGED_TOO,
    LOST,
    PEOPLE,
    RETRACTED,
    SCREEN,
    SUN,
    SUN_TOO,
    add_people,
    claim,
    example_claims,
    make_folder,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"NO BROWSER: {CHROMIUM} is missing; apt-get install chromium"),
]
EVIL = "<script>window.hit=1;alert(1)</script><img src=x onerror='window.hit=2;alert(2)'><svg onload=alert(3)>"


@pytest.fixture
def address(folder):
    with serve(folder.path) as (found, _):
        yield found


def log(folder):
    with ReviewStore(folder.review) as store:
        assert store.verify() == len(store.decisions())
        return [(d.who, d.claim, d.action) for d in store.decisions()]


def state(folder, identifier):
    with ReviewStore(folder.review) as store:
        return store.outcomes(example_claims(), 2)[identifier]


def test_from_signing_in_to_a_third_opinion_and_the_export(folder, address, person):
    ada, ben, cyd = (person(name, address) for name in PEOPLE)
    ada.click("#start")
    assert "Basal cell carcinoma · smoking" in ada.inner_text("h1")
    assert ada.inner_text(".family.this mark") == "Current smokers had a slightly lower incidence of basal cell carcinoma"
    assert "Smoking raises the risk" in ada.inner_text(".others")
    ada.click("#reject summary")
    ada.fill("#reject textarea", "Detection bias.")
    ada.click("#reject button")
    assert "Rejected and kept" in ada.inner_text(".done")
    ada.goto(f"{address}/claims/{SUN}")
    ada.click("#edit summary")
    ada.fill("#edit textarea[name=text]", "Outdoor work raises the odds of actinic keratosis threefold.")
    ada.select_option("#edit select[name=strength]", "weak")
    ada.fill("#edit textarea[name=reason]", "One review only.")
    ada.click("#edit button")
    assert "Edited and kept" in ada.inner_text(".done")

    ben.goto(f"{address}/claims/{SUN}")
    assert "One review only" not in ben.content()
    ben.click("#approve button")
    ben.wait_for_selector(".done")
    assert state(folder, SUN).state == "third_opinion"

    cyd.goto(f"{address}/claims?show=third_opinion")
    cyd.click("a.row")
    assert "your opinion decides" in cyd.inner_text(".opinions h2")
    assert "One review only." in cyd.inner_text(".opinions") and ADA not in cyd.inner_text("main")
    cyd.click("#approve summary")
    cyd.check("#approve .pick:has-text('Outdoor work') input")
    cyd.click("#approve button")
    cyd.wait_for_selector(".done")
    assert state(folder, SUN).text == "Outdoor work raises the odds of actinic keratosis threefold."
    cyd.goto(f"{address}/claims/{SUN}/history")
    assert cyd.locator(".log li").count() == 3 and ADA in cyd.inner_text(".log")

    with ben.expect_download() as waiting:
        ben.goto(f"{address}/progress")
        ben.click("text=CSV")
    table = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text("utf-8-sig"))))
    found = {row["id"]: row for row in table}
    assert (found[SUN]["state"], found[SUN]["final_strength"], found[FLAGGED]["state"]) == ("approved", "weak", "open")
    assert "Detection bias" not in str(found[FLAGGED])  # Ben has yet to decide that one
    ben.click("text=Sign out")
    ben.goto(f"{address}/claims")
    assert ben.url.endswith("/sign-in")


def test_two_at_once_in_two_browsers(folder, address, person):
    ada, ben = person(ADA, address), person(BEN, address)
    for page in (ada, ben):
        page.goto(f"{address}/claims/{SUN}")
    for page in (ada, ben):
        page.click("#approve button")
        page.wait_for_selector(".done")
    assert state(folder, SUN).state == "approved"
    assert {who for who, *_ in log(folder)} == {ADA, BEN}


def test_a_claim_settled_meanwhile_is_told_and_what_was_typed_is_not_lost(folder, address, person):
    ada, ben, cyd = (person(name, address) for name in PEOPLE)
    cyd.goto(f"{address}/claims/{SUN}")
    cyd.keyboard.press("r")
    cyd.fill("#reject textarea", "A long reason that took a while.")
    for page in (ada, ben):
        page.goto(f"{address}/claims/{SUN}")
        page.click("#approve button")
        page.wait_for_selector(".done")
    cyd.click("#reject button")
    assert "changed or decided since you opened it" in cyd.inner_text(".notice")
    assert "A long reason that took a while." in cyd.inner_text(".notice")
    assert "approved" in cyd.inner_text(".title") and len(log(folder)) == 2


def test_reloading_and_going_back_neither_lose_nor_repeat_a_decision(folder, address, person):
    page = person(ADA, address)
    page.goto(f"{address}/claims/{SUN}")
    page.click("#approve button")
    page.wait_for_selector(".done")
    for _ in range(3):
        page.reload()
    page.go_back()
    page.wait_for_load_state()
    assert log(folder) == [(ADA, SUN, "approve")]
    page.goto(f"{address}/claims/{SUN}")
    assert "Your opinion: approved" in page.inner_text(".mine")


def test_a_double_click_decides_once(folder, address, person):
    page = person(ADA, address)
    page.goto(f"{address}/claims/{SUN}")
    page.dblclick("#approve button")
    page.wait_for_selector(".done")
    page.click("#edit summary")  # a little later the next claim can be decided
    assert page.is_visible("#edit form") and log(folder) == [(ADA, SUN, "approve")]


def test_a_click_that_lands_on_the_next_claim_at_once_does_not_decide_it(folder, address, person):
    page = person(ADA, address)
    page.goto(f"{address}/claims/{SUN}")
    box = page.locator("#approve button").bounding_box()
    clock = page.context.new_cdp_session(page)  # stands still, so that time does not decide this test
    clock.send("Animation.enable")
    clock.send("Animation.setPlaybackRate", {"playbackRate": 0})
    page.click("#approve button")
    page.wait_for_selector(".fresh")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.reload()
    assert log(folder) == [(ADA, SUN, "approve")]


def test_a_server_killed_between_two_decisions_loses_nothing(folder, person):
    with serve(folder.path) as (address, process):
        page = person(ADA, address)
        page.goto(f"{address}/claims/{SUN}")
        page.click("#approve button")
        page.wait_for_selector(".done")
        page.goto(f"{address}/claims/{SCREEN}", wait_until="networkidle")  # what the page still asked for would be refused
        page.keyboard.press("r")
        page.fill("#reject textarea", "Typed before the server died.")
        process.kill()
        process.wait()
    with serve(folder.path, port=int(address.rsplit(":")[-1])) as (again, process):
        assert again == address
        page.click("#reject button")  # the session and the open form outlive the server
        assert "Rejected and kept" in page.inner_text(".done")
        assert log(folder) == [(ADA, SUN, "approve"), (ADA, SCREEN, "reject")]
        page.wait_for_load_state("networkidle")
        process.send_signal(signal.SIGTERM)
        assert "closed with 2 decisions" in process.stdout.read()
        assert process.wait(20) == 0


def test_everything_goes_by_keyboard_alone(folder, address, person):
    page = person(None, address)
    page.goto(address)
    keys = page.keyboard
    keys.type(ADA)
    keys.press("Tab")
    keys.type("four words at random")
    keys.press("Enter")
    page.wait_for_selector("a.row")
    for key in ("j", "j", "j", "k"):
        keys.press(key)
    assert page.evaluate("document.activeElement.href").split("/")[-1] == FLAGGED_TOO
    keys.press("j")
    keys.press("Enter")
    page.wait_for_url(f"**/claims/{SUN}")
    keys.press("j")
    page.wait_for_url(f"**/claims/{SUN_TOO}")
    keys.press("k")
    page.wait_for_url(f"**/claims/{SUN}")
    keys.press("?")
    assert page.is_visible("#keys")
    keys.press("a")  # not while the help is open
    keys.press("Escape")
    assert not page.is_visible("#keys") and log(folder) == []
    keys.press("a")
    assert log(folder) == []  # one key alone decides nothing
    keys.press("Enter")
    page.wait_for_selector(".done")
    keys.press("e")
    keys.type(" More words, among them a, e and r.")
    keys.press("Escape")
    assert not page.is_visible("#edit form")
    keys.press("e")
    assert page.input_value("#edit textarea[name=text]").endswith("a, e and r.")
    for _ in range(3):
        keys.press("Tab")
    keys.type("By keyboard.")
    keys.press("Control+Enter")
    page.wait_for_url(f"**/claims/{SCREEN}?done=2")
    keys.press("r")
    keys.type("Not so.")
    keys.press("Tab")
    keys.press("Enter")
    page.wait_for_url(f"**/claims/{LOST}?done=3")
    keys.press("a")
    keys.type("The abstract says it in other words.")
    keys.press("Control+Enter")
    page.wait_for_url(f"**/claims/{RETRACTED}?done=4")
    keys.press("l")
    page.wait_for_url("**/claims")
    assert [(c, a) for _, c, a in log(folder)] == [(SUN, "approve"), (SUN_TOO, "edit"), (SCREEN, "reject"), (LOST, "approve")]


def test_without_javascript_everything_works(folder, address, person):
    page = person(ADA, address, java_script_enabled=False)
    page.select_option("select[name=disease]", "ACK")
    page.click(".filters button")
    assert page.locator("a.row").count() == 4
    page.click("a.row >> nth=0")
    page.click("#approve button")
    assert "Approved and kept" in page.inner_text(".done")
    page.click("#edit summary")
    page.fill("#edit textarea[name=text]", "Other words.")
    page.fill("#edit textarea[name=reason]", "No script.")
    page.click("#edit button")
    page.click("#reject summary")
    page.fill("#reject textarea", "No script.")
    page.click("#reject button")
    page.click("#approve summary")
    page.fill("#approve textarea", "Fine all the same.")
    page.click("#approve button")
    assert [action for *_, action in log(folder)] == ["approve", "edit", "reject", "approve"]
    page.click("text=Help")
    assert "What is asked of you" in page.inner_text("main")


def test_filters_answer_at_once_and_an_ended_session_leads_to_the_sign_in(folder, address, person):
    page = person(ADA, address)
    page.evaluate("window.stays = true")
    page.select_option("select[name=flag]", "any")
    page.wait_for_selector(".found:has-text('4 claims')")
    assert page.evaluate("window.stays") and "flag=any" in page.url
    assert page.evaluate("Object.keys(localStorage).length") == 0  # nothing of the page stays in the browser
    with contextlib.closing(sqlite3.connect(folder.review, isolation_level=None)) as raw:
        raw.execute("UPDATE session SET expires = 0")
    page.select_option("select[name=flag]", "none")
    page.wait_for_url("**/sign-in")


def test_on_a_phone_nothing_is_cut_off_and_fingers_can_hit_it(folder, address, person):
    page = person(ADA, address, viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True)
    for path in ("/claims", f"/claims/{FLAGGED}", f"/claims/{LOST}", "/progress", "/help", f"/claims/{SUN}/history"):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    page.goto(f"{address}/claims/{FLAGGED}")
    bar = page.locator(".bar").bounding_box()
    assert bar["y"] + bar["height"] <= 701
    for button in page.locator(".bar .button").all():
        assert button.bounding_box()["height"] >= 44
    page.tap("#reject summary")
    page.fill("#reject textarea", "On the train.")
    page.tap("#reject button")
    page.wait_for_selector(".done")
    assert log(folder) == [(ADA, FLAGGED, "reject")]


def test_script_in_whatever_others_wrote_does_not_run(tmp_path, person):
    article = Article("evil", EVIL, ((EVIL, f"{EVIL} was said."),), url="javascript:alert(4)", journal=EVIL, types=(EVIL,))
    one = claim("BCC/smoke", f"{EVIL}:m", EVIL, "raises", "weak", [("evil", EVIL)], [("x" + EVIL, EVIL)])
    other = claim("BCC/smoke", "b:m", f"{EVIL}2", "lowers", "weak", [("evil", EVIL)])
    one["counterparts"] = [other["id"]]
    one["disease_name"] = EVIL
    folder = make_folder(tmp_path, [one, other], [article])
    add_people(folder, *PEOPLE)
    with serve(folder.path) as (address, _):
        ada, ben, cyd = (person(name, address) for name in PEOPLE)
        for page in (ada, ben):
            page.goto(f"{address}/claims/{one['id']}")
            page.click("#reject summary" if page is ada else "#edit summary")
            if page is ben:
                page.fill("#edit textarea[name=text]", f"{EVIL} edited")
            part = page.locator("#reject" if page is ada else "#edit")
            part.locator("textarea[name=reason]").fill(EVIL)
            part.locator("button").click()
            page.wait_for_selector(".done")
        for path in (
            "/claims",
            "/claims?words=%3Cscript%3E",
            f"/claims/{one['id']}",
            f"/claims/{one['id']}/history",
            "/progress",
        ):
            cyd.goto(address + path)
            assert cyd.evaluate("window.hit") is None
            assert cyd.locator("main script, main svg, main img").count() == 0
            assert cyd.locator("a[href^='javascript' i]").count() == 0
        cyd.goto(f"{address}/claims")
        cyd.select_option("select[name=flag]", "any")  # the same through htmx
        cyd.wait_for_selector(".found:has-text('1 claim')")
        assert EVIL in cyd.inner_text("a.row") and cyd.evaluate("window.hit") is None


def test_a_page_that_gets_script_in_all_the_same_is_not_let_run_it(address, chromium):
    """The second line of defence: the content security policy."""
    page = chromium.new_page()
    sign_in(page, address, ADA)
    told = []
    page.on("console", lambda message: told.append(message.text))
    page.evaluate("""() => {
        const s = document.createElement('script'); s.textContent = 'window.hit = 1'; document.body.append(s);
        document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.hit=2"><p style="color:red">');
        const far = document.createElement('img'); far.src = 'http://127.0.0.2:9/x.png'; document.body.append(far); }""")
    page.wait_for_timeout(300)
    assert page.evaluate("window.hit") is None
    assert sum("Content Security Policy" in text for text in told) >= 3
    page.close()


def test_a_page_of_another_site_cannot_decide_for_whoever_is_signed_in(folder, address, chromium):
    """From another port, so that even a strict cookie is sent along."""
    fields = "<input name=action value=approve>"
    send = "<script>document.forms[0].submit()</script>"
    form = f'<form method=post action="{address}/claims/{SUN}">{fields}</form>{send}'
    frame = f'<iframe src="{address}/claims/{SUN}"></iframe>'

    class Attack(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((frame if "frame" in self.path else form).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Attack)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    attack = f"http://127.0.0.1:{server.server_port}"
    page = chromium.new_page()
    sign_in(page, address, ADA)
    page.goto(attack)
    page.wait_for_url(f"{address}/**")
    assert "sent from another site; nothing was changed" in page.inner_text("body")
    page.goto(f"{attack}/frame")
    page.wait_for_load_state()
    assert "Outdoor" not in page.frames[-1].content() and "Your decision" not in page.frames[-1].content()
    page.close()
    server.shutdown()
    server.server_close()
    assert log(folder) == []


def test_a_wrong_passphrase_is_told_and_the_name_stays(address, person):
    page = person(None, address)
    sign_in(page, address, ADA, "wrong wrong wrong")
    assert page.inner_text(".notice") == "The name or the passphrase is wrong."
    assert page.input_value("input[name=name]") == ADA and page.input_value("input[name=passphrase]") == ""
    assert re.search(r"/sign-in$", page.url)
