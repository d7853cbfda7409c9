"""Where a quote stands in an abstract, whatever a writer made of its dashes, quotation marks and spaces."""

import unicodedata
from functools import lru_cache
from typing import NamedTuple

__all__ = ["find_quote", "fold"]

_SAME = {
    **dict.fromkeys("‐‑‒–—―−﹣-", "-"),
    **dict.fromkeys("‘’‚‛′`´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    "·": ".",  # The Lancet's decimal point
    "…": "...",
}
_UNSEEN = {"\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff"}


class _Folded(NamedTuple):
    text: str
    offsets: list[int]
    """For each character of `text`, where it came from; one more for the end."""


def fold(text: str) -> str:
    """`text` in the form in which quotes are compared: NFKC, lower case, plain dashes and quotation marks, single spaces."""
    return _fold(text).text


def find_quote(quote: str, abstract: str) -> tuple[int, int] | None:
    """Offsets `(start, end)` of a quote in an abstract, None where it does not occur."""
    needle, hay = fold(quote), _fold(abstract)
    if not needle:
        return None
    found = hay.text.find(needle)
    if found < 0:
        return None
    return hay.offsets[found], hay.offsets[found + len(needle) - 1] + 1


@lru_cache(maxsize=64)  # a writer quotes the same article several times
def _fold(text: str) -> _Folded:
    characters: list[str] = []
    offsets: list[int] = []
    for position, character in enumerate(text):
        if character in _UNSEEN:
            continue
        for plain in unicodedata.normalize("NFKC", _SAME.get(character, character)).lower():
            plain = _SAME.get(plain, plain)
            if plain.isspace():
                if not characters or characters[-1] == " ":
                    continue
                plain = " "
            characters.append(plain)
            offsets.append(position)
    if characters and characters[-1] == " ":
        characters.pop()
        offsets.pop()
    return _Folded("".join(characters), offsets)
