"""A real server in a process of its own, and a real browser, for the tests of the review page and its pictures."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.review.example import PASSPHRASE

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).parents[2]
_SERVE = """
import sys
from pathlib import Path
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.review.serve import run
from scripts.review.example import CONFIG, STUDY
config = CONFIG.copy_and_resolve_references()
config.review.port = int(sys.argv[2])
print(run(config, STUDY, CorpusFolder(Path(sys.argv[1]))), flush=True)
"""


@contextmanager
def serve(folder: Path, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The page's address, and the process that serves it, which is ended at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(folder), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+:\d+", line)
        assert found, line + process.stdout.read()
        yield found[0], process
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def sign_in(page: "Page", address: str, name: str, passphrase: str = PASSPHRASE) -> None:
    page.goto(f"{address}/sign-in")
    page.fill("input[name=name]", name)
    page.fill("input[name=passphrase]", passphrase)
    page.click("button[type=submit]")
    page.wait_for_load_state()
