"""What the review page looks like in a real Chromium, at a desk and on a phone."""

import pytest

from scripts.review.browser import sign_in
from scripts.review.example import ADA, FLAGGED, LOST, SUN
from tests.corpus.review.conftest import in_a_browser

pytestmark = in_a_browser
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
