"""The corpus folder: one documented file for each step, and how lines are added to one so that a kill loses none."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prima_jax.errors import UserError
from prima_jax.files import write_whole
from prima_jax.json_text import parse_json

__all__ = ["CorpusFolder", "append_line", "read_lines", "write_lines"]

_ANEW = "remove the file and run its step again."


@dataclass(frozen=True)
class CorpusFolder:
    """Where each step writes."""

    path: Path

    @property
    def articles(self) -> Path:
        """Step search: an `ArticleStore`."""
        return self.path / "articles.sqlite"

    @property
    def passages(self) -> Path:
        """Step retrieve: a line per passage, `{"topic", "rank", and the fields of Passage}`."""
        return self.path / "passages.jsonl"

    @property
    def drafts(self) -> Path:
        """Step synthesise: a line per writer and topic, `{"writer", "topic", "claims" or "error", ...}`."""
        return self.path / "drafts.jsonl"

    @property
    def claims(self) -> Path:
        """Step check: a line per claim with its id, writer, topic, offsets of its quotes, flags and counterparts."""
        return self.path / "claims.jsonl"

    @property
    def review(self) -> Path:
        """Step review: reviewers and their decisions, a `ReviewStore`."""
        return self.path / "review.sqlite"

    @property
    def planted(self) -> Path:
        """Step review: wrong claims among the others, of which reviewers are told afterwards; no other step reads them."""
        return self.path / "planted.jsonl"

    @property
    def learned(self) -> Path:
        """Step learn: the trained adapters and the report of what was learned."""
        return self.path / "learned"

    def needs(self, path: Path, step: str) -> Path:
        """`path`, if it is there. Raises UserError that names the step which makes it."""
        if not path.exists():
            raise UserError(f"There is no {path}: run the step {step} first.")
        return path


def append_line(path: Path, row: dict[str, Any]) -> None:
    """Adds one line and makes sure that it is on the disk. A line that a kill cut short is dropped first."""
    line = json.dumps(row, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file that `append_line` or `write_lines` made; none where there is no file, or of a line cut short."""
    if not path.exists():
        return
    with path.open("rb") as file:  # a line may be cut short within a character
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            row = parse_json(line, f"{path}, line {number},", _ANEW)
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}, holds a {type(row).__name__} (expected an object); {_ANEW}")
            yield row


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes a file of rows whole or not at all."""
    write_whole(path, (json.dumps(row, ensure_ascii=False, sort_keys=True).encode() + b"\n" for row in rows))
