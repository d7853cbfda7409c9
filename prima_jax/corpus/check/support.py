"""Which words of a claim its sources do not bear out.

A writer is asked to keep to the passage's own words, so that whatever is new in a claim was either put there to make a
sentence of a fragment, or made up. Inflections, spellings, a few synonyms and the article's own abbreviations are not new.
"""

import re
from collections.abc import Mapping, Sequence, Set

from prima_jax.corpus.check.lexicon import NEGATORS, PHRASES, REWORDING, STRICT, opposites, synonyms
from prima_jax.corpus.check.numbers import NUMBER_WORDS
from prima_jax.corpus.check.words import FUNCTION_WORDS, Word, names_disease, related, stem, words_of
from prima_jax.corpus.topics import find_terms

__all__ = ["abbreviations", "beside", "new_words", "rephrased", "spelled_out", "without"]

REACH = 3
"""Words on each side of a term that may belong to the name: stage II melanoma, nevoid basal cell carcinoma syndrome."""
_ABBREVIATED = re.compile(r"\(([A-Za-z][A-Za-z0-9α-ω-]{1,9})\)")


def new_words(claim: str, quoted: str, named: str = "") -> list[str]:
    """Words of `claim` that do not stand in its quotes, as written; numbers and negations are looked at elsewhere.

    `named` is a text from which the claim may take how its subject is called, but not what tells more from less.
    """
    near = {word.stem for word in words_of(rephrased(quoted))}
    far = near | {word.stem for word in words_of(rephrased(named))}
    new = [
        word.text
        for word in words_of(rephrased(claim))
        if not _is_free(word) and not _stands(word, near if word.stem in STRICT else far)
    ]
    return list(dict.fromkeys(new))


def beside(text: str, terms: Sequence[str]) -> str:
    """What `text` calls its subject: wherever it names one of the terms, that with `REACH` words on each side."""
    pieces = []
    for start, end in find_terms(text, terms):
        around = [*text[:start].split()[-REACH:], *text[end:].split()[:REACH]]
        pieces.append(" ".join([text[start:end], *(word for word in around if not names_disease(stem(word.lower())))]))
    return "\n".join(pieces)


def without(text: str, terms: Sequence[str]) -> str:
    """`text` without the terms."""
    for start, end in reversed(find_terms(text, terms)):
        text = f"{text[:start]} {text[end:]}"
    return text


def rephrased(text: str) -> str:
    """`text` with set phrases in one form: "come back" as "recur"."""
    text = text.lower().replace("’", "'").replace("\u2010", "-").replace("\u2011", "-")
    for pattern, plain in PHRASES:
        text = re.sub(pattern, plain, text)
    return text


def abbreviations(text: str) -> Mapping[str, str]:
    """Abbreviation -> what `text` says it stands for: "overall survival (OS)", in lower case."""
    found = {}
    for match in _ABBREVIATED.finditer(text):
        short = re.sub(r"[^a-z]", "", re.sub(r"(?<=[A-Z])s$", "", match[1]).lower())
        before = re.findall(r"[\w-]+", text[: match.start()].lower())[-2 * len(short) :]
        for size in range(1, len(before) + 1):
            long = before[-size:]
            initials = "".join(part[0] for word in long for part in word.split("-") if part)
            if short and initials == short:
                found[match[1].lower()] = " ".join(long)
                break
    return found


def spelled_out(text: str, short: Mapping[str, str]) -> str:
    """`text` with what its abbreviations stand for beside each."""
    for abbreviation, long in short.items():
        text = re.sub(rf"(?<![\w-]){re.escape(abbreviation)}(?![\w-])", f"{abbreviation} {long}", text, flags=re.IGNORECASE)
        text = re.sub(rf"(?<![\w-]){re.escape(long)}(?![\w-])", f"{long} {abbreviation}", text, flags=re.IGNORECASE)
    return text


def _is_free(word: Word) -> bool:
    """Whether a word needs no source, or is looked at elsewhere."""
    return (
        len(word.text) == 1
        or not word.text[0].isalpha()
        or word.text in FUNCTION_WORDS
        or word.text in NEGATORS
        or word.text in NUMBER_WORDS
        or word.stem in REWORDING
    )


def _stands(word: Word, stems: Set[str]) -> bool:
    if word.stem in stems:
        return True
    if not opposites(word.stem).isdisjoint(stems):
        return False
    if not synonyms(word.stem).isdisjoint(stems):
        return True
    return word.stem not in STRICT and any(related(word.stem, other) for other in stems)
