"""Whether a claim puts each of two opposites, groups or figures beside what it stands beside in the quote."""

from collections.abc import Iterator, Sequence

from prima_jax.corpus.check.lexicon import CONTRASTS, REWORDING, STRICT, opposites
from prima_jax.corpus.check.support import rephrased
from prima_jax.corpus.check.words import FUNCTION_WORDS, Word, is_number, stem, words_of

__all__ = ["comparands_swapped", "figures_swapped", "opposites_swapped", "units_differ"]

NEAR = 6
"""Words of matter on each side of one of two opposites that it may belong to."""
_PAIRS = [(frozenset(stem(w) for w in one.split()), frozenset(stem(w) for w in other.split())) for one, other in CONTRASTS]
_THAN = frozenset({"than", "versus", "vs", "compared", "against"})
_TELLING = frozenset({"before", "after", "with", "without", "more", "most", "under", "over", "above", "below"})
"""Function words that tell groups apart."""
_AND = frozenset({"and", "or"})
_JOINING = _AND | {"than"}
_UNITS = frozenset({
    "%", "percent", "year", "month", "week", "day", "hour", "millimet", "centimet", "milligram", "fold", "inch", "time",
})  # fmt: skip


def comparands_swapped(claim: str, quoted: str) -> bool:
    """Whether what stands after "than" in the claim stands before it in the quote, and the other way round."""
    return any(
        degree & source_degree
        and not _opposed(degree, source_degree)
        and not (after - before) & (source_after - source_before)
        and (after - before) & source_before - source_after
        and before & source_after - source_before
        for degree, before, after in _comparisons(claim)
        for source_degree, source_before, source_after in _comparisons(quoted)
    )


def opposites_swapped(claim: str, quoted: str) -> tuple[str, str] | None:
    """A word of the claim, and the opposite that its neighbours have in the quote; None where all stand as they do there."""
    said, source = _matter(claim), _matter(quoted)
    for one, other in _PAIRS:
        found = _swapped(said, source, one, other)
        if found:
            return found
    return None


def figures_swapped(claim: str, quoted: str) -> tuple[str, str] | None:
    """A figure of the claim, and the figure of the same unit that its neighbours have in the quote."""
    said, source = _matter(claim), _matter(quoted)
    for number, unit in _figures(said):
        for other, other_unit in _figures(source):
            if number != other and unit == other_unit:
                found = _swapped(said, source, frozenset({number}), frozenset({other}))
                if found:
                    return found
    return None


def units_differ(claim: str, quoted: str) -> tuple[str, str] | None:
    """A figure of the claim with its unit, which no such figure of the quote has; None where all agree."""
    source = _figures(_matter(quoted))
    for number, unit in _figures(_matter(claim)):
        units = {other_unit for other, other_unit in source if other == number}
        if unit and units and "" not in units and unit not in units:
            return number, unit
    return None


def _swapped(said: Sequence[Word], source: Sequence[Word], one: frozenset[str], other: frozenset[str]) -> tuple[str, str] | None:
    """Whether the words of `one` and `other` have changed places among their neighbours."""
    here, there = _places(source, one), _places(source, other)
    if not here or not there or any(_coordinated(source, i, j) for i in here for j in there):
        return None
    claimed, countered = _places(said, one), _places(said, other)
    if any(word.text == "than" for i in claimed for j in countered for word in said[min(i, j) : max(i, j)]):
        return None  # what is said of the one is said of the other: `comparands_swapped`
    votes = [_vote(said, source, position, one, other) for position in (*claimed, *countered)]
    if votes and all(vote < 0 for vote in votes):
        word = said[(claimed or countered)[0]]
        return word.text, source[(there if claimed else here)[0]].text
    return None


def _coordinated(words: Sequence[Word], one: int, other: int) -> bool:
    """Whether two words share what follows, as in "men and women", or in "basal cell and squamous cell carcinoma"."""
    first, second = sorted((one, other))
    between = [w for w in words[first + 1 : second] if w.text not in _AND]
    following = words[second + 1 : second + 1 + len(between)]
    return len(between) <= 2 and [w.stem for w in between] == [w.stem for w in following]


def _vote(said: Sequence[Word], source: Sequence[Word], position: int, one: frozenset[str], other: frozenset[str]) -> float:
    """Whether the neighbours of the word at `position` keep to it in the quote; below 0 where they stand beside its opposite.

    The nearer a neighbour stands to either in the quote, the more it counts.
    """
    votes = 0.0
    for anchor in _neighbours(said, position, one | other):
        claimed = _side(said, anchor, one, other)
        places = _places(source, frozenset({said[anchor].stem}))
        sides = {_side(source, place, one, other) for place in places}
        if claimed and len(sides) == 1:
            nearest = min(_distance(source, place, i) for place in places for i in _places(source, one | other))
            votes += claimed * sides.pop() / nearest
    return votes


def _side(words: Sequence[Word], position: int, one: frozenset[str], other: frozenset[str]) -> int:
    """1 where the word at `position` stands nearer to a word of `one`, -1 where nearer to one of `other`, 0 between them."""
    near, far = (min((_distance(words, position, i) for i in _places(words, side)), default=1000) for side in (one, other))
    return (near < far) - (far < near)


def _places(words: Sequence[Word], stems: frozenset[str]) -> list[int]:
    return [i for i, word in enumerate(words) if word.stem in stems]


def _distance(words: Sequence[Word], one: int, other: int) -> int:
    """How many words lie between two; a comma or "and" between them counts for two, a clause for many."""
    first, second = sorted((one, other))
    joined = sum(word.text in _JOINING for word in words[first:second])
    apart = words[one].part != words[other].part
    return second - first + 2 * joined + 2 * apart + 20 * (words[second].clause - words[first].clause)


def _neighbours(words: Sequence[Word], position: int, but: frozenset[str]) -> list[int]:
    near = range(max(0, position - NEAR), min(len(words), position + NEAR + 1))
    return [i for i in near if words[i].clause == words[position].clause and words[i].stem not in but | _JOINING | REWORDING]


def _matter(text: str) -> list[Word]:
    """The words of a text that something can be said of, "%", and the words that join them."""
    without = FUNCTION_WORDS - _TELLING - _JOINING
    return [w for w in words_of(rephrased(text)) if w.text == "%" or (w.text not in without and w.text[0].isalnum())]


def _figures(words: Sequence[Word]) -> list[tuple[str, str]]:
    """Numbers with their units, "" where a number has none."""
    following = [word.stem for word in words[1:]] + [""]
    return [
        (word.stem, "percent" if unit == "%" else unit if unit in _UNITS else "")
        for word, unit in zip(words, following, strict=True)
        if is_number(word)
    ]


def _comparisons(text: str) -> Iterator[tuple[frozenset[str], frozenset[str], frozenset[str]]]:
    """For each "than" of a text: the words of degree, what stands before it and what stands after it."""
    words = words_of(rephrased(text))
    for position, word in enumerate(words):
        if word.text in _THAN:
            before = [w for w in words[:position] if w.clause == word.clause]
            after = [w for w in words[position + 1 :] if w.clause == word.clause]
            if after and is_number(after[0]):
                continue  # a threshold: "greater than 2 mm"
            degree = frozenset(w.stem for w in before if w.stem in STRICT)
            yield degree, _stems(before), _stems(after)


def _opposed(degree: frozenset[str], other: frozenset[str]) -> bool:
    """Whether one says more where the other says less."""
    return any(opposites(word) & other for word in degree)


def _stems(words: Sequence[Word]) -> frozenset[str]:
    return frozenset(w.stem for w in words if (w.text not in FUNCTION_WORDS - _TELLING and w.text[0].isalnum()))
