"""No value of a patient is told: each cohort that tests make holds a canary, which messages, terminals and reports may not."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from prima_jax.errors import SHOW, UserError
from prima_jax.studies.synthetic import write

__all__ = ["CANARY", "canaries_in", "canaries_watched"]

CANARY = "Xq7canary"
REPORTS = ("report.html", "results.json", "table.*", "history.jsonl", "done.json", "config.json", "*.log")
"""What may be shown to others; predictions.csv, seen.json and what stands beside the photographs may not."""


def refuse(text: str, where: str) -> None:
    assert CANARY not in text or os.environ.get(SHOW) == "1", f"a patient's value in {where}"


def canaries_in(folder: Path) -> list[str]:
    """Returns the reports below the folder that hold one."""
    reports = (file for name in REPORTS for file in folder.rglob(name) if file.is_file())
    return [str(file) for file in reports if CANARY.encode() in file.read_bytes()]


@contextmanager
def canaries_watched() -> Iterator[None]:
    """Inside, a drawn study's subjects begin with a canary, and no message may hold one, nor what a test reads of a terminal or
    of a child process."""
    write_manifest, readouterr, communicate = (
        write._write_manifest,
        pytest.CaptureFixture.readouterr,
        subprocess.Popen.communicate,
    )

    def with_canaries(folder: Path, eyes: list[Any]) -> None:
        write_manifest(folder, eyes)
        file = folder / "manifest.csv"
        file.write_text(file.read_text().replace(",S", f",{CANARY}S"))

    def told(error: UserError, *arguments: object) -> None:
        refuse(" ".join(map(str, arguments)), "a message")
        Exception.__init__(error, *arguments)

    def read(capture: Any) -> Any:
        found = readouterr(capture)
        refuse(str(found), "what was printed")
        return found

    def ended(process: Any, *arguments: Any, **settings: Any) -> Any:
        found = communicate(process, *arguments, **settings)
        texts = [text.decode(errors="replace") if isinstance(text, bytes) else text for text in found if text]
        refuse(" ".join(texts), "what a child process printed")
        return found

    changes: list[tuple[Any, str, Callable[..., Any]]] = [
        (write, "_write_manifest", with_canaries),
        (UserError, "__init__", told),
        (pytest.CaptureFixture, "readouterr", read),
        (subprocess.Popen, "communicate", ended),
    ]
    with pytest.MonkeyPatch.context() as patch:
        for where, name, change in changes:
            patch.setattr(where, name, change)
        yield
