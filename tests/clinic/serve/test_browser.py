"""The page as a clinician uses it: the command in a process of its own, a real Chromium, at a desk and on a phone."""

import os

import pytest

from scripts.draw_case import ask, fill, serve
from tests.corpus.review.conftest import in_a_browser
from tests.corpus.review.test_screens import FAINT, NAMELESS

pytestmark = in_a_browser
SCREENS = {
    "desk": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"},
}


@pytest.fixture(scope="module")
def served(bundle, tmp_path_factory):
    """The page's address, its process, and the temporary folder that it is given."""
    folder = tmp_path_factory.mktemp("of_the_server")
    with serve(bundle, environment=os.environ | {"TMPDIR": str(folder)}) as (address, process):
        yield address, process, folder


@pytest.mark.parametrize("screen", SCREENS)
def test_a_case_is_typed_answered_and_explained(served, person, case, screen):
    address, _, _ = served
    row, (view, file) = case
    page = person(None, address, **SCREENS[screen])
    page.goto(address)
    fill(page, {"age": row["age"], "trauma": row["trauma"], "diabetes": "yes"}, {view: file})
    assert page.locator(".chosen img").count() == 1
    ask(page)
    assert "The patient has diabetes." in page.inner_text(".answer .said")
    page.click("#why > button")
    page.wait_for_selector("#why table")
    assert page.locator("#why img").evaluate_all("all => all.map(e => e.naturalWidth > 100)") == [True, True]
    assert page.evaluate("document.documentElement.scrollWidth") <= SCREENS[screen]["viewport"]["width"]
    assert page.evaluate(FAINT) == [] and page.evaluate(NAMELESS) == []
    page.emulate_media(media="print")
    assert not page.is_visible("#case") and page.is_visible(".answer") and page.is_visible(".warning")


def test_photographs_add_up_and_a_changed_case_says_so(served, person, case):
    address, _, _ = served
    _, (view, file) = case
    page = person(None, address)
    page.goto(address)
    chosen, camera = (page.locator(f"input[name='photograph:{view}']").nth(n) for n in (0, 1))
    for field in (chosen, camera):
        field.set_input_files(file)
    page.evaluate(  # as if it were dropped
        """view => {
            const files = new DataTransfer();
            files.items.add(new File(['no picture'], 'notes.png', { type: 'image/png' }));
            const zone = document.querySelector(`input[name='photograph:${view}']`).closest('.zone');
            zone.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
        }""",
        view,
    )
    assert page.locator(".chosen img").count() == 3
    page.click("#case button[type=submit]")
    page.wait_for_selector("#answer .notice")
    assert "The photograph 3 of case 1 cannot be decoded" in page.inner_text("#answer") and page.locator(".answer").count() == 0
    page.click("[aria-label='Remove photograph 3']")
    ask(page)
    assert not page.is_visible(".changed")
    page.fill("[name='of:age']", "50")
    assert page.is_visible(".changed") and page.is_disabled("#why > button")
    ask(page)
    page.wait_for_selector("#answer:not(.stale)")
    assert "50 years" in page.inner_text(".said")
    kept = page.evaluate("Object.values(localStorage).concat(Object.values(sessionStorage))")
    assert kept == ["/"], "the page's own path, of htmx"
    page.click("button[type=reset]")
    assert page.locator(".chosen img, .answer").count() == 0


def test_the_command_leaves_nothing_behind(served):
    _, process, folder = served
    process.terminate()
    said = process.communicate(timeout=120)[0]
    assert list(folder.iterdir()) == []
    assert "The page was closed: 4 answers, 2 explanations, 0 refused, 0 faults." in said and "POST" not in said
