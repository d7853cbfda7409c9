"""What the review page looks like in a real Chromium, at a desk and on a phone; and that nothing typed is ever lost."""

import csv
import io
import json
import sqlite3
from pathlib import Path

import pytest
from playwright.sync_api import Error

from prima_jax.corpus import __main__ as command
from prima_jax.corpus.review.store import ReviewStore
from scripts.review.browser import CHROMIUM, FLAGS, serve, sign_in
from scripts.review.example import ADA, BEN, CYD, FLAGGED, LOST, PEOPLE, SCREEN, SUN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"NO BROWSER: {CHROMIUM} is missing; apt-get install chromium"),
]
DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SCREENS = ("/claims", f"/claims/{FLAGGED}", f"/claims/{LOST}", f"/claims/{SUN}", f"/claims/{SUN}/history", "/progress", "/help")
# Text whose contrast with what lies behind it is under 4.5 (WCAG 2.2, 1.4.3, AA); see-through layers are put together.
FAINT = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, below) => below.map((c, n) => (top[n] * top[3] + c * (255 - top[3])) / 255);
  const light = (c) => c.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  const luminance = (c) => { const [r, g, b] = light(c); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(rgba(getComputedStyle(e).backgroundColor));
    return layers.reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.closest('.skip')) continue;
    let opacity = 1;
    for (let e = element; e; e = e.parentElement) opacity *= getComputedStyle(e).opacity;
    const back = behind(element), colour = rgba(getComputedStyle(element).color);
    colour[3] *= opacity;
    const [a, b] = [luminance(over(colour, back)), luminance(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${walker.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return faint;
}"""
NAMELESS = """() => {
  const named = (e) => [e.labels?.[0]?.textContent.replace(e.textContent, ''), e.matches('textarea, select') ? '' : e.textContent,
    e.getAttribute('aria-label'), e.querySelector('img')?.alt].some((words) => words?.trim());
  const controls = 'input:not([type=hidden]), select, textarea, button, a[href], summary';
  return [...document.querySelectorAll(controls)].filter((e) => !named(e)).map((e) => e.outerHTML);
}"""
COVERED = """() => {
  const a = document.activeElement, bar = document.querySelector('.bar');
  if (a === document.body || bar.contains(a)) return null;
  const box = a.getBoundingClientRect();
  return box.bottom > bar.getBoundingClientRect().top || box.top < 0 ? a.outerHTML : null;
}"""

RINGED = "document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle === 'solid'"
REFILL = "(form, old) => Object.entries(old).forEach(([name, value]) => { form.elements[name].value = value })"


@pytest.fixture
def address(folder):
    with serve(folder.path) as (found, _):
        yield found


def decisions(folder):
    with ReviewStore(folder.review) as store:
        return [(d.who, d.claim, d.action) for d in store.decisions()]


def test_who_was_added_at_the_command_line_signs_in_and_reads(folder, address, person, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("five invented words at random\n"))
    config = Path(command.__file__).parents[2] / "configs" / "corpus.py"
    assert command.main([f"--config={config}", f"--folder={folder.path}", "reviewer", "Dr. New Example"]) == 0
    page = person(None, address)
    sign_in(page, address, "Dr. New Example")
    assert page.inner_text(".notice") == "The name or the passphrase is wrong."
    sign_in(page, address, "Dr. New Example", "five invented words at random")
    assert page.inner_text(".who .name") == "Dr. New Example" and page.locator("a.row").count() == 7


def test_claim_and_source_and_the_two_families_stand_side_by_side_and_on_a_phone_below_each_other(address, person):
    for options, side_by_side in ((DESK, True), (PHONE, False)):
        page = person(ADA, address, **options)
        page.goto(f"{address}/claims/{FLAGGED}")
        this, other = page.locator(".family.this").bounding_box(), page.locator(".others .family").first.bounding_box()
        quoted = page.locator(".family.this blockquote mark").bounding_box()
        assert this["x"] < quoted["x"] and quoted["y"] < this["y"] + this["height"]
        if side_by_side:
            assert quoted["y"] + quoted["height"] < page.locator(".bar").bounding_box()["y"]  # in sight without scrolling
            assert this["y"] == other["y"] and this["x"] + this["width"] < other["x"]
        else:
            assert this["y"] + this["height"] <= other["y"] and this["x"] == other["x"]


@pytest.mark.parametrize(("options", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk-light", "phone-dark"])
def test_every_text_can_be_read_and_every_control_has_a_name(address, person, options, scheme):
    page = person(None, address, color_scheme=scheme, **options)
    page.goto(f"{address}/sign-in")
    for path in (None, *SCREENS):
        if path:
            if path == SCREENS[0]:
                sign_in(page, address, ADA)
            page.goto(address + path)
        for part in page.locator(".bar details").all():
            part.locator("summary").click()
            assert page.evaluate(FAINT) == [], path
        assert page.evaluate(FAINT) == [], path
        assert page.evaluate(NAMELESS) == [], path
        assert page.locator("h1").count() == 1 and page.get_attribute("html", "lang") == "en"


def test_what_has_the_focus_is_never_under_the_bar_and_is_ringed(address, person):
    page = person(ADA, address, **DESK)
    page.goto(f"{address}/claims/{FLAGGED}")
    page.keyboard.press("w")  # long abstracts
    seen = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(COVERED) is None
        seen.add(page.evaluate("document.activeElement.outerHTML.slice(0, 200)"))
        assert page.evaluate(RINGED)
    assert len(seen) > 12


def test_who_wants_no_motion_gets_none(address, person):
    for wish, moves in (("reduce", False), ("no-preference", True)):
        page = person(ADA, address, reduced_motion=wish)
        assert (page.evaluate("getComputedStyle(document.querySelector('a.row')).transitionDuration") != "0s") == moves


def test_a_click_opens_a_form_with_the_cursor_in_it_and_a_key_shows_the_abstracts(address, person):
    page = person(ADA, address, **DESK)
    page.goto(f"{address}/claims/{FLAGGED}")
    page.click("#reject summary")
    page.wait_for_function("document.activeElement.name === 'reason'")
    page.keyboard.type("w and a are but letters here")
    assert page.input_value("#reject textarea") == "w and a are but letters here"
    assert page.locator(".abstract[open]").count() == 0
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    assert page.locator(".abstract[open]").count() == page.locator(".abstract").count() == 3
    page.keyboard.press("w")
    assert page.locator(".abstract[open]").count() == 0


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
    assert decisions(folder) == [(ADA, SUN, "reject")]


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


def test_a_database_that_fails_while_somebody_writes_is_told_and_the_words_are_still_there(folder, address, person):
    page = person(ADA, address)
    page.goto(f"{address}/claims/{SUN}")
    page.keyboard.press("r")
    page.fill("#reject textarea", "A long reason")
    raw = sqlite3.connect(folder.review, isolation_level=None)
    raw.execute("CREATE TRIGGER full BEFORE INSERT ON decision BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")
    page.click("#reject button")
    assert "cannot be used just now" in page.inner_text(".notice") and page.input_value("textarea") == "A long reason"
    raw.execute("DROP TRIGGER full")
    raw.close()
    page.goto(f"{address}/claims/{SUN}")
    assert page.input_value("#reject textarea") == "A long reason"
    page.click("#reject button")
    page.wait_for_selector(".done")
    assert decisions(folder) == [(ADA, SUN, "reject")]


def test_a_forged_and_a_replayed_form_are_told_and_change_nothing(folder, address, person):
    page = person(ADA, address)
    page.goto(f"{address}/claims/{SUN}")
    for field in ("form", "basis"):
        page.goto(f"{address}/claims/{SUN}")
        page.eval_on_selector(f"#approve input[name={field}]", "(field) => { field.value = 'forged' }")
        page.click("#approve button")
        assert "not valid; nothing was changed" in page.inner_text(".notice")
    assert decisions(folder) == []
    page.goto(f"{address}/claims/{SUN}")
    old = page.eval_on_selector("#approve", "(form) => Object.fromEntries(new FormData(form))")
    page.click("#approve button")
    page.wait_for_selector(".done")
    page.goto(f"{address}/claims/{SUN}")
    page.eval_on_selector("#approve", REFILL, old)
    page.click("#approve button")
    assert "already been sent" in page.inner_text(".notice")
    assert decisions(folder) == [(ADA, SUN, "approve")]


def test_progress_counts_what_was_done_and_both_exports_hold_it(folder, address, person):
    ada, ben = person(ADA, address, **PHONE), person(BEN, address)
    ada.goto(f"{address}/claims/{SUN}")
    ada.tap("#approve button")
    ada.wait_for_selector(".done")
    ada.goto(f"{address}/claims/{SCREEN}")
    ada.tap("#edit summary")
    ada.fill("#edit textarea[name=text]", "Sunscreen lowers it.")
    ada.fill("#edit textarea[name=reason]", "Shorter.")
    ada.tap("#edit button")
    ada.wait_for_selector(".done")
    ben.goto(f"{address}/claims/{SUN}")
    ben.click("#approve button")
    ben.wait_for_selector(".done")
    ada.goto(f"{address}/progress")
    assert [one.inner_text() for one in ada.locator(".figures b").all()] == ["5", "1", "1", "0"]
    assert "2 of 7 done by you or settled" in ada.inner_text("main > .progress")
    assert ada.get_attribute("main > .progress progress", "value") == "2"
    assert ada.locator("tr:has-text('actinic keratosis') .number").all_inner_texts() == ["2", "1"]
    found = {}
    for kind in ("CSV", "JSON Lines"):
        with ada.expect_download() as waiting:
            ada.tap(f".exports >> text={kind}")
        found[waiting.value.suggested_filename] = Path(waiting.value.path()).read_text("utf-8-sig")
    lines = [json.loads(line) for line in found["claims.jsonl"].splitlines()]
    table = list(csv.DictReader(io.StringIO(found["claims.csv"])))
    assert [one["state"] for one in lines] == [one["state"] for one in table]
    assert [one["state"] for one in lines].count("approved") == 1
    assert next(one for one in lines if one["id"] == SUN)["decided_by"] == [ADA, BEN]


def test_a_third_opinion_on_a_phone(folder, address, person):
    ada, ben, cyd = (person(name, address, **PHONE) for name in PEOPLE)
    ada.goto(f"{address}/claims/{SUN}")
    ada.tap("#approve button")
    ada.wait_for_selector(".done")
    ben.goto(f"{address}/claims/{SUN}")
    ben.tap("#reject summary")
    ben.fill("#reject textarea", "One review only.")
    ben.tap("#reject button")
    ben.wait_for_selector(".done")
    cyd.goto(f"{address}/claims/{SUN}")
    assert "One review only." in cyd.inner_text(".opinions") and BEN not in cyd.content()
    cyd.tap("#approve summary")
    cyd.tap("#approve .pick >> nth=0")
    cyd.tap("#approve button")
    cyd.wait_for_selector(".done")
    assert decisions(folder)[-1] == (CYD, SUN, "approve")


def test_it_works_where_no_name_is_known_but_this_machine(address, chromium):
    """A browser without any way out: what the page needs, it brings along."""
    way_out = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=[*FLAGS, way_out])
    page = browser.new_page()
    failed = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    sign_in(page, address, ADA)
    page.select_option("select[name=flag]", "any")
    page.wait_for_selector(".found:has-text('4 claims')")
    assert failed == [] and page.evaluate("typeof htmx") == "object"
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://example.org")
    browser.close()
