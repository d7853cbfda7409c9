"""Texts as sequences of words in one form, so that a claim can be laid beside its quote: inflection and spelling do not count."""

import re
from dataclasses import dataclass
from functools import lru_cache

import Stemmer

from prima_jax.corpus.quotes import fold

__all__ = ["FUNCTION_WORDS", "Word", "is_number", "names_disease", "related", "stem", "words_of"]

FUNCTION_WORDS = frozenset({
    "a", "about", "across", "again", "against", "along", "also", "although", "among", "an", "and",
    "another", "anyone", "are", "around", "as", "at", "be", "because", "been", "being", "beside", "besides",
    "between", "both", "but", "by", "can", "could", "did", "do", "does", "doing", "due", "during", "each", "either", "for",
    "from", "had", "has", "have", "having", "he", "her", "here", "his", "how", "however", "i", "if", "in", "into", "is",
    "it", "its", "itself", "may", "might", "must", "namely", "of", "on", "onto", "or", "other", "others", "our", "out",
    "own", "per", "shall", "she", "should", "since", "so", "some", "someone", "such", "than", "that",
    "the", "their", "them", "themselves", "then", "there", "therefore", "these", "they", "this", "those", "though",
    "through", "thus", "to", "too", "toward", "up", "upon", "very", "via", "was", "we", "well", "were", "what",
    "when", "where", "whereas", "which", "while", "who", "whom", "whose", "why", "will", "with", "within", "would", "yet",
    "you", "your",
})  # fmt: skip
"""Words that carry no matter of their own. What denies, hedges, or says how much is not among them, or is looked at apart."""

_STEM = Stemmer.Stemmer("english")
_WORD = re.compile(r"[^\W\d_]+\d\w*|\d+(?:[.,]\d+)*|[^\W\d_]+(?:n't|'[a-z]+)?|[%<>=≥≤]|[.;:!?()\[\],]|(?<=\s)-(?=\s)|\n")
_BOUNDARY = frozenset(".;:!?\n-")
_BREAK = frozenset(",()[]")
_SPELLING = (
    (r"aemia", "emia"), (r"oedem", "edem"), (r"oesoph", "esoph"), (r"haem", "hem"), (r"naev", "nev"), (r"tumour", "tumor"),
    (r"colour", "color"), (r"behaviour", "behavior"), (r"favour", "favor"), (r"(\w{3})is(e[sd]?|ing|ation)$", r"\1iz\2"),
    (r"(\w{3})ys(e[sd]?|ing)$", r"\1yz\2"), (r"ageing", "aging"), (r"grey", "gray"), (r"centre", "center"),
    (r"metre", "meter"), (r"seborrhoe", "seborrhe"), (r"paediatr", "pediatr"),
)  # fmt: skip
_IRREGULAR = {
    "nevi": "nevus", "nuclei": "nucleus", "fungi": "fungus", "metastases": "metastasis", "women": "woman", "men": "man",
    "children": "child", "teeth": "tooth", "feet": "foot", "died": "die", "dying": "die", "dies": "die", "grew": "grow",
    "grown": "grow", "growth": "grow", "arose": "arise", "arisen": "arise", "rose": "rise", "risen": "rise",
    "fell": "fall", "fallen": "fall", "found": "find", "led": "lead", "kept": "keep", "seen": "see", "saw": "see",
    "taken": "take", "took": "take", "given": "give", "gave": "give", "known": "know", "shown": "show", "thought": "think",
    "became": "become", "began": "begin", "begun": "begin", "spent": "spend", "lost": "lose", "loss": "lose",
    "made": "make", "held": "hold", "less": "less", "lies": "lie", "got": "get", "gotten": "get", "bled": "bleed",
    "older": "old", "oldest": "old", "younger": "young", "youngest": "young", "thicker": "thick", "thinner": "thin",
    "larger": "large", "largest": "large", "wider": "wide", "widest": "wide", "bigger": "big", "biggest": "big",
    "earlier": "early", "later": "late", "darker": "dark", "lighter": "light", "weakened": "weak", "weaken": "weak",
    "weakens": "weak", "thickness": "thick", "redness": "red", "commoner": "common", "commonest": "common",
    "rarer": "rare", "rarely": "rare", "likelier": "likely", "mm": "millimeter", "cm": "centimeter", "mg": "milligram",
    "hr": "hazardratio", "ci": "confidenceinterval", "inherited": "inherit", "inheritance": "inherit",
    "heredity": "inherit", "hereditary": "inherit", "diagnosis": "diagnose", "diagnoses": "diagnose",
}  # fmt: skip
_DISEASES = re.compile(r"(?:oma|omata|osi|kerat[oi]s|iti|emia|emi|ectomi|plasti)$")
"""Stems of diseases and operations: those that begin alike are not related."""


@dataclass(frozen=True)
class Word:
    """One word of a text."""

    text: str
    """As written, in lower case."""
    stem: str
    clause: int
    """Which clause it stands in: clauses end at full stops, colons, semicolons and dashes."""
    part: int
    """Which part of the text it stands in: parts end at commas and brackets, too."""


@lru_cache(maxsize=256)  # every rule asks for the words of the same claim and quotes
def words_of(text: str) -> tuple[Word, ...]:
    """The words and numbers of a text, in order; hyphens separate words."""
    words: list[Word] = []
    clause = part = 0
    for match in _WORD.finditer(fold(text.replace("\n", " ; "))):
        found = match.group()
        if found in _BOUNDARY:
            clause, part = clause + 1, part + 1
        elif found in _BREAK:
            part += 1
        else:
            words.append(Word(found, stem(found), clause, part))
    return tuple(words)


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """The form in which words are compared; plurals, tenses and British spelling are gone from it."""
    if word[0].isdigit():
        plain = word.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", word) else word
        return f"{float(plain):.10g}" if re.fullmatch(r"\d+(?:\.\d+)?", plain) else plain
    word = word.removesuffix("'s").strip("'")
    for pattern, plain in _SPELLING:
        word = re.sub(pattern, plain, word)
    word = _IRREGULAR.get(word, word)
    return _STEM.stemWord(word)


def is_number(word: Word) -> bool:
    """Whether a word is written in digits."""
    return word.text[0].isdigit()


def related(one: str, other: str) -> bool:
    """Whether two stems are of one family: protect and protection, sun and sunlight; but not melanoma and melanocyte."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if short[0].isdigit() or names_disease(one) or names_disease(other):
        return False
    shared = 0
    while shared < len(short) and short[shared] == long[shared]:
        shared += 1
    return shared >= 5 and len(short) - shared <= 3 and len(long) - shared <= 4


def names_disease(stem: str) -> bool:
    """Whether a stem looks like the name of a disease or an operation."""
    return _DISEASES.search(stem) is not None
