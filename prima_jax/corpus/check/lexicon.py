"""Words that mean the same, and words that mean the opposite: a few classes of general English and of medicine.

Short on purpose. A word that is missing here costs a flag, which a physician reads; a word too many hides a fault.
"""

from collections.abc import Mapping

from prima_jax.corpus.check.words import stem

__all__ = [
    "CONTRASTS", "DOUBTFUL", "HEDGES", "NEGATORS", "PHRASES", "REWORDING", "STRICT", "UNSETTLED", "field", "opposites",
    "synonyms",
]  # fmt: skip

PHRASES = (
    (r"\b(?:come|comes|came|coming) back\b", "recur"),
    (r"\brisk factors?\b", "risk factor increased"),
    (r"\bat (?:high|higher|increased|greater) risk\b", "at increased risk"),
    (r"\bat risk\b", "at risk increased"),
    (r"\b(?:grow|spread)s? (?:in)?to\b", "spread to"),
    (r"\bgo(?:es)? away\b", "disappear"),
    (r"\bturns? into\b|\bchanges? into\b", "become"),
    (r"\b(?:kind|type|form)s? of\b", "type of"),
    (
        r"\bset off\b|\bbring(?:s)? about\b|\bgive(?:s)? rise to\b|\blead(?:s|ing)? to\b|\bled to\b|\bresult(?:s|ed)? in\b",
        "cause",
    ),
    (r"\bdue to\b|\bowing to\b|\bresponsible for\b", "cause"),
    (r"\bno more than\b|\bnot more than\b|\bat most\b|\bor less\b|\bor fewer\b", "at-most"),
    (r"\bgot rid of\b|\bget rid of\b|\btak(?:e|en|ing) (?:out|off)\b", "remove"),
    (r"\bsun ?light\b", "sun light"),
    (r"\bsun ?burn", "sun burn"),
    (r"\bnon-?melanoma\b", "nonmelanoma"),
    (r"\bnon-?cancerous\b", "benign"),
    (r"\b(?:united states|u\.s\.a?\.?|usa)(?!\w)", "unitedstates"),
    (r"\b(?:united kingdom|u\.k\.)(?!\w)|\buk\b", "unitedkingdom"),
)
"""Put in the place of what they find, in the claim and in its sources."""

_SYNONYMS = """
cancer carcinoma tumor neoplasm malignancy
malignant cancerous
benign harmless noncancerous
lethal fatal deadly kill death die mortality
skin cutaneous dermal
doctor physician practitioner clinician
sun solar ultraviolet uv
drug medicine medication pharmaceutical
operation surgery
excise excision remove resect
recur recurrence return relapse
spread metastasis metastasize metastatic
child childhood pediatric infant
teenager adolescent adolescence teen
elderly old older aged
heritable inherit genetic hereditary gene familial
relative parent sibling
white caucasian
sore ulcer
lump bump nodule papule
mole nevus
protect shield
prevent avoid
treat therapy
radiotherapy radiation irradiation
begin start onset
cause trigger provoke induce
find detect discover identify
big large
look appearance
color pigment
itch pruritus pruritic
approximate roughly about nearly around
year annual yearly
yearly annually
illness disease disorder condition
weak weaken suppress
immunity immune
worldwide world global
man male
woman female
near nearby
fair light pale
abnormal atypical unusual dysplastic
region area site
limb extremity arm leg
arise develop form grow occur appear start
people person individual
"""

_POLES = (
    (
        "increase raise higher high greater great more elevate rise grow up enhance excess strengthen boost double promote",
        "decrease reduce lower low less fewer decline fall drop diminish lessen down",
    ),
    ("likely common often frequent usual usually", "rare rarely uncommon seldom unlikely infrequent"),
    ("long longer prolong lengthen extend", "short shorter shorten"),
    ("better improve improvement benefit beneficial favor favorable", "worse worsen poor unfavorable harm"),
    ("before prior previous previously", "after following"),
    ("over above", "under below"),
    ("all every each entire whole always", "never"),
    ("most majority mostly mainly", "least minority"),
    ("any", ""),
    ("only solely exclusive", ""),
)
"""How much, how often and when. Where a quote has words of both kinds, a claim keeps to the very word."""

CONTRASTS = (
    ("increase raise higher elevate rise greater grow gain", "decrease reduce lower decline fall diminish drop lessen"),
    ("more", "less fewer"),
    ("most", "least"),
    ("likely", "unlikely"),
    ("common frequent often usual", "rare uncommon seldom infrequent"),
    ("always", "never"),
    ("high", "low"),
    ("long longer", "short shorter"),
    ("better improve", "worse worsen"),
    ("before", "after"),
    ("early", "late"),
    ("man male", "woman female"),
    ("young younger", "old older elderly"),
    ("child childhood", "adult adulthood"),
    ("benign", "malignant"),
    ("thin", "thick"),
    ("narrow", "wide"),
    ("small", "large"),
    ("light fair", "dark"),
    ("flat", "raise elevate"),
    ("upper", "lower"),
    ("basal", "squamous"),
    ("positive", "negative"),
    ("first", "second"),
    ("primary", "secondary metastatic"),
    ("with", "without"),
)
"""Pairs of opposites. Where a quote has both, a claim has to put each beside what it stands beside in the quote."""

NEGATORS = frozenset({
    "no", "not", "never", "neither", "nor", "none", "cannot", "without", "lack", "lacks", "lacking", "absence", "absent",
    "fail", "fails", "failed", "unable", "nobody", "nothing", "unlikely", "hardly", "except", "unrelated", "rather",
    "doesnt", "dont", "didnt", "isnt", "arent", "wont", "cant", "insufficient", "unproven",
})  # fmt: skip
HEDGES = frozenset({
    "may", "might", "could", "possibly", "possible", "perhaps", "potential", "potentially", "suggest", "suggests",
    "suggested", "suggesting", "appears", "seem", "seems", "seemed", "thought", "believed", "suspected", "probably",
    "presumably", "conceivably", "maybe", "sometimes", "occasionally", "rarely", "seldom", "unclear",
})  # fmt: skip
"""Words that make a statement less than certain, or less than general. A claim keeps them."""
DOUBTFUL = HEDGES | frozenset(
    {"can", "likely", "often", "usually", "tend", "tends", "considered", "estimated", "if", "would", "some", "few"}
)
"""What may stand for a hedge in a claim."""
UNSETTLED = "|".join((
    r"\bhypothes\w+",
    r"\b(?:we|to|primary|secondary|main) (?:aims?|objectives?)\b",
    r"\b(?:aim|objective|purpose)s? (?:of|is|was|are|were)\b",
    r"\b(?:will|if|whether|expect\w*|plan(?:s|ned)?|should be|concern that)\b",
    r"\bbeing (?:evaluated|studied|tested|investigated|developed)\b",
    r"\b(?:under (?:study|investigation|evaluation)|(?:is|are) (?:still )?in (?:clinical )?trials)\b",
    r"\bto (?:assess|determine|evaluate|investigate|examine|test|compare|study|see|find out|explore)\b",
    r"\b(?:outcome (?:parameter|measure)s?|end-?points?)\b",
    r"\b(?:(?:are|is) needed|remains? to be)\b",
    r"\b(?:guidelines?|recommend\w*|advise[sd]?)\b",
))  # fmt: skip
"""What is planned, wished for, asked or advised is no finding."""
STRICT = frozenset(stem(word) for pole in _POLES for side in pole for word in side.split())
"""Stems that have to stand in the quote itself, and not beside it."""

_FIELDS = """
body site region area part location anatomic face head neck scalp trunk limb arm leg hand foot ear nose lip eyelid eye cheek \
forehead back chest shoulder hip thigh forearm finger toe nail mouth mucosa extremity genital palm sole
fitzpatrick complexion fair dark light pale color colour freckle tan white pigmentation
age aging old older elderly young younger adult child childhood infant teenager adolescent birth newborn
sex gender man woman male female boy girl
diameter size large larger small thick thickness thin wide width millimeter centimeter inch tiny
family relative parent sibling mother father inherit hereditary genetic gene familial mutation
ancestry ethnic descent white caucasian black asian hispanic african european race population country
sun sunlight solar ultraviolet uv tan tanning sunburn sunscreen outdoor sunbathe beach
smoke smoker tobacco cigarette
alcohol drink drinker
pesticide herbicide insecticide arsenic agricultural farmer chemical solvent
history previous previously prior past personal recur recurrence
bleed blood ulcer ulcerate ulceration crust ooze sore scab
itch itchy pruritus pruritic scratch
pain painful hurt tender sore ache
grow growth enlarge expand
change evolve alter become turn darken lighten fade
raise elevate nodule nodular papule bump lump dome flat
excise excision resect resection surgery surgical operation remove removal margin
early late detect detection diagnose diagnosis screen screening examination check delay
drug medicine medication therapy treatment treat
immune immunity immunosuppression immunocompromised transplant hiv weak suppress
radiation radiotherapy irradiation
"""
_REWORDING = """
keep keeps stay stays remain remains put puts bring brings brought come comes
came go goes went carry carries list listed tell told according together already
once away behind point measure born way deal given give gives
people person persons patient patients individual individuals case cases someone anyone get gets have has is was
occur occurs include includes including involve involves known called call name named say says state states describe
described report reported study studies show shown found seen see one ones type form kind way thing use used make makes
made level certain specific particular further additional associate associated association relate related link linked
compare compared comparison versus effect risk factor group groups experience become becomes help helps need needs take
takes place due condition whose
"""
REWORDING = frozenset(stem(word) for word in _REWORDING.split())
"""What a writer may add to make a sentence of a fragment."""


def _classes() -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in (*_SYNONYMS.strip().splitlines(), *(side for pole in _POLES for side in pole)):
        members = frozenset(stem(w) for w in line.split())
        for member in members:
            found[member] = found.get(member, frozenset()) | members
    return found


def _opposites() -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for pole in _POLES:
        one, other = (frozenset(stem(word) for word in side.split()) for side in pole)
        for side, against in ((one, other), (other, one)):
            for member in side:
                found[member] = found.get(member, frozenset()) | against
    return found


_CLASSES = _classes()
_AGAINST = _opposites()
_OF_FIELDS = [frozenset(stem(word) for word in line.split()) for line in _FIELDS.strip().splitlines()]


def opposites(word: str) -> frozenset[str]:
    """The stems that say the opposite of how much, how often or when a stem says something is."""
    return _AGAINST.get(word, frozenset())


def field(word: str) -> frozenset[str]:
    """The stems by which a factor of the same field as a stem may be named: nose where the factor is the body site."""
    return frozenset().union(*(members for members in _OF_FIELDS if word in members))


def synonyms(word: str) -> frozenset[str]:
    """The stems that may stand for a stem, itself among them."""
    return _CLASSES.get(word, frozenset()) | {word}
