"""The corpus file of stage 1: its texts, and whether it is a published corpus that physicians have vetted."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prima_jax.errors import UserError
from prima_jax.json_text import parse_json

__all__ = ["Claim", "CorpusFile", "content_hash", "read_corpus"]

HASH_LENGTH = 16
_PUBLISHED = re.compile(rf"corpus-([0-9a-f]{{{HASH_LENGTH}}})\.jsonl")


@dataclass(frozen=True)
class Claim:
    """The effect of an attribute on the probability of a disease, as a line of a corpus states it."""

    disease: str
    """The disease in words."""
    attribute: str
    direction: str
    """raises, lowers, none, conflicting or descriptive."""
    text: str


@dataclass(frozen=True)
class CorpusFile:
    """A corpus as stage 1 reads it."""

    texts: tuple[str, ...]
    sha256: str
    """SHA-256 of the file's bytes, in hexadecimal."""
    published: bool
    """True if its name holds its hash, as written by the step publish of prima_jax.corpus."""
    vetted: bool
    """True if it is published and each of its lines is marked as approved by physicians."""
    claims: tuple[Claim, ...] = ()
    """The claims of the lines that name a disease, an attribute and a direction; unused by stage 1."""


def content_hash(content: bytes) -> str:
    """The hash in the name of a published corpus."""
    return hashlib.sha256(content).hexdigest()[:HASH_LENGTH]


def read_corpus(file: Path, field: str) -> CorpusFile:
    """Reads a JSON Lines file, the texts in its order.

    Raises UserError with the line that is wrong, where there is no text, and for a published corpus that was changed.
    """
    if not file.is_file():
        raise UserError(f"There is no corpus at {file}: set --config.knowledge.corpus to a JSONL file, or to '' for none.")
    try:
        content = file.read_bytes()
        lines = content.decode("utf-8-sig").split("\n")  # not splitlines: JSON may hold other line ends
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as UTF-8 ({error}); save the corpus as JSON lines in UTF-8.") from error
    named = _PUBLISHED.fullmatch(file.name)
    if named and named[1] != content_hash(content):
        raise UserError(
            f"{file} is not as it was published: its content's hash is {content_hash(content)}; get it anew, or rename it."
        )
    rows = [_row(file, number, line, field) for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise UserError(f"{file} holds no text: add some, or set --config.knowledge.corpus to '' for none.")
    return CorpusFile(
        texts=tuple(row[field] for row in rows),
        sha256=hashlib.sha256(content).hexdigest(),
        published=named is not None,
        vetted=named is not None and all(row.get("vetted") is True for row in rows),
        claims=tuple(claim for row in rows for claim in _claims(row, field)),
    )


def _row(file: Path, number: int, line: str, field: str) -> dict[str, Any]:
    row = parse_json(line, f"{file}, line {number},", "each line is one object.")
    if not isinstance(row, dict) or not isinstance(row.get(field), str):
        fields = ", ".join(row) if isinstance(row, dict) else type(row).__name__
        raise UserError(f"{file}, line {number}: expected the text under {field!r}, found {fields}; see knowledge.field.")
    return row


def _claims(row: dict[str, Any], field: str) -> list[Claim]:
    """Returns the claims of a line: a list in a published corpus, the line itself in the synthetic study's."""
    stated = row["claims"] if isinstance(row.get("claims"), list) else [{**row, "text": row[field]}]
    claims = []
    for one in stated:
        claim = one if isinstance(one, dict) else {}
        values = [row.get("disease"), row.get("attribute"), claim.get("direction"), claim.get("text")]
        words = [value for value in values if isinstance(value, str) and value]
        if len(words) == len(values):
            claims.append(Claim(*words))
    return claims
