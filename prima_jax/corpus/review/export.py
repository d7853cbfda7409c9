"""All claims with their state and decisions, as CSV for a spreadsheet or as JSON Lines."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.review.claims import Catalogue
from prima_jax.corpus.review.decisions import Decision, by_claim, outcome
from prima_jax.corpus.review.store import ReviewStore
from prima_jax.errors import UserError
from prima_jax.files import write_whole

__all__ = ["as_csv", "as_jsonl", "rows", "to_file", "visible"]

_CLAIM = ("id", "topic", "disease_name", "attribute", "writer", "family", "text", "direction", "strength", "agreement")
COLUMNS = (*_CLAIM, "flags", "articles", "state", "final_text", "final_direction", "final_strength", "decided_by", "decisions")
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_CELLS = re.compile(r"(?<=[;\t\r\n])")
"""Where, in the many countries whose spreadsheets part cells at semicolons, another cell begins."""


def to_file(config: ConfigDict, folder: CorpusFolder, file: Path) -> str:
    """Writes `file`, a .csv or .jsonl, whole or not at all. Raises UserError for another ending or an unwritable place.

    Nor does it replace a file that a step has written.
    """
    if file.suffix not in (".csv", ".jsonl"):
        raise UserError(f"The export's file ends in .csv or .jsonl, not as {file.name!r}; choose one of them.")
    own = (folder.articles, folder.passages, folder.drafts, folder.claims, folder.planted, folder.review)
    if file.resolve() in [path.resolve() for path in own] or (
        file.resolve().parent == folder.path.resolve() and file.name.startswith("corpus-")
    ):
        raise UserError(f"{file} is a file of the corpus folder's own steps, which an export would replace; choose another name.")
    claims = list(Catalogue(folder).claims().values())
    with ReviewStore(folder.needs(folder.review, "review")) as store:
        store.verify()
        found = rows(claims, store.decisions(), config.review.reviewers)
    content = as_csv(found) if file.suffix == ".csv" else as_jsonl(found)
    write_whole(file, content)
    return f"{len(found)} claims with their decisions: {file}."


def rows(
    claims: Iterable[Mapping[str, Any]], decisions: Iterable[Decision], needed: int, reader: str | None = None
) -> list[dict[str, Any]]:
    """A row per claim. A `reader` who is a reviewer does not find others' opinions before they may see them."""
    decided = by_claim(decisions)
    return [_row(claim, decided.get(claim["id"], []), needed, reader) for claim in claims]


def visible(claim: Mapping[str, Any], decisions: Sequence[Decision], needed: int, reader: str | None) -> list[Decision]:
    """The decisions that a reviewer may see with the names of who made them: their own, and all once the claim is settled."""
    if reader is not None and outcome(claim, decisions, needed).state in ("open", "third_opinion"):
        return [d for d in decisions if d.who == reader]
    return list(decisions)


def as_jsonl(found: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found).encode(errors="replace")


def as_csv(found: Iterable[Mapping[str, Any]]) -> bytes:
    """With a byte-order mark, as spreadsheets want it, and nothing that one of them would take for a formula."""
    text = io.StringIO(newline="")
    table = csv.writer(text, quoting=csv.QUOTE_ALL)
    table.writerow(COLUMNS)
    for row in found:
        flags, articles = (f["code"] for f in row["flags"]), dict.fromkeys(c["article"] for c in row["citations"])
        cells = {
            **row,
            "flags": " ".join(flags),
            "articles": " ".join(articles),
            "decided_by": "; ".join(row["decided_by"]),
            "decisions": " | ".join(map(_told, row["decisions"])),
        }
        table.writerow([_cell(cells[column]) for column in COLUMNS])
    return text.getvalue().encode("utf-8-sig", errors="replace")


def _row(claim: Mapping[str, Any], decisions: Sequence[Decision], needed: int, reader: str | None) -> dict[str, Any]:
    now = outcome(claim, decisions, needed)
    seen = visible(claim, decisions, needed, reader)
    return {
        **{key: claim[key] for key in _CLAIM},
        "flags": claim["flags"],
        "citations": claim["citations"],
        "counterparts": claim["counterparts"],
        "state": now.state,
        "final_text": now.text if now.state == "approved" else "",
        "final_direction": now.direction if now.state == "approved" else "",
        "final_strength": now.strength if now.state == "approved" else "",
        "decided_by": [who for who in now.reviewers if who in {d.who for d in seen}],
        "decisions": [asdict(d) for d in seen],
    }


def _told(decision: Mapping[str, Any]) -> str:
    changed = f" to {decision['after']['text']!r}" if decision["action"] == "edit" else ""
    reason = f": {decision['reason']}" if decision["reason"] else ""
    return f"{decision['at']} {decision['who']} {decision['action']}{changed}{reason}"


def _cell(value: Any) -> str:
    return "".join(f"'{part}" if _is_formula(part) else part for part in _CELLS.split(str(value)))


def _is_formula(text: str) -> bool:
    return text.lstrip(' "\t\r\n').startswith(_FORMULA) or text.startswith(("\t", "\r"))
