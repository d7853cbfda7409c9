"""The notes under a table: how its figures were measured, and their limits."""

import itertools
from collections.abc import Mapping
from statistics import mean
from typing import Any

from prima_jax.report.captions import caption
from prima_jax.report.published import published_notes, published_table

__all__ = ["notes"]


def notes(results: Mapping[str, Any]) -> list[str]:
    """Returns the notes under a table: how its figures were measured, and their limits."""
    sentences = caption(results)
    seeds = results["seeds"]
    if len(seeds) > 1:
        sentences.append(
            f"Seeds {', '.join(map(str, seeds))}, each with folds of its own; SD over seeds is that of their means of macro F1."
        )
    sentences += _seen(results)
    sentences += _tokens_after_stages(results)
    sentences.append(
        "Trained: millions of parameters, the most in any fold, of all stages that the row needs; what two stages train counts "
        "twice; what scikit-learn fits is not counted."
    )
    sentences.append(
        "Minutes: all folds of one seed as if the row stood alone, though stages that rows share were trained once; without the "
        "features of frozen encoders that another row had computed. Rows that ran at the same time slowed each other. Memory: "
        "the largest of a row's process."
    )
    sentences += [f"{row['title']}: {row['note']}." for row in results["methods"].values() if row.get("note")]
    if known := published_table(results):
        notes_of_rows = published_notes(known)
        sentences += notes_of_rows if results["table"] in (0, known.number) else notes_of_rows[:1]
    return sentences


def _seen(results: Mapping[str, Any]) -> list[str]:
    """Returns the inputs of each row at test time: a row with fewer inputs is not a worse method for scoring less."""
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
    """Returns the score of a logistic regression on the image tokens after each stage; names a stage that lowers it."""
    stages = {"frozen_tokens": "as they began", "aligned_tokens": "after alignment", "refined_tokens": "after refinement"}
    by_stage = {name: mean(results["methods"][name]["macro_f1"]) for name in stages if name in results["methods"]}
    if len(by_stage) < 2:
        return []
    figures = ", ".join(f"{stages[name]} {100 * value:.1f}" for name, value in by_stage.items())
    sentences = [f"Macro F1 of a logistic regression on the image encoder's tokens: {figures}."]
    for before, after in itertools.pairwise(by_stage):
        if by_stage[after] < by_stage[before]:
            stage = stages[after].removeprefix("after ").upper()
            lost = 100 * (by_stage[before] - by_stage[after])
            sentences.append(f"{stage} LEFT THE IMAGE TOKENS WORSE than it found them, by {lost:.1f} points of that macro F1.")
    return sentences
