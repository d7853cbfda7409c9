"""What a quote denies, hedges or only plans, and whether its claim keeps that."""

import re
from collections.abc import Callable, Sequence, Set

from prima_jax.corpus.check.lexicon import DOUBTFUL, HEDGES, NEGATORS, UNSETTLED
from prima_jax.corpus.check.support import rephrased
from prima_jax.corpus.check.words import FUNCTION_WORDS, Word, words_of

__all__ = ["hedge_lost", "negation_differs", "only_planned"]

REACH = 12
"""Words after a negation or a hedge that it may bear on, within its clause."""
_ENDS = frozenset({"but", "although", "though", "whereas", "while", "however", "yet", "which", "because", "unless"})
_LIGHT = frozenset(
    {"significantly", "been", "being", "any", "significant", "statistically", "yet", "always", "only", "necessarily"}
)


def negation_differs(claim: str, quoted: str) -> str:
    """The word that only one of claim and quote denies; empty where there is none."""
    said, source = words_of(rephrased(claim)), words_of(rephrased(quoted))
    denied_said, denied_source = _scopes(said, _negates), _scopes(source, _negates)
    covered_said, covered_source = _stems(denied_said), _stems(denied_source)
    stems_said, stems_source = {w.stem for w in said}, {w.stem for w in source}
    free = _free(source, _scopes(source, _negates, part=True))
    for position, word in enumerate(source):
        kept = _kept(_scope(source, position, part=True), stems_said) if _negates(word) else []
        if covered_said.isdisjoint(w.stem for w in kept) and any(w.stem not in free for w in kept):
            return kept[0].text
    for scope in denied_said:
        head = scope[0].stem
        if head not in covered_source and (head in stems_source or not denied_source):
            return scope[0].text
    return ""


def hedge_lost(claim: str, quoted: str) -> str:
    """The hedge that stands before what the claim says, and that the claim leaves out; empty where there is none."""
    said, source = words_of(rephrased(claim)), words_of(rephrased(quoted))
    hedged = _stems(_scopes(said, lambda word: word.text in DOUBTFUL))
    stems, free = {w.stem for w in said}, _free(source, _scopes(source, _hedges, part=True))
    for position, word in enumerate(source):
        if _hedges(word):
            kept = _kept(_scope(source, position, part=True), stems)
            if hedged.isdisjoint(w.stem for w in kept) and any(w.stem not in free for w in kept):
                return word.text
    return ""


def only_planned(claim: str, quoted: str) -> str:
    """What tells that the quote plans, asks or advises, where the claim does not say so; empty where there is nothing."""
    if re.search(UNSETTLED, claim.lower()):
        return ""
    stems = {word.stem for word in words_of(claim)}
    sentences = re.split(r"(?<=[.;?!])\s+|\n", quoted)
    nearest = max(sentences, key=lambda sentence: len(stems & {word.stem for word in words_of(sentence)}))
    found = re.search(UNSETTLED, nearest.lower())
    return found.group() if found else ""


def _scopes(words: Sequence[Word], tells: Callable[[Word], bool], *, part: bool = False) -> list[list[Word]]:
    """For each word that denies or hedges what it bears on: words of matter after it, nearest first."""
    scopes = [_scope(words, position, part=part) for position, word in enumerate(words) if tells(word)]
    return [scope for scope in scopes if scope]


def _negates(word: Word) -> bool:
    return word.text in NEGATORS or word.text.endswith("n't")


def _hedges(word: Word) -> bool:
    return word.text in HEDGES


def _scope(words: Sequence[Word], position: int, *, part: bool = False) -> list[Word]:
    """Words of matter after the one at `position`; with `part`, those before the next comma, where there are any."""
    scope = []
    for word in words[position + 1 : position + 1 + REACH]:
        if word.clause != words[position].clause or word.text in _ENDS:
            break
        if word.text not in FUNCTION_WORDS and word.text not in _LIGHT and word.text[0].isalnum():
            scope.append(word)
    return ([w for w in scope if w.part == words[position].part] or scope) if part else scope


def _kept(scope: Sequence[Word], stems: Set[str]) -> list[Word]:
    """What a claim keeps of a scope: nothing, unless it keeps its first word, or most of it."""
    kept = [w for w in scope if w.stem in stems]
    if scope and (scope[0].stem in stems or (len(kept) >= 2 and 2 * len(kept) > len(scope))):
        return kept
    return []


def _stems(scopes: Sequence[Sequence[Word]]) -> Set[str]:
    return {word.stem for scope in scopes for word in scope}


def _free(words: Sequence[Word], denied: Sequence[Sequence[Word]]) -> Set[str]:
    """Stems that also stand where nothing denies them."""
    inside = {id(word) for scope in denied for word in scope}
    return {word.stem for word in words if id(word) not in inside}
