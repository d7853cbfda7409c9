"""Texts as words in one form, so that a claim can be laid beside its quote: inflection, spelling and digits do not count."""

import re
from dataclasses import dataclass
from functools import lru_cache

import Stemmer

from prima_jax.corpus.quotes import fold

__all__ = ["ADDED", "HEDGES", "NEGATORS", "Word", "words_of"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ADDED = _words(
    """a about across again against along also although among an and another are around as at be because been being between
    both but by can did do does due during each either for from had has have having he her here his how however if in into is
    it its itself must namely of on onto or other others our out own per s shall she should since so some such than that the
    their them themselves then there therefore these they this those though through thus to too toward up upon very via was we
    well were what when where whereas which while who whom whose why will with within would yet you your
    according already associated association became become becomes behind bring brings brought called came case cases certain
    come comes compared condition describe described disease effect factor factors form found gave get gets give given gives go
    goes group groups help helps include includes including individual individuals keep keeps kind known linked listed made make
    makes named need needs occur occurs one ones patient patients people person persons related remain remains report reported
    risk see seen show shown shows specific studies study take taken takes type undergoing used versus way went"""
)
"""Words that a writer may add to make a sentence of a fragment. What denies, hedges or says how much is not among them."""
NEGATORS = _words(
    """absence absent cannot except fail failed fails hardly lack lacking lacks neither never no none nor not nothing unable
    unlikely unrelated without"""
)
HEDGES = _words(
    """believed could likely may maybe might occasionally perhaps possible possibly potential potentially presumably probably
    rarely seemingly seldom sometimes suggest suggested suggesting suggests suspected thought unclear usually"""
)
"""Words that make a statement less than certain, or less than general. A claim keeps them."""
_SPELLING = (
    ("aemi", "emi"), ("haem", "hem"), ("oedem", "edem"), ("oesoph", "esoph"), ("rrhoe", "rrhe"), ("paediatr", "pediatr"),
    ("ageing", "aging"), (r"(?<=[a-z]{2})our(?=[seai]|\b)", "or"), (r"(?<=\w{3})([iy])s(?=(?:e[sd]?|ing|ation)\b)", r"\1z"),
    (r"\bnae?v(?:us|i)\b", "nevus"), (r"keratoses\b", "keratosis"), (r"omata\b", "oma"), (r"\bwomen\b", "woman"),
    (r"\bmen\b", "man"), (r"\bchildren\b", "child"), (r"\bcan(?:'t| not)\b", "cannot"), (r"n't\b", " not"),
    (r"\b(?:appear|seem|tend)(?:s|ed)? to\b", "seemingly"),
)  # fmt: skip
_COUNTED = "two three four five six seven eight nine ten eleven twelve"
_NUMBERS = {word: str(n) for n, word in enumerate(_COUNTED.split(), start=2)} | {
    "zero": "0", "twice": "2", "thrice": "3", "half": "50", "first": "1st", "second": "2nd", "third": "3rd",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+\d\w*|(?<!\w)\.\d+|\d+(?:[.,]\d+)*|[^\W\d_]+|[.;:!?](?=\s|$)|\n")
_BREAKS = _words(". ; : ! ? but although though whereas while however") | {"\n"}
_STEM = Stemmer.Stemmer("english")


@dataclass(frozen=True)
class Word:
    """One word of a text."""

    text: str
    """In lower case and plain spelling."""
    stem: str
    """The form in which words are compared; "1,250.0" and "1250" are one number, and "two" is 2."""
    clause: int
    """Which clause it stands in: clauses end at full stops, colons, semicolons, and words such as "but"."""

    @property
    def is_number(self) -> bool:
        return self.stem[0].isdigit()


@lru_cache(maxsize=256)
def words_of(text: str) -> tuple[Word, ...]:
    """The words and numbers of a text, in order; hyphens separate words."""
    text = fold(text)
    for pattern, plain in _SPELLING:
        text = re.sub(pattern, plain, text)
    words: list[Word] = []
    clause = 0
    for found in _WORD.findall(text):
        if found in _BREAKS:
            clause += 1
        else:
            words.append(Word(found, _stem(found), clause))
    return tuple(words)


def _stem(word: str) -> str:
    word = _NUMBERS.get(word, word)
    plain = word.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", word) else word
    if re.fullmatch(r"\d*\.?\d+", plain):
        return f"{float(plain):.10g}"
    return _STEM.stemWord(word)
