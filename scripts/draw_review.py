"""Draws docs/review/*.png: a picture of each screen of the review page, with invented claims.

    python -m scripts.draw_review

Needs Chromium (Debian: apt-get install chromium) and the tests' requirements.
"""

import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from scripts.review.browser import CHROMIUM, FLAGS, serve, sign_in
from scripts.review.example import FLAGGED as CONTRADICTED
from scripts.review.example import LOST, PEOPLE, SCREEN, SUN, add_people, make_folder

FOLDER = Path(__file__).parents[1] / "docs" / "review"
DESKTOP, PHONE = {"width": 1180, "height": 860}, {"width": 390, "height": 780}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = make_folder(Path(place))
        add_people(folder, *PEOPLE)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with serve(folder.path) as (address, _):
            first, second, third = (browser.new_context(viewport=DESKTOP).new_page() for _ in PEOPLE)
            draw_reading(first, address)
            decide_differently(first, second, address)
            sign_in(third, address, PEOPLE[2])
            phone = browser.new_context(viewport=PHONE, device_scale_factor=1.5, has_touch=True, is_mobile=True).new_page()
            draw_phone(phone, address)
            draw_third(third, address)
            dark = browser.new_context(viewport=DESKTOP, color_scheme="dark").new_page()
            sign_in(dark, address, PEOPLE[2])
            dark.goto(f"{address}/claims/{CONTRADICTED}")
            shot(dark, "dark")
        browser.close()


def draw_reading(page: Page, address: str) -> None:
    page.goto(address)
    shot(page, "sign_in")
    sign_in(page, address, PEOPLE[0])
    shot(page, "claims")
    page.select_option("select[name=flag]", "any")
    page.wait_for_selector(".found:has-text('4 claims')")
    shot(page, "flagged")
    page.goto(f"{address}/claims/{CONTRADICTED}")
    shot(page, "claim")
    page.keyboard.press("?")
    shot(page, "keys")
    page.goto(f"{address}/help")
    shot(page, "help")
    page.goto(f"{address}/claims/another")
    shot(page, "message")


def draw_phone(page: Page, address: str) -> None:
    sign_in(page, address, PEOPLE[2])
    shot(page, "phone_claims")
    page.goto(f"{address}/claims/{SCREEN}")
    shot(page, "phone_claim")
    page.tap("#edit summary")
    shot(page, "phone_edit")
    page.goto(f"{address}/claims/{SUN}")
    shot(page, "phone_third_opinion")


def decide_differently(first: Page, second: Page, address: str) -> None:
    """One edits what the other approves; meanwhile their screens are drawn."""
    first.goto(f"{address}/claims/{SCREEN}")
    shot(first, "one_writer")
    first.keyboard.press("4")
    shot(first, "common_reasons")
    first.goto(f"{address}/claims/{LOST}")
    first.keyboard.press("r")
    first.fill("#reject textarea", "The abstract does not describe how it looks.")
    shot(first, "reject")
    first.click("#reject button")
    first.wait_for_selector(".done")
    first.goto(f"{address}/claims/{LOST}")
    shot(first, "rejected")
    first.goto(f"{address}/claims/{SUN}")
    first.keyboard.press("e")
    right = "Outdoor work in the sun raises the odds of actinic keratosis about threefold."
    first.fill("#edit textarea[name=text]", right.replace("about threefold", "3.4 times"))
    first.fill("#edit textarea[name=reason]", "The abstract speaks of occupational exposure; clearer wording.")
    shot(first, "edit")
    first.click("#edit button[type=submit]")
    shot(first, "edit_checked")
    first.fill("#edit textarea[name=text]", right)
    first.click("#edit button[type=submit]")
    shot(first, "kept")
    sign_in(second, address, PEOPLE[1])
    second.goto(f"{address}/claims/{SUN}")
    second.keyboard.press("a")
    second.keyboard.press("Enter")
    second.wait_for_selector(".done")


def draw_third(page: Page, address: str) -> None:
    page.goto(f"{address}/claims/{SUN}")
    shot(page, "third_opinion")
    page.keyboard.press("a")
    page.check("#approve input[name=version] >> nth=0")
    page.fill("#approve textarea[name=reason]", "Occupational is what was studied.")
    shot(page, "third_opinion_decide")
    page.click("#approve button[type=submit]")
    page.goto(f"{address}/claims/{SUN}/history")
    shot(page, "history")
    page.goto(f"{address}/progress")
    shot(page, "progress")
    page.goto(f"{address}/paragraphs")
    shot(page, "paragraphs")


def shot(page: Page, name: str) -> None:
    page.wait_for_load_state()
    file = FOLDER / f"{name}.png"
    picture = Image.open(BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)
    assert file.stat().st_size < 150_000, f"{file}: {file.stat().st_size} bytes"


if __name__ == "__main__":
    sys.exit(main())
