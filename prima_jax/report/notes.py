"""How the figures of a table came about, and what limits them: the sentences under it."""

import itertools
from collections.abc import Mapping
from statistics import mean
from typing import Any

from prima_jax.report.captions import caption
from prima_jax.report.published import published_notes, published_table

__all__ = ["notes"]


def notes(results: Mapping[str, Any]) -> list[str]:
    """How the figures came about, and what limits them."""
    said = caption(results)
    seeds = results["seeds"]
    if len(seeds) > 1:
        said.append(
            f"Seeds {', '.join(map(str, seeds))}, each with folds of its own; SD over seeds is that of their means of macro F1."
        )
    said += _seen(results)
    said += _tokens_after_stages(results)
    said.append(
        "Trained: millions of parameters, the most in any fold, of all stages that the row needs; what two stages train counts "
        "twice; what scikit-learn fits is not counted."
    )
    said.append(
        "Minutes: all folds of one seed as if the row stood alone, though stages that rows share were trained once; without the "
        "features of frozen encoders that another row had computed. Rows that ran at the same time slowed each other. Memory: "
        "the largest of a row's process."
    )
    said += [f"{row['title']}: {row['note']}." for row in results["methods"].values() if row.get("note")]
    if known := published_table(results):
        notes_of_rows = published_notes(known)
        said += notes_of_rows if results["table"] in (0, known.number) else notes_of_rows[:1]
    return said


def _seen(results: Mapping[str, Any]) -> list[str]:
    """What reaches each row's answer at test time: a row that sees less is no worse method for scoring less."""
    titles: dict[tuple[str, ...], list[str]] = {}
    for row in results["methods"].values():
        titles.setdefault(tuple(row.get("sees", ())), []).append(row["title"])
    words = {
        ("images", "metadata"): "photographs and metadata",
        ("images",): "photographs alone",
        ("metadata",): "metadata alone",
    }
    parts = [f"{words[seen]}: {'; '.join(titles[seen])}" for seen in words if seen in titles]  # titles have commas
    return [f"Seen at test. {'. '.join(part[0].upper() + part[1:] for part in parts)}."] if parts else []


def _tokens_after_stages(results: Mapping[str, Any]) -> list[str]:
    """What each stage has made of the image tokens, by a logistic regression; a stage that left them worse is named."""
    stages = {"frozen_tokens": "as they began", "aligned_tokens": "after alignment", "refined_tokens": "after refinement"}
    found = {name: mean(results["methods"][name]["macro_f1"]) for name in stages if name in results["methods"]}
    if len(found) < 2:
        return []
    figures = ", ".join(f"{stages[name]} {100 * value:.1f}" for name, value in found.items())
    said = [f"Macro F1 of a logistic regression on the image encoder's tokens: {figures}."]
    for before, after in itertools.pairwise(found):
        if found[after] < found[before]:
            stage = stages[after].removeprefix("after ").upper()
            lost = 100 * (found[before] - found[after])
            said.append(f"{stage} LEFT THE IMAGE TOKENS WORSE than it found them, by {lost:.1f} points of that macro F1.")
    return said
