"""The card of a published corpus, in words."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

__all__ = ["card_text"]


class _Markdown(str):
    """A cell that is Markdown already."""


def card_text(card: Mapping[str, Any]) -> str:
    """The card as Markdown; everything in it is in the card's JSON as well."""
    return "\n".join(
        [
            f"# {card['corpus']}",
            "",
            f"Knowledge corpus for the study {card['study']}: {card['texts']} texts. {_vetting(card)}",
            "",
            "Use it: `--config.knowledge.corpus=" + card["corpus"] + ".jsonl`. The name holds the SHA-256 of the content;",
            "a file that was changed is refused.",
            "",
            "## Claims",
            "",
            *_table(("state", "claims"), sorted(card["claims"].items())),
            *_retracted(card["retracted"]),
            *_agreement(card),
            "## Reviewers",
            "",
            *_reviewers(card["reviewers_stated"]),
            "## Writers",
            "",
            *_table(
                ("writer", "model", "topics", "claims", "failed", "tokens in", "tokens out", "cost"),
                [_writer(one) for one in card["writers"]],
            ),
            "## Flags of the checks",
            "",
            *(_table(("flag", "claims"), card["flags"].items()) if card["flags"] else ["None.", ""]),
            "## Rejected",
            "",
            *_rejected(card["rejected"]),
            *_unfit(card["paragraphs_rejected"]),
            *_found("Searches", card["searches"], ("query", "hits", "day")),
            *_found("Files read", card["files"], ("file", "articles", "day")),
            "## Sources",
            "",
            "Abstracts belong to their publishers. Where the licence is unknown, the sentences copied from an abstract may not",
            "be handed on; identifiers and offsets may.",
            "",
            *_table(
                ("article", "title", "year", "type", "licence"),
                [_source(source) for source in card["sources"]],
            ),
        ]
    )


def _vetting(card: Mapping[str, Any]) -> str:
    who = ", ".join(f"{count} of role {role}" for role, count in card["reviewers"].items())
    needed = card["reviewers_needed"]
    if card["vetted"]:
        return f"Every claim was approved by physicians, and every text read by one ({who}; {needed} decisions for each claim)."
    if card["paragraphs"].get("unread"):
        return f"**Not vetted**: nobody has read {card['paragraphs']['unread']} of the texts as a whole ({who})."
    return f"**Not vetted**: not everybody who approved is a physician ({who})."


def _reviewers(stated: Sequence[Mapping[str, str]]) -> list[str]:
    """A row per person, without names, which stay in review.sqlite."""
    rows = [
        (
            one["role"],
            *(one[key] or "not stated" for key in ("qualification", "conflicts")),
            f"{one['planted_caught']} of {one['planted_caught'] + one['planted_missed']}",
            "not seen" if one["seconds_per_claim"] is None else f"{one['seconds_per_claim']:g}",
        )
        for one in stated
    ]
    columns = ("role", "qualification", "conflicts of interest", "planted claims caught", "median seconds per claim")
    return _table(columns, rows)


def _retracted(articles: Sequence[str]) -> list[str]:
    told = f"- Retracted after their claims were approved, which are left out: {', '.join(map(_cell, articles))}"
    return [told] if articles else []


def _agreement(card: Mapping[str, Any]) -> list[str]:
    told = []
    for who, what in (("families", "of the two families' directions"), ("reviewers", "of two reviewers' first decisions")):
        value, pairs = card[f"kappa_{who}"], card["pairs"][who]
        figure = f"{value:.2f}" if value is not None else "undefined"
        told.append(f"- Cohen's kappa {what}: {figure} ({pairs} pairs)")
    return [*told, ""]


def _writer(one: Mapping[str, Any]) -> tuple[Any, ...]:
    tokens = (one.get("input_tokens", 0), one.get("output_tokens", 0))
    cost = f"{one['cost']:.2f}" if "cost" in one else "not known"
    return (one["writer"], ", ".join(one.get("model", [])), one["topics"], one["claims"], one["failed"], *tokens, cost)


def _source(one: Mapping[str, Any]) -> tuple[Any, ...]:
    return (_link(one["article"], one["url"]), one["title"], one["year"] or "", ", ".join(one["types"]), one["licence"])


def _found(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *_table(columns, [[row[column] for column in columns] for row in rows])] if rows else []


def _rejected(rejected: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rejected:
        return ["None.", ""]
    rows = [(r["id"], r["topic"], r["writer"], ", ".join(r["flags"]), "; ".join(r["reasons"])) for r in rejected]
    return _table(("claim", "topic", "writer", "flags", "reasons"), rows)


def _unfit(paragraphs: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(one["disease"], one["attribute"] or "the disease as a whole", "; ".join(one["reasons"])) for one in paragraphs]
    return (
        ["Texts of approved claims that a reader rejected:", "", *_table(("disease", "factor", "reasons"), rows)] if rows else []
    )


def _table(header: Sequence[str], rows: Any) -> list[str]:
    body = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return ["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *body, ""] if body else []


def _link(words: str, url: str) -> _Markdown:
    """A link where the address is that of a web page; whoever wrote a record chose it."""
    try:
        is_page = urlsplit(url).scheme in ("http", "https")
    except ValueError:
        is_page = False
    return _Markdown(f"[{_cell(words)}]({quote(url, safe=_IN_ADDRESSES)})" if is_page else _cell(words))


_IN_ADDRESSES = ":/?#@!$&'*+,;=%~-._"


def _cell(value: Any) -> str:
    """As it stands, on one line: titles, reasons and names come from others, and are no Markdown."""
    if isinstance(value, _Markdown):
        return value
    plain = " ".join(str(value).split())
    return re.sub(r"([\\`*\[\]<>|~])", r"\\\1", plain.replace("&", "&amp;"))
