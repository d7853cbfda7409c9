"""What a name looks like: names that the eye takes for each other are one reviewer."""

import unicodedata

__all__ = ["look_of"]

_LOOKS = (
    "аa вb еe зʒ кk мm нh оo рp сc тt уy хx іi јj ѕs һh ԁd ԛq ԝw ӏi ьb "
    "αa βb εe ζz ηh ιi κk μm νn οo ρp τt υy χx ωw "
    "ɑa ıi ǀi łi øo đd li 0o 1i 3ʒ 5s"
)
"""Small letters and digits, each before what it, or its capital, looks like; a short part of Unicode's TR 39."""
_UNSEEN = "\u115f\u1160\u3164\uffa0"
_TABLE = str.maketrans({pair[0]: pair[1] for pair in _LOOKS.split()} | dict.fromkeys(_UNSEEN, ""))
_PAIRS = (("rn", "m"), ("vv", "w"))


def look_of(name: str) -> str:
    """The letters and digits of a name without case, accents, marks and spaces, look-alikes written as one."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    letters = "".join(c for c in plain if c.isalnum()).translate(_TABLE)
    for pair, single in _PAIRS:
        letters = letters.replace(pair, single)
    return letters
