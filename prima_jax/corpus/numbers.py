"""The numbers that a text states, in one form, so that 1·24, 1.24 and "one third" and 33% can be compared."""

import re

from prima_jax.corpus.quotes import fold

__all__ = ["numbers"]

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
_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:[,\s]\d{3})+(?:\.\d+)?(?![\w,]*\d)|(?<![a-z\d.])\d+(?:\.\d+)?|(?<![\w])\.\d+", re.I)


def numbers(text: str, *, words: bool = False) -> set[str]:
    """The numbers in `text`, without trailing zeros; with `words` also those that are written out.

    Digits inside a name (BRAF V600, miR-659) count as well: a claim that changes one is about something else.
    """
    folded = fold(text)
    found = {_plain(match.group()) for match in _NUMBER.finditer(folded)}
    found |= {_plain(match) for match in re.findall(r"(?<=[a-z])\d+", folded)}
    if words:
        for word in re.findall(r"[a-z]+", folded):
            if word in _WORDS or word in _FRACTIONS:
                found.add(_WORDS.get(word) or _FRACTIONS[word])
    return found


def _plain(number: str) -> str:
    digits = re.sub(r"[,\s]", "", number)
    return f"{float(digits):.10g}"
