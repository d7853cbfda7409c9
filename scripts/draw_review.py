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

from tests.corpus.review_browser import CHROMIUM, FLAGS, serve, sign_in
from tests.corpus.review_example import PEOPLE, add_people, example_claims, make_folder

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
            first.goto(address)
            shot(first, "sign_in")
            sign_in(first, address, PEOPLE[0])
            shot(first, "claims")
            decide_differently(first, second, address)
            sign_in(third, address, PEOPLE[2])
            draw_third(third, address)
            dark = browser.new_context(viewport=DESKTOP, color_scheme="dark").new_page()
            sign_in(dark, address, PEOPLE[2])
            dark.goto(f"{address}/claims/{example_claims()[0]['id']}")
            shot(dark, "dark")
            phone = browser.new_context(viewport=PHONE, device_scale_factor=1.5, has_touch=True, is_mobile=True).new_page()
            sign_in(phone, address, PEOPLE[2])
            shot(phone, "phone_claims")
            phone.goto(f"{address}/claims/{example_claims()[4]['id']}")
            shot(phone, "phone_claim")
        browser.close()


def decide_differently(first: Page, second: Page, address: str) -> None:
    """One edits what the other approves; meanwhile their screens are drawn."""
    contradicted, sun = example_claims()[0], example_claims()[2]
    first.goto(f"{address}/claims/{contradicted['id']}")
    shot(first, "claim")
    first.keyboard.press("?")
    shot(first, "keys")
    first.keyboard.press("Escape")
    first.goto(f"{address}/claims/{sun['id']}")
    first.keyboard.press("e")
    first.fill("#edit textarea[name=text]", "Outdoor work in the sun raises the odds of actinic keratosis about threefold.")
    first.fill("#edit textarea[name=reason]", "The abstract speaks of occupational exposure; clearer wording.")
    shot(first, "edit")
    first.click("#edit button[type=submit]")
    shot(first, "kept")
    sign_in(second, address, PEOPLE[1])
    second.goto(f"{address}/claims/{sun['id']}")
    second.keyboard.press("a")
    second.keyboard.press("Enter")
    second.wait_for_selector(".done")


def draw_third(page: Page, address: str) -> None:
    sun = example_claims()[2]["id"]
    page.goto(f"{address}/claims/{sun}")
    shot(page, "third_opinion")
    page.keyboard.press("a")
    page.check("#approve input[name=version] >> nth=0")
    page.fill("#approve textarea[name=reason]", "Occupational is what was studied.")
    shot(page, "third_opinion_decide")
    page.click("#approve button[type=submit]")
    page.goto(f"{address}/claims/{sun}/history")
    shot(page, "history")
    page.goto(f"{address}/progress")
    shot(page, "progress")


def shot(page: Page, name: str) -> None:
    page.wait_for_load_state()
    file = FOLDER / f"{name}.png"
    picture = Image.open(BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    picture.quantize(64, dither=Image.Dither.NONE).save(file, optimize=True)
    assert file.stat().st_size < 150_000, f"{file}: {file.stat().st_size} bytes"


if __name__ == "__main__":
    sys.exit(main())
