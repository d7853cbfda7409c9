"""Which way a sentence says that a factor works: a lexicon of the field's phrases, and nothing learned.

It serves the extractive writer, which has to label what it copies, and the checks, which compare a claim with its source.
A sentence that it cannot read has no direction here, and is left to the physicians.
"""

import re
from collections.abc import Sequence

from prima_jax.corpus.quotes import fold

__all__ = ["directions"]

# What is counted, and whether more of it is bad (1) or good (-1). What stands nearest to a word of change is what changes.
_BAD = (
    "risk|odds|hazard|incidence|prevalence|rate|rates|frequency|likelihood|chances?|death|deaths|died|mortality|"
    "relapses?|recurrence|"
    "recurrences|metasta\\w+|progression|cancer|cancers|melanoma|melanomas|carcinoma|carcinomas|keratosis|"
    "keratoses|keratitis|"
    "infection|infections|ulcer|ulcers|lesion|lesions|complications?|morbidity|toxicity|adverse|disease|"
    "tumou?rs?|burden|loss|pain"
)
_GOOD = (
    "survival|response|healing|recovery|clearance|regression|remission|protection|quality of life|cure|benefit|outcomes?|"
    "competence|behaviou?rs?|adherence|success\\w*|cured|survive\\w*|diagnosis|outlook|prognosis|work|works|able"
)
_COUNTS = "rates?|chances?|likelihood|frequency|odds"
_UP = (
    "rais\\w+|rise|rises|rising|increas\\w+|higher|greater|elevat(?:e|es|ed|ing)|more|excess|grew|doubl\\w+|"
    "tripl\\w+|larger|enhanc\\w+|high|"
    "strong(?:er)?|highest|most|longer|prolong\\w+|boost\\w*|promot\\w+|improv\\w+|better"
)
_DOWN = (
    "lower\\w*|decreas\\w+|reduc\\w+|fewer|less|declin\\w+|fall|falls|fell|diminish\\w+|smaller|low|rarer|lowest|"
    "least|shorter|"
    "shorten\\w*|worse\\w*|poor\\w*|limit\\w*|minimi[sz]\\w+|cut|cuts"
)
_RAISES = (
    r"risk factors?|at (?:\w+ )?risk (?:for|of)|predispos\w+|\bcaus(?:e|es|ed|ing)\b|lead(?:s|ing)? to|led to|"
    r"result(?:s|ed|ing)? in|favou?r(?:s|ed|ing)?\b|unfavou?rable|"
    r"due to|linked (?:to|with)|develop(?:s|ed)? (?:from|after|in)|progress(?:es|ed)? (?:in)?to|turns? into|"
    r"becom\w+|contribut\w+ to|"
    r"trigger\w*|responsible for|\bfollow(?:s|ed)\b(?! (?:by|up))|comes? from|inadequate|"
    r"(?:is|are|was|were) (?:strongly |significantly )?"
    r"associated with(?= (?:an? |the )?(?:development|increased|higher|risk|\w+oma))|"
    r"associated with (?:the )?develop\w+|susceptib\w+|prone to|"
    r"vulnerab\w+|common (?:in|among|on)"
)
_LOWERS = (
    r"protect\w*|prevent\w*|avoid\w*|guards? against|"
    r"\brare(?:ly)? (?:in|among)|"
    r"uncommon (?:in|among)|clear(?:s|ed|ing)\b|destr(?:oy|uct)\w+|cur(?:e|es|ed)\b|effective|efficac\w+|"
    r"benefi\w+|unlikely|(?<!un)favou?rable"
)
_NONE = (
    r"no (?:\w+[ -]){0,3}(?:associations?|differences?|effects?|improvements?|increase|reduction|relation\w*|"
    r"links?|evidence|impact|influence|benefits?|change)|"
    r"not (?:\w+ ){0,2}(?:associated|differ\w*|affect\w*|improv\w+|increas\w+|reduc\w+|rais\w+|lower\w*|related|"
    r"linked|significant\w*|change\w*|"
    r"prolong\w+|influenc\w+|decreas\w+|shorten\w*|better|predict\w*|alter\w*)|"
    r"none of [^.;]{0,80}(?:associated|differ|significant)|neither [^.;]{0,80}nor|unrelated to|independent of|"
    r"fail(?:s|ed)? to|without (?:\w+ )?(?:effect|difference)|"
    r"non-?significant\w*|insignificant|(?:was|were|are|is|remain\w*) (?:\w+ )?(?:similar|comparable|the same)|"
    r"did (?:little|nothing)|equal(?:ly)?\b"
)
_CONFLICTING = r"conflicting|inconsistent|controvers\w+|contradict\w+|mixed (?:evidence|results)|both (?:raise|increase)s? and"
_NEGATION = r"\b(?:no|not|never|neither|nor|without|none|cannot|unlikely|lack(?:s|ed|ing)?|absence|fail(?:s|ed)?|unable)\b|n't\b"
_NOT_SHOWN = r"(?:not|never)(?: yet)?(?: been)? (?:shown|proven|proved|found|known|established|demonstrated|clear|certain)\b.*"
"""What is not shown is no effect, whatever follows."""
_CORRELATION = r"\b(negatively|inversely|positively) (?:associated|correlated|related|linked)"
_CHANCE = r"\bp ?[=>] ?(0?\.\d+)"
_INTERVAL = r"\bci\)?,? ?[:=]?[ (]*(\d+\.\d+) ?(?:-|to|,) ?(\d+\.\d+)"
_RATIO = r"\b(?:hr|or|rr|hazard ratio|odds ratio|relative risk|risk ratio)\b"
_LIKELY = r"\b(more|less) likely\b"
_NEAR = 6
"""Words between a word of change and what changes."""
_SCOPE = 5
"""Words after a negation that it may bear on."""


def directions(text: str) -> set[str]:
    """The directions that `text` states, out of raises, lowers, none and conflicting; empty where it states none."""
    text = fold(text)
    found: set[str] = set()
    if re.search(_CONFLICTING, text):
        found.add("conflicting")
    if _by_chance(text):
        found.add("none")
    for clause in _clauses(text):
        for pattern in (_NOT_SHOWN, _NONE):
            if re.search(pattern, clause):
                found.add("none")
                clause = re.sub(pattern, " ", clause)
        found |= _of_clause(clause)
    return found


def _by_chance(text: str) -> bool:
    """Whether all figures of significance in `text` say that chance explains the difference."""
    likely = [float(p) > 0.05 for p in re.findall(_CHANCE, text)]
    if re.search(_RATIO, text):
        likely += [float(low) < 1 < float(high) for low, high in re.findall(_INTERVAL, text)]
    return bool(likely) and all(likely)


def _clauses(text: str) -> list[str]:
    return [
        c for c in re.split(r"[.;:](?=\s|$)|\b(?:but|although|though|whereas|while|however|yet|despite)\b", text) if c.strip()
    ]


def _of_clause(clause: str) -> set[str]:
    found = set()
    likely = re.search(_LIKELY, clause)
    if likely:
        good = re.search(rf"\b(?:{_GOOD})\b", " ".join(clause[likely.end() :].split()[:_NEAR]))
        denied = _is_denied(clause[: likely.start()])
        found.add("none" if denied else "raises" if (likely[1] == "more") != bool(good) else "lowers")
        clause = clause[: likely.start()] if likely[1] == "less" else clause.replace(likely[0], " ")
    for direction, pattern in (("lowers", _LOWERS), ("raises", _RAISES)):
        for match in re.finditer(pattern, clause):
            if not (direction == "raises" and "lowers" in found and re.search(r"can(?:cer)? caus|to prevent", clause)):
                found.add("none" if _is_denied(clause[: match.start()]) else direction)
    for match in re.finditer(_CORRELATION, clause):
        good = re.search(rf"\b(?:{_GOOD})\b", clause[match.end() :])
        found.add("raises" if (match[1] == "positively") != bool(good) else "lowers")
    clause = re.sub(_CORRELATION, " ", clause)
    words = re.findall(r"[\w'-]+", clause)
    for position, word in enumerate(words):
        change = 1 if re.fullmatch(_UP, word) else -1 if re.fullmatch(_DOWN, word) else 0
        if change:
            sign = _nearest_outcome(words, position)
            denied = _is_denied(" ".join(words[:position]))
            if re.fullmatch(r"improv\w+|better", word):
                found.add("none" if denied else "lowers")
            elif re.fullmatch(r"worse\w*|poor\w*", word):
                found.add("none" if denied else "raises")
            elif sign:
                found.add("none" if denied else "raises" if change * sign > 0 else "lowers")
    return found


def _is_denied(before: str) -> bool:
    """Whether the last words before a statement deny it."""
    return re.search(_NEGATION, " ".join(before.split()[-_SCOPE:])) is not None


def _nearest_outcome(words: Sequence[str], position: int) -> int:
    """1 where what changes is bad, -1 where it is good, 0 where nothing near is counted."""
    for distance in range(1, _NEAR + 1):
        for near in (position + distance, position - distance):
            if 0 <= near < len(words):
                if re.fullmatch(_GOOD, words[near]) or _counts_good(words[max(0, near - 1) : near + 4]):
                    return -1
                if re.fullmatch(_BAD, words[near]):
                    return 1
    return 0


def _counts_good(words: Sequence[str]) -> bool:
    """Whether a rate or a chance is one of something good: a survival rate, the chances of a cure."""
    return any(re.fullmatch(_COUNTS, word) for word in words[:2]) and any(re.fullmatch(_GOOD, word) for word in words)
