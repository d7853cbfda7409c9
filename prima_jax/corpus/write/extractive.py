"""The writer that needs no language model: it copies sentences, and items of lists, on the disease and the factor.

It is the default where there are no keys, and its name stands in everything that is made of its claims. It cannot
summarise, and it cannot know which way a factor works: every claim of it is a quote, and "descriptive".
"""

import re
from collections.abc import Iterator, Sequence

from prima_jax.corpus.claims import Citation, Claim, Draft, Passage, Strength, Written
from prima_jax.corpus.topics import Topic, find_terms, names_disease

__all__ = ["Extractive", "is_statement", "strength_of"]

MOST_CLAIMS, MOST_OF_SUMMARY = 8, 12
SHORTEST, LONGEST = 6, 45
"""Words: a shorter sentence says too little to be checked, a longer one is a list or a table."""
SECTIONS = ("conclusion|interpretation", "result|finding", "^$", "background|introduction|context|importance|discussion")
"""Labels of an abstract's sections in the order in which they are copied from; from others, such as methods, nothing is."""

_LEAD = re.compile(r"(Risk factors for [^:]+? include)(?: the following)?:")
_ITEM = re.compile(r"- ([A-Z][^:]+)\.")
_SMALL = frozenset(
    {"for", "and", "the", "that", "with", "are", "include", "risk", "factor", "most", "more", "often", "have", "ha"}
)
"""As `_words` leaves them: too common to tell what a sentence says."""
REPEATED = 0.7
"""Share of the shorter sentence's words that is enough for a repetition."""
_TELL_APART = re.compile(r"(?:wo)?men|(?:fe)?male|\d+")
"""What makes two sentences of otherwise the same words two claims."""

_WHOLE = re.compile(r"""["“(]?[A-Z0-9].*[a-z0-9%)\]"”]\.["”)]?""", re.DOTALL)
_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|can|could|may|might|does|do|did|"
    r"(?:occur|appear|look|form|grow|develop|aris|rais|caus|increas|decreas|lower|reduc|affect|begin|start|spread|tend|show|consist|"
    r"result|lead|remain|account|bleed|itch|predict|includ|point|speak|favou?r|suggest|support|distinguish|doubl|"
    r"tripl|present|confer|contribut|predispos|involv|correlat|differ|protect|promot|follow)(?:e|e?s|e?d)?)\b"
)
_NO_STATEMENT = {
    "a list, a lead-in or a caption that was glued to a sentence": (
        r"[:?]\s*$|\?|(?:^|\s)[-–—•▪*=]\s|\bfollowing\b|(?i:^(.{5,60}?) \1\b)|"
        r"^(?!The|An?|In|At|On|Of|For|From|By|With|Among|Both|Most|During|Since)[A-Z][a-z]+ [A-Z][a-z]+|"
        r"\w (?:A|An|The|This|These|It|In|If|For|When|Most|Some|There|People|Besides|Having|Being|Treatment|Skin|Patients)\b"
    ),
    "what hangs on the sentence before": (
        r"^(?:it|they|he|she|that|there|here|both|another|others?|however|therefore|thus|hence|also|in addition|additionally|"
        r"moreover|furthermore|but|and|or|so|then|for example|instead|similarly|yes|no,|conversely|in contrast|by contrast|"
        r"finally|overall|secondly?|together|in conclusion,? (?:it|they|this)|doctors|sometimes)\b|"
        r"\b(?:this|these|those|such (?!as)|the (?:former|latter|other|two|three)|above|below|respectively|that time|that is why|"
        r"the (?:nevus|mole|melanoma|lesion|tumou?r|cancer|carcinoma|keratosis|disease|condition|syndrome|patch|ulcer|eye))\b"
    ),
    "advice, or a word to the reader": (
        r"(?:^|[,;:(] ?)(?:ask|talk|check|see|call|click|contact (?!lens)|consult|visit|learn|think of|avoid|use (?!of)|wear|"
        r"apply|protect)\b|"
        r"\b(?:you|your|should|must|ought|recommend\w*|advis\w+|important to|need(?:s|ed)? to|make sure|https?|www|websites?|"
        r"summar(?:y|ies)|PDQ|pictures?|images?|photographs?|tables?|figures?|information|tool|Institute\w*|scientists|"
        r"researchers?|research|doctors?|nurse)\b"
    ),
    "nothing said, or only how something is called": (
        r"^not all\b|\bthere are\b|\bnot the same\b|\bcertain (?:factors|things)\b|\bestimates vary\b|\baffect the risk\b|"
        r"\b(?:is|are) (?:\w+ )?(?:called|named|known as)\b"
    ),
    "how something was studied, or will be": (
        r"\b(?:aim(?:s|ed)?|objectives?|purpose|protocol|hypothes\w+|trials?|study is|study was|study will|will|we plan|"
        r"to (?:assess|determine|evaluate|investigate|compare|examine|identify)|participants|questionnaires?|randomi[sz]\w+|"
        r"unknown|unclear|remains? to be|study (?:included|comprised|enrolled)|inclusion criteria|mean age|"
        r"(?<=^)(?:of|among) (?:the |all )?\d+ |"
        r"we (?:searched|conducted|performed|included|used|compared|describe|report|present|review|assess\w*|stud\w+|analy\w+)|"
        r"(?:was|were) (?:conducted|performed|assigned|recruited|enrolled|collected|searched|included|excluded|assessed|measured|"
        r"administered|obtained|extracted|analy[sz]ed|used|invited|identified))\b"
    ),
}
"""What is wrong -> the words that tell it."""
_NOT_ON_RISK = (
    r"\b(?:treat\w*|therap\w+|surg\w+|excis\w+|chemotherapy|creams?|drugs?|stages?|staging|stag(?:ed|ing)|vaccin\w+|doses?|"
    r"biops\w+|remov\w+|cur(?:e|ed|able)|lymph nodes?|imiquimod|interferon|inhibitors?|margins?|tests?|exams?|screening|"
    r"diagnos(?:e|ed)|program\w*|campaigns?|interventions?|genes?|expression|proteins?|deaths?|die[sd]?|mortality|surviv\w+|"
    r"prognos\w+|outlook|recur\w*|relaps\w+|metasta\w+)\b"
)
"""Treatment, staging, tests and outcome: no business of the corpus, unless a risk is spoken of."""
_OBJECT = re.compile(
    r"\b(?:risks?|chances?|odds|likelihood|incidence|prevalence|signs?|symptoms?|causes?)(?: factors?)? (?:of|for) (?=[a-z])"
    r"((?:[\w'-]+[ (]+){0,8}[\w'-]+)",
    re.I,
)
"""What is said to be at risk, or to show itself."""
_DESCRIBES = re.compile(
    r"\brisk|caus(?:e|es|ed)\b|common|sign|symptom|appear|look|occur|found (?:on|in)|usually|often|type of|form of|forms? in|"
    r"develop|rare|begin|start|aris|grow|frequen|incidence|prevalen|characteri[sz]ed|\bis an? ",
    re.I,
)


class Extractive:
    """Sentences as claims."""

    family = "extractive"
    model = "extractive"

    def __init__(self, topics: Sequence[Topic]) -> None:
        """topics: all of the study; a sentence is a claim on the first factor that it names, and on no other."""
        self._factors = {topic.attribute: topic.attribute_terms for topic in topics if topic.attribute}

    def write(self, topic: Topic, passages: Sequence[Passage]) -> Written:
        """At most eight claims, twelve for a summary: conclusions and results first, otherwise in the order of the passages."""
        found: list[tuple[int, set[str], Claim]] = []
        for passage in passages:
            strength = strength_of(passage.types)
            for label, text, quote in _said_in(passage):
                rank = _rank(label)
                if rank is not None and is_statement(text) and _is_on(topic, text) and self._first(text) == topic.attribute:
                    citation = Citation(article=passage.article, quote=quote)
                    claim = Claim(text=text, direction="descriptive", strength=strength, citations=(citation,))
                    found.append((rank, _words(topic, text), claim))
        said: list[set[str]] = []
        claims = []
        for _, words, claim in sorted(found, key=lambda one: one[0]):
            if not any(_repeats(words, before) for before in said):
                said.append(words)
                claims.append(claim)
        draft = Draft(claims=tuple(claims[: MOST_CLAIMS if topic.attribute else MOST_OF_SUMMARY]))
        return Written(draft, raw=draft.model_dump_json(), model=self.model)

    def _first(self, text: str) -> str:
        """The factor that a sentence names first; empty where it names none."""
        named = {found[0]: name for name, terms in self._factors.items() if (found := find_terms(text, terms))}
        return named[min(named)] if named else ""


def is_statement(text: str) -> bool:
    """Whether a sentence can be true or false on its own: no heading, list, advice or method, nothing that hangs on another."""
    if not SHORTEST <= len(text.split()) <= LONGEST or not _WHOLE.fullmatch(text) or not _VERB.search(text):
        return False
    if text.count("(") != text.count(")"):
        return False
    for name, pattern in _NO_STATEMENT.items():
        flags = 0 if name.startswith("a list") else re.IGNORECASE  # a caption is told by its capitals
        if re.search(pattern, text, flags):
            return False
    return bool(re.search(r"\brisk", text)) or not re.search(_NOT_ON_RISK, text, re.IGNORECASE)


def strength_of(types: Sequence[str]) -> Strength:
    """The strength of evidence that an article's publication types allow to claim."""
    named = " ".join(types).lower()
    if "meta-analysis" in named or "systematic review" in named:
        return "strong"
    if any(word in named for word in ("trial", "cohort", "case-control", "guideline", "observational", "comparative")):
        return "moderate"
    return "weak"


def _rank(label: str) -> int | None:
    """None: no section to copy from."""
    return next((n for n, pattern in enumerate(SECTIONS) if re.search(pattern, label, re.IGNORECASE)), None)


def _said_in(passage: Passage) -> Iterator[tuple[str, str, str]]:
    """(label of the section, text, quote): each sentence as it stands, and each item of a list of risk factors after the words
    that lead in to the list."""
    lead, begin = "", 0
    for (start, end), label in zip(passage.sentences, passage.labels, strict=True):
        text = passage.text[start - passage.start : end - passage.start]
        if found := _LEAD.fullmatch(text):
            lead, begin = found[1], start - passage.start
        elif lead and (item := _ITEM.fullmatch(text)):
            yield label, f"{lead} {item[1][0].lower()}{item[1][1:]}.", passage.text[begin : end - passage.start]
        elif not (lead and text.startswith("- ")):  # "- A fair complexion, which includes the following:" leads in once more
            lead = ""
            yield label, text, text


def _words(topic: Topic, text: str) -> set[str]:
    """The words of a sentence that are more than the disease's name and small words, without a plural's s."""
    for start, end in reversed(find_terms(text, topic.disease_terms)):
        text = text[:start] + text[end:]
    return {word.rstrip("s") for word in re.findall(r"\d+|\w{3,}", text.lower())} - _SMALL


def _repeats(one: set[str], other: set[str]) -> bool:
    """Whether two sentences say the same in nearly the same words."""
    if any(map(_TELL_APART.fullmatch, one ^ other)):
        return False
    return one == other or len(one & other) > REPEATED * min(len(one), len(other))


def _is_on(topic: Topic, text: str) -> bool:
    """Whether a sentence names the disease, and speaks of the risk and the signs of no other."""
    objects = [_VERB.split(found)[0] for found in _OBJECT.findall(text)]
    if not names_disease(topic, text) or not all(find_terms(at, topic.disease_terms) for at in objects):
        return False
    return bool(topic.attribute or _DESCRIBES.search(text))
