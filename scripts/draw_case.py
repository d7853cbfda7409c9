"""Draws docs/clinic/*.png: the case page with an answer and its explanation, at a desk and on a phone.

    python -m scripts.draw_case --model=BUNDLE --study=FOLDER

BUNDLE: of a run of the synthetic study, which lies in FOLDER. Needs Chromium (Debian: apt-get install chromium) and the tests'
requirements.
"""

import argparse
import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from scripts.review.browser import CHROMIUM, FLAGS, ROOT

FOLDER = ROOT / "docs" / "clinic"
DESKTOP, PHONE = {"width": 1180, "height": 1000}, {"width": 390, "height": 844}
KNOWN = ("age", "days_of_symptoms", "contact_lens", "trauma", "hypopyon")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--study", required=True, type=Path)
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    row, photographs = first_case(options.study)
    with serve(options.model) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(viewport=DESKTOP).new_page()
        page.set_default_timeout(600_000)
        page.goto(address)
        fill(page, {name: row[name] for name in KNOWN}, photographs)
        ask(page)
        page.evaluate("scrollTo(0, 0)")
        shot(page, "desk")
        phone = browser.new_context(viewport=PHONE, device_scale_factor=1.5, has_touch=True, is_mobile=True).new_page()
        phone.set_default_timeout(600_000)
        phone.goto(address)
        fill(phone, {name: row[name] for name in KNOWN}, photographs)
        ask(phone)
        phone.evaluate("document.getElementById('answer').scrollIntoView()")
        shot(phone, "phone")
        browser.close()


def first_case(study: Path) -> tuple[dict[str, str], dict[str, Path]]:
    """The first eye of the synthetic study that has all that is to be typed: its row, and its photographs by kind."""
    with (study / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    row = next(row for row in rows if all(row[name] for name in KNOWN))
    same = [one for one in rows if (one["subject"], one["eye"]) == (row["subject"], row["eye"])]
    return row, {one["illumination"]: study / "images" / one["image"] for one in same}


def fill(page: Page, known: dict[str, str], photographs: dict[str, Path]) -> None:
    """Types what is known of a case, and chooses its photographs."""
    for kind, file in photographs.items():
        page.set_input_files(f"input[name='photograph:{kind}'][multiple]", file)
    for name, value in known.items():
        field = page.locator(f"[name='of:{name}']")
        tag = field.first.evaluate("e => e.type")
        if tag == "radio":
            page.check(f"[name='of:{name}'][value={value}]")
        elif tag == "select-one":
            field.select_option(value)
        else:
            field.fill(value)


def ask(page: Page) -> None:
    """Sends the form, and waits for the answer."""
    page.click("#case button[type=submit]")
    page.wait_for_selector(".answer")


@contextmanager
def serve(model: Path, *flags: str, environment: dict[str, str] | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The page's address, and the process that serves it, which is ended at the end."""
    command = [sys.executable, "-c", "import sys; from prima_jax.cli import main; sys.exit(main())"]
    process = subprocess.Popen(
        [*command, "serve", f"--model={model}", "--port=0", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    assert process.stdout is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"http://\S+:\d+", line):
                yield found[0], process
                break
        else:
            raise AssertionError("".join(lines))
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def shot(page: Page, name: str) -> None:
    file = FOLDER / f"{name}.png"
    picture = Image.open(BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)
    assert file.stat().st_size < 200_000, f"{file}: {file.stat().st_size} bytes"


if __name__ == "__main__":
    sys.exit(main())
