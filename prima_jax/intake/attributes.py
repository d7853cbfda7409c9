"""Guesses the kind of each further column of a cohort, and the sentence that says its value."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prima_jax.intake.guess import FEWEST, Guesses, known_values
from prima_jax.intake.words import NO, TOLD_LATE, VISIBLE, YES
from prima_jax.studies.study import YES_NO, as_said

__all__ = ["Guessed", "guess_attributes"]

_MOST_VALUES = 20


@dataclass(frozen=True)
class Guessed:
    """An attribute's keys, and why they are so."""

    keys: dict[str, Any]
    reason: str


def guess_attributes(found: Guesses) -> tuple[list[Guessed], list[str]]:
    """Returns the attributes, and the columns that are left out; adds the decimal sign and words for yes and no."""
    columns = [column for column in found.rows[0] if column not in found.taken] if found.rows else []
    counts = {column: known_values(found.rows, column) for column in columns}
    if _commas(counts):
        found.say("decimal", ",", "numbers are written so")
    said = {word for values in counts.values() if _answers(values) for word in values if as_said(word) not in YES_NO}
    for key, words in (("yes", YES), ("no", NO)):
        own = tuple(sorted(word for word in said if as_said(word) in words))
        if own:
            found.say(key, own, "columns with no other answers have these")
    guessed = {column: _guessed(found, column, counts[column]) for column in columns}
    attributes = [one for one in guessed.values() if one]
    visible = [one for one in attributes if VISIBLE.search(one.keys["column"]) and one.keys.get("shown", True)]
    for one in visible or [one for one in attributes if one.keys.get("shown", True)][:1]:
        one.keys["visual"] = True
    return attributes, [column for column, one in guessed.items() if not one]


def _guessed(found: Guesses, column: str, counts: Counter[str]) -> Guessed | None:
    if len(counts) < 2 or _counts_rows(row[column] for row in found.rows):
        return None
    rows = f"{sum(counts.values())} of {len(found.rows)} rows"
    name = re.sub(r"\W+", "_", column).strip("_").lower() or "attribute"
    words = name.replace("_", " ")
    keys: dict[str, Any] = {"name": name, "column": column}
    if _answers(counts):
        keys |= {"kind": "yes_no", "sentence": f"{words}: yes.", "negative": f"{words}: no."}
        reason = f"two answers in {rows}"
    elif all(_is_number(text) for text in counts):
        keys |= {"kind": "number", "sentence": f"The {words} is {{value}}."}
        reason = f"numbers in {rows}"
    elif len(counts) <= _MOST_VALUES:
        keys |= {"kind": "category", "sentence": f"The {words} is {{value}}."}
        rare = sum(len(_subjects(found, column, value)) < FEWEST for value in counts)
        reason = f"{len(counts)} values in {rows}" + (f", {rare} of them of fewer than {FEWEST} subjects" if rare else "")
        if not rare:
            keys["values"] = tuple((value, value) for value in sorted(counts))
    else:
        return None
    if TOLD_LATE.search(column):
        return Guessed(
            keys | {"shown": False}, f"{reason}; not shown to models: its name speaks of what is known with the diagnosis"
        )
    return Guessed(keys, reason)


def _counts_rows(texts: Iterable[str]) -> bool:
    """Returns True for 0, 1, 2, ... or 1, 2, 3, ..., which spreadsheets and data frames put beside their rows."""
    texts = list(texts)
    return any(texts == [str(start + n) for n in range(len(texts))] for start in (0, 1))


def _subjects(found: Guesses, column: str, value: str) -> set[tuple[str, ...]]:
    """Returns who has a value."""
    return {tuple(row[name] for name in found.keys["subject_columns"]) for row in found.rows if row[column] == value}


def _answers(counts: Counter[str]) -> bool:
    """Returns True for one way to say yes and one to say no."""
    said = {as_said(text) for text in counts}
    return len(said) == 2 and len(said & YES) == len(said & NO) == 1


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+([.,]\d+)?", text) is not None


def _commas(counts: dict[str, Counter[str]]) -> bool:
    numbers = [text for values in counts.values() if all(map(_is_number, values)) for text in values]
    return any("," in text for text in numbers) and not any("." in text for text in numbers)
