"""Whether a claim and its sources are about the disease and the factor that were asked about."""

import re
from collections.abc import Sequence

from prima_jax.corpus.check.lexicon import field, synonyms
from prima_jax.corpus.check.support import rephrased
from prima_jax.corpus.check.words import FUNCTION_WORDS, related, stem, words_of
from prima_jax.corpus.topics import find_terms, text_words

__all__ = ["names_disease", "names_factor", "other_disease"]

_DISEASE = re.compile(
    r"\b(?:[\w-]+ ){0,2}(?:\w{2,}(?:oma|omas|omata|itis)|\w*keratos[ie]s|\w*porokeratosis|cancers?|n(?:a)?ev(?:us|i)|moles?|"
    r"leuk(?:a)?emia|syndrome)\b"
)
_GENERAL = frozenset({
    "cancer", "cancers", "carcinoma", "carcinomas", "tumor", "tumors", "disease", "diseases", "disorder", "condition", "skin",
    "malignancy", "malignancies", "lesion", "lesions",
})  # fmt: skip
"""What any disease is called once its name has been said."""
_AT_RISK = re.compile(r"\brisks? (?:of|for) (?:developing |getting |having )?((?:[\w-]+ ){0,3}[\w-]+)")


def names_disease(text: str, terms: Sequence[str]) -> bool:
    """Whether `text` names one of the terms: as written, inflected, by a synonym, or with its words in another order."""
    return bool(find_terms(text, terms)) or _all_stand(terms, text) or _kind_stands(terms, text)


def names_factor(text: str, terms: Sequence[str]) -> bool:
    """Whether `text` names one of the terms, or anything of their field: a nose where the factor is the body site.

    A passage seldom uses the study's own words for a factor, and a value of the factor is as good.
    """
    if names_disease(text, terms):
        return True
    fields = {other for term in text_words(terms) for word in _matter(term) for other in field(word)}
    return not fields.isdisjoint(word.stem for word in words_of(rephrased(text)))


def other_disease(claim: str, quoted: str, terms: Sequence[str]) -> str:
    """A disease that the quote is on and the claim leaves out, where the quote does not name the claim's; else empty."""
    if find_terms(quoted, terms):
        return ""
    at_risk = [set(_matter(match[1])) for match in _AT_RISK.finditer(quoted)]
    claimed = {word.stem for word in words_of(rephrased(claim))} | {stem(word) for word in _GENERAL}
    if at_risk and all(objects and objects.isdisjoint(claimed) for objects in at_risk):
        return _AT_RISK.findall(quoted)[0]
    words = {word for term in terms for word in term.lower().split()}
    for match in _DISEASE.finditer(quoted.lower()):
        name = match.group().split()[-1]
        if name.rstrip("s") in words or name in words or name in _GENERAL:
            continue
        if not re.search(rf"\b{re.escape(name[:-1])}", claim.lower()):
            return name
    return ""


def _all_stand(terms: Sequence[str], text: str) -> bool:
    """Whether all words of one of the terms, or words related to them, stand somewhere in `text`."""
    stems = {word.stem for word in words_of(rephrased(text))}
    return any(
        all(not stems.isdisjoint(synonyms(wanted)) or any(related(wanted, one) for one in stems) for wanted in _matter(term))
        for term in text_words(terms)
    )


def _kind_stands(terms: Sequence[str], text: str) -> bool:
    """Whether `text` names a disease by its kind: "squamous cell lesions" of squamous cell carcinoma."""
    for term in text_words(terms):
        *kind, _ = term.split()
        general = "|".join(sorted(_GENERAL))
        if len(kind) > 1 and re.search(rf"\b{re.escape(' '.join(kind))} (?:{general})\b", text, re.IGNORECASE):
            return True
    return False


def _matter(term: str) -> list[str]:
    return [word.stem for word in words_of(rephrased(term.removesuffix("*"))) if word.text not in FUNCTION_WORDS]
