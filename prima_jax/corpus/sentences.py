"""Where the sentences of an abstract begin and end, by rules: the same text gives the same offsets on every machine.

A full stop ends a sentence unless it belongs to a number, an abbreviation, an initial or a bracket. In doubt the text stays
whole, since half a sentence is worse evidence than two.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

__all__ = ["split_sentences"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEVER_LAST = _words(
    "e.g i.e eg ie vs cf viz dr drs prof mr mrs ms st fig figs eq eqs ref refs tab suppl approx ca vol pp ed eds incl"
)
"""Abbreviations after which something has to follow."""
BEFORE_NUMBER = _words("no nos p chap sec")
"""Words of their own, unless a number follows."""
SELDOM_LAST = _words("al sp spp ssp subsp var etc inc ltd co corp dept univ resp jr sr hr hrs min mo wk yr yrs")
"""Abbreviations that may also end a sentence: they do where a word follows that often begins one."""
STARTERS = _words(
    """a after all although among an and another as at background because before besides both but by compared conclusion
    conclusions conversely data despite discussion due during each early evidence few finally findings first for four from further
    furthermore given here high how however if importantly in interestingly it its many methods moreover most multiple no none
    nonetheless objective of on one only other our overall patients people recent results several since six so some study studies
    such taken ten that the their then there therefore these they this those three through thus to together two under
    unlike until using we what when where whereas whether which while who with within without"""
)
NAMED_BY_LETTER = _words("vitamin vitamins hepatitis group groups type types class grade stage arm cohort factor panel")
"""Words whose capital letter is no initial: "stores vitamin D. Melanin ..."."""
LONGEST_BRACKET = 400
"""Characters; a bracket still open after so many is a slip of the pen, or an enumeration's "a)"."""

# Both patterns begin with a set of characters, to which `re` skips: splitting takes a third of the time.
_END = re.compile(r"""[.?!…](?<![.?!…].)(?:[.?!…]*+["'”’»)\]]*+(?=\s)|(?<=[a-z]{4}\.)(?=[A-Z][a-z]))""")
_BULLET = re.compile(r"[-–](?<=\s.)\s+(?=(\S))|[•▪](?<=\s.)\s*(?=(\S))")
_BEFORE_BULLET = re.compile(r"""[\w.:?!)"”]""")
_WORD_BEFORE = re.compile(r"[^\s()\[\]{}\"“‘]+$")
_NEXT_WORD = re.compile(r"[\w'’-]*")
_MIXED = re.compile(r"[a-z]+[-]?(?:[A-Z]|\d)")
_MARKER = re.compile(r"[(\[]?(?:\d{1,2}|[A-Za-z]|[ivx]{1,4})[.)]+")
_SPACE = re.compile(r"\s*")
_BRACKET = re.compile(r"[()\[\]]")
_CLOSES = {")": "(", "]": "["}


def split_sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of each sentence, in order, without the space around it; none reaches over a line's end."""
    spans = []
    start = 0
    for line in text.split("\n"):
        spans += [(start + a, start + b) for a, b in _trimmed(line)]
        start += len(line) + 1
    return spans


def _trimmed(line: str) -> Iterator[tuple[int, int]]:
    cuts = [0, *_cuts(line), len(line)]
    for start, end in pairwise(cuts):
        part = line[start:end]
        left = len(part) - len(part.lstrip())
        if left < len(part):
            yield start + left, start + len(part.rstrip())


def _cuts(line: str) -> list[int]:
    """Offsets at which a new sentence begins, increasing."""
    bullets = _bullets(line)
    brackets = _brackets(line)
    cuts = []
    begin = passed = 0
    for match in _END.finditer(line):
        cut = match.end()
        while passed < len(bullets) and bullets[passed] <= match.start():
            begin = bullets[passed]
            passed += 1
        if not _inside(cut - 1, brackets) and _ends(line, begin, match):
            cuts.append(cut)
            begin = cut
    return sorted({*bullets, *cuts} - {0, len(line)})


def _ends(line: str, begin: int, match: re.Match[str]) -> bool:
    """Does the sentence that began at `begin` end with this mark?"""
    if _MARKER.fullmatch(line[begin : min(begin + 20, match.end())].strip()):  # "2." of an enumeration
        return False
    if not match[0].startswith("."):
        following = _SPACE.match(line, match.end()).end()  # type: ignore[union-attr]  # it matches nothing as well
        return _can_begin(line[following : following + 40])
    following = line[match.end() : match.end() + 60].lstrip()
    if not following:
        return False
    return _can_begin(following) and not _abbreviates(line[max(begin, match.start() - 60) : match.start()], following, match[0])


def _can_begin(text: str) -> bool:
    """Not: "vs. placebo", "et al. [12]", "(95% CI ...)"; but: "miR-21 was ...", "p53 was ..."."""
    first = text[:1]
    if first in "([":
        return text[1:2].isupper()
    if first in "\"'“‘«":
        return text[1:2].isupper() or text[1:2].isdigit()
    if first.islower():
        return _MIXED.match(text) is not None
    return first.isalnum() or first in "≥≤<>~±-–"


def _abbreviates(before: str, following: str, mark: str) -> bool:
    """Is the mark, a full stop, part of the word before it?"""
    found = _WORD_BEFORE.search(before)
    if found is None or mark.startswith(".."):
        return False
    word = found[0]
    plain = word.lower().rstrip(".")
    if plain in NEVER_LAST:
        return True
    if plain in BEFORE_NUMBER and following[:1].isdigit():
        return plain != "p" or word == "p"
    next_word = _NEXT_WORD.match(following)
    starts = next_word is not None and next_word[0].lower() in STARTERS and next_word[0][:1].isupper()
    if plain in SELDOM_LAST or re.fullmatch(r"(?:[A-Za-z]{1,3}\.)+[A-Za-z]{1,3}", word):  # U.S., Ph.D., a.m.
        return not starts
    if len(word) == 1 and word.isupper():  # an initial, or the name of a vitamin or a group
        previous = before[: found.start()].split()[-1:]
        return not (starts or (previous and previous[0].lower() in NAMED_BY_LETTER))
    return False


def _bullets(line: str) -> list[int]:
    """Where the items of a list begin that was written into one line, at their hyphens: "Causes - Sun - Age"."""
    found = []
    passed = 0
    for match in _BULLET.finditer(line):
        start = _end_of_words(line, match.start())
        if start < passed or not (match[2] or (start and _BEFORE_BULLET.match(line, start - 1))):
            continue
        passed = match.end()
        if match[2] or match[1].isupper() or line[start - 1] in ".:?!":
            found.append(start)
    # A hyphen between words is a dash; two before capitals are a list.
    return found if len(found) > 1 else [cut for cut in found if line[cut - 1] in ".:?!"]


def _end_of_words(line: str, before: int) -> int:
    """Step by step: a copy of all that stands before each bullet would take time by the square of the line's length."""
    while before and line[before - 1].isspace():
        before -= 1
    return before


def _brackets(line: str) -> list[tuple[int, int]]:
    """The outermost closed brackets, in order."""
    opened: dict[str, list[int]] = {"(": [], "[": []}
    pairs = []
    for match in _BRACKET.finditer(line):
        if match[0] in opened:
            opened[match[0]].append(match.start())
        elif opened[_CLOSES[match[0]]]:
            start = opened[_CLOSES[match[0]]].pop()
            if match.start() - start <= LONGEST_BRACKET:
                pairs.append((start, match.start()))
    outermost: list[tuple[int, int]] = []
    for start, end in sorted(pairs):
        if not outermost or start > outermost[-1][1]:
            outermost.append((start, end))
    return outermost


def _inside(position: int, brackets: list[tuple[int, int]]) -> bool:
    found = bisect_right(brackets, (position, position)) - 1
    return found >= 0 and position < brackets[found][1]
