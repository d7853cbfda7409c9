"""The review page as physicians use it: a real server in a process of its own, a real Chromium, real clicks and keys.

What a page says and refuses is in test_app.py and test_security.py, over HTTP; here is what takes a browser.
"""

import contextlib
import sqlite3
import time

from prima_jax.corpus.folder import write_lines
from prima_jax.corpus.review.store import ReviewStore
from scripts.review.browser import serve, sign_in
from scripts.review.example import ADA, BEN, FLAGGED, FLAGGED_TOO, LOST, RETRACTED, SCREEN, SUN, SUN_TOO, example_claims
from tests.corpus.review.conftest import in_a_browser

pytestmark = in_a_browser


def log(folder):
    with ReviewStore(folder.review) as store:
        assert store.verify() == len(store.decisions())
        return [(d.who, d.claim, d.action) for d in store.decisions()]


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
    keys.press("w")
    assert page.locator(".abstract[open]").count() == page.locator(".abstract").count() > 0
    keys.press("w")
    assert page.locator(".abstract[open]").count() == 0
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
    keys.type(" 57 words, among them a, e and r.")
    keys.press("Escape")
    assert not page.is_visible("#edit form")
    keys.press("e")
    assert page.input_value("#edit textarea[name=text]").endswith("a, e and r.")
    for _ in range(3):
        keys.press("Tab")
    keys.type("By keyboard.")
    keys.press("Control+Enter")
    page.wait_for_selector(".notice:has-text('The checks flag your words')")
    assert log(folder) == [(ADA, SUN, "approve")]
    keys.press("e")  # with what was typed: it is right all the same
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


def test_a_reload_loses_nothing_of_what_was_being_written(folder, address, person):
    page = person(ADA, address)
    page.goto(f"{address}/claims/{SUN}")
    page.keyboard.press("e")
    page.fill("#edit textarea[name=text]", "Half of an edit")
    page.select_option("#edit select[name=strength]", "weak")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.fill("#reject textarea", "Half of a reason")
    for leave in (page.reload, lambda: (page.goto(f"{address}/progress"), page.goto(f"{address}/claims/{SUN}"))):
        leave()
        assert page.is_visible("#edit textarea[name=text]")
        assert page.input_value("#edit textarea[name=text]") == "Half of an edit"
        assert page.input_value("#edit select[name=strength]") == "weak"
        assert page.input_value("#reject textarea") == "Half of a reason"
    page.goto(f"{address}/claims/{SCREEN}")
    assert page.input_value("#reject textarea") == "" and not page.is_visible("#reject textarea")
    page.goto(f"{address}/claims/{SUN}")
    page.click("#reject summary")
    page.click("#reject button")
    page.wait_for_selector(".done")
    page.goto(f"{address}/claims/{SUN}")  # decided: what was begun before is not offered again
    assert page.input_value("#reject textarea") == "" and not page.is_visible("#edit textarea[name=text]")
    assert log(folder) == [(ADA, SUN, "reject")]


def test_what_one_began_is_not_shown_to_the_next_at_the_same_machine(address, person):
    page = person(ADA, address)
    page.goto(f"{address}/claims/{SUN}")
    page.keyboard.press("r")
    page.fill("#reject textarea", "Ada's half of a reason")
    sign_in(page, address, BEN)  # without having signed out
    page.goto(f"{address}/claims/{SUN}")
    assert page.input_value("#reject textarea") == ""
    sign_in(page, address, ADA)
    page.goto(f"{address}/claims/{SUN}")
    assert page.input_value("#reject textarea") == "Ada's half of a reason"
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in")
    assert "half" not in page.evaluate("JSON.stringify(sessionStorage) + JSON.stringify(localStorage)")


def test_forty_claims_go_by_two_keys_each(folder, person):
    """With a direction that is changed, rejections for common reasons, a sentence under two topics, and two planted claims."""
    one = example_claims()[2] | {"counterparts": [], "agreement": "single"}
    claims = [one | {"id": f"c-{n:016x}", "text": f"Of {n} outdoor workers more had actinic keratosis."} for n in range(40)]
    claims[39] |= {"text": claims[38]["text"], "topic": "ACK/pesticide", "attribute": "pesticide", "attribute_name": "pesticide"}
    write_lines(folder.claims, claims)
    pressed = 0
    with serve(folder.path) as (address, _):
        page = person(ADA, address, viewport={"width": 1180, "height": 860})
        began = time.monotonic()
        for keys in (("j", "Enter"), *(KEYS.get(n, ("a", "Enter")) for n in range(41))):
            before = page.url
            for key in keys:
                page.keyboard.press(key)
            pressed += len(keys)
            page.wait_for_url(lambda url, before=before: url != before)
            page.wait_for_load_state()
        seconds = time.monotonic() - began
        assert "All done" in page.inner_text("#list")
        page.goto(f"{address}/progress")
        assert page.inner_text("h2 >> nth=0").startswith("Wrong on purpose: ")
    with ReviewStore(folder.review) as store:
        assert store.verify() == len(store.decisions()) == 42
        assert len({d.claim for d in store.decisions()}) == 42
    print(f"\n40 claims and 2 planted ones: {pressed} keys, {seconds:.0f} seconds, {seconds / 42:.1f} for each")
    assert pressed <= 2.2 * 42


KEYS = {5: ("1", "Enter"), 11: ("4", "Enter"), 17: ("8", "Enter"), 23: ("d", "d", "d", "d", "Enter")}
"""What is pressed on some claims instead of approving them."""
