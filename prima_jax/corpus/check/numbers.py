"""The numbers that a text states, in one form, so that 1·24, 1.24 and "one third" and 33% can be compared."""

import re

from prima_jax.corpus.quotes import fold

__all__ = ["NUMBER_WORDS", "numbers", "ordinals"]

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: str(n) for n, word in enumerate(_ONES)} | {word: str(10 * n) for n, word in enumerate(_TENS, start=2)}
_FRACTIONS = {
    "half": "50", "third": "33", "quarter": "25", "fifth": "20", "twice": "2", "double": "2", "doubled": "2", "doubles": "2",
    "thrice": "3", "triple": "3", "tripled": "3", "hundred": "100", "thousand": "1000", "million": "1000000", "dozen": "12",
}  # fmt: skip
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
NUMBER_WORDS = frozenset(_WORDS) | frozenset(_FRACTIONS)
"""Numbers in words."""
_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:[,\s]\d{3})+(?:\.\d+)?(?![\w,]*\d)|(?<![a-z\d.])\d+(?:\.\d+)?|(?<![\w])\.\d+", re.I)


_AS_FRACTION = re.compile(r"\b(?:an?|one|two|three) (third|quarter|fifth)s?\b")
_AS_SHARE = re.compile(r"\bone(?= (?:in|out of|of every|of \d)|[- ](?:third|quarter|fifth|half))")


def numbers(text: str, *, words: bool = False, claimed: bool = False) -> set[str]:
    """The numbers in `text`, without trailing zeros; with `words` also those that are written out.

    Digits inside a name (BRAF V600, miR-659) count as well: a claim that changes one is about something else. With
    `claimed`, "one" counts only as part of a share ("one in ten"), and "a third" only as a fraction.
    """
    folded = fold(text)
    found = {_plain(match.group()) for match in _NUMBER.finditer(folded)}
    found |= {_plain(match) for match in re.findall(r"(?<=[a-z])\d+", folded)}
    if words or claimed:
        for word in re.findall(r"[a-z]+", folded):
            if claimed and word in ("one", "third", "quarter", "fifth"):
                continue
            if word in _WORDS or word in _FRACTIONS:
                found.add(_WORDS.get(word) or _FRACTIONS[word])
    if claimed:
        found |= {_FRACTIONS[match] for match in _AS_FRACTION.findall(folded)}
        found |= {"1"} if _AS_SHARE.search(folded) else set()
    return found


def ordinals(text: str) -> set[str]:
    """The places in a row that `text` states: "the second most common", "a 3rd operation"; a third as a share is none."""
    folded = _AS_FRACTION.sub(" ", fold(text))
    found = {word for word in re.findall(r"[a-z]+", folded) if word in _ORDINALS}
    return found | {_ORDINALS[int(place) - 1] for place in re.findall(r"\b([1-9]|10)(?:st|nd|rd|th)\b", folded)}


def _plain(number: str) -> str:
    digits = re.sub(r"[,\s]", "", number)
    return f"{float(digits):.10g}"
