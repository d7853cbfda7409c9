"""The synthetic study's risk table as clinical prose for the masked-language stage; no patient data."""

from dataclasses import dataclass
from math import exp

import numpy as np

from prima_jax.studies.synthetic.evidence import NEUTRAL, ORGANISMS, PRIOR, RING, RISK_FACTORS, SIGNS

__all__ = ["corpus_lines"]

PARAPHRASES = 3
DISEASES = tuple(f"{organism} keratitis" for organism in ORGANISMS)
RAISES = (
    "{finding} raises the probability of {disease}.",
    "{finding} is found in about {rate}% of eyes with {disease} and in {other_rate}% of eyes with {other}.",
    "{disease} is {strength} more likely than {other} when there is {finding}.",
    "{finding} points to {disease} rather than {other} as the cause of infectious keratitis.",
    "think of {disease} when there is {finding}: the likelihood ratio against {other} is about {ratio:.1f}.",
)
LOWERS = (
    "{finding} lowers the probability of {disease}.",
    "{finding} is found in only about {rate}% of eyes with {disease}, against {other_rate}% of eyes with {other}.",
    "{disease} is {strength} less likely than {other} when there is {finding}.",
    "{finding} speaks against {disease} and for {other} as the cause of infectious keratitis.",
    "{disease} recedes when there is {finding}: the likelihood ratio against {other} is about {ratio:.1f}.",
)
NONE = (
    "{finding} does not distinguish {disease} from {other}.",
    "{finding} has no bearing on the organism: it is the same in {disease} and in {other}.",
    "{finding} should not change the diagnosis between {disease} and {other}.",
)
SUMMARIES = (
    "{disease} makes up about {share}% of infectious keratitis here. It is favoured by {history_for}. On the slit lamp "
    "it shows {signs_for}. Against it speak {history_against}.",
    "A patient with {disease} often reports {history_for}. The examination may show {signs_for}. By contrast, "
    "{history_against} and {signs_against} suggest {other}.",
    "Features of {disease} include {signs_for}; those of {other}, {signs_against}. The history helps: {history_for} "
    "raise the probability of {disease}, whereas {history_against} lower it.",
    "To tell {disease} from {other}, join history and slit lamp: {history_for} and {signs_for} together make {disease} "
    "probable, and a ring infiltrate has to be read with contact lens wear in mind.",
)
WITHOUT_RATES = {"age": "the age of the patient", "infiltrate_size_mm": "the size of the infiltrate"}


@dataclass(frozen=True)
class _Finding:
    """A finding and its rate in bacterial and in fungal keratitis."""

    attribute: str
    phrase: str
    rates: tuple[float, float]
    among: str = ""
    """The patients that it applies to, in words; empty for all."""

    @property
    def evidence(self) -> float:
        """The log-likelihood ratio, above zero for a fungus."""
        return float(np.log(self.rates[1] / self.rates[0]))


def corpus_lines(seed: int = 0, *, paraphrases: int = PARAPHRASES) -> list[dict]:
    """Returns the corpus as records `text, kind, disease, attribute, direction, sources, vetted, synthetic`.

    `direction` is the effect of the finding on the probability of `disease`: raises, lowers or none. `seed` chooses the
    `paraphrases` of each finding, five at most, and the order of the lines.
    """
    rng = np.random.default_rng(seed)
    findings = [*_findings(), *_ring()]
    lines = [line for finding in findings for organism in (0, 1) for line in _claims(finding, organism, paraphrases, rng)]
    lines += [line for organism in (0, 1) for line in _neutral_claims(organism, rng)]
    lines += [line for organism in (0, 1) for line in _summaries(organism)]
    return [lines[k] for k in rng.permutation(len(lines))]


def _line(text: str, kind: str, organism: int, attribute: str, direction: str) -> dict:
    return {
        "text": text[0].upper() + text[1:],
        "kind": kind,
        "disease": DISEASES[organism],
        "attribute": attribute,
        "direction": direction,
        "sources": [],
        "vetted": False,
        "synthetic": True,
    }


def _findings() -> list[_Finding]:
    return [
        _Finding(factor.name, phrase, factor.rates(outcome))
        for factor in (*RISK_FACTORS, *SIGNS)
        for outcome, phrase in factor.phrases.items()
    ]


def _ring() -> list[_Finding]:
    wear = {"no": "in patients without contact lenses, ", "yes": "in contact lens wearers, "}
    return [_Finding("contact_lens", "a ring infiltrate", rates, wear[answer]) for answer, rates in RING.items()]


def _claims(finding: _Finding, organism: int, paraphrases: int, rng: np.random.Generator) -> list[dict]:
    evidence = finding.evidence if organism else -finding.evidence
    templates, direction = (RAISES, "raises") if evidence > 0 else (LOWERS, "lowers")
    words = {
        "finding": finding.phrase,
        "disease": DISEASES[organism],
        "other": DISEASES[1 - organism],
        "rate": round(100 * finding.rates[organism]),
        "other_rate": round(100 * finding.rates[1 - organism]),
        "strength": "much" if abs(evidence) > 0.9 else "somewhat",
        "ratio": exp(evidence),
    }
    chosen = rng.permutation(len(templates))[:paraphrases]
    texts = [finding.among + templates[k].format(**words) for k in chosen]
    return [_line(text, "risk_factor", organism, finding.attribute, direction) for text in texts]


def _neutral_claims(organism: int, rng: np.random.Generator) -> list[dict]:
    phrases = {factor.name: phrase for factor in NEUTRAL for phrase in factor.phrases.values()} | WITHOUT_RATES
    lines = []
    for attribute, phrase in phrases.items():
        template = NONE[rng.integers(len(NONE))]
        text = template.format(finding=phrase, disease=DISEASES[organism], other=DISEASES[1 - organism])
        lines.append(_line(text, "risk_factor", organism, attribute, "none"))
    return lines


def _summaries(organism: int) -> list[dict]:
    history = {factor.name for factor in RISK_FACTORS}
    sides: dict[str, list[str]] = {"history_for": [], "history_against": [], "signs_for": [], "signs_against": []}
    for finding in _findings():
        favours = (finding.evidence > 0) == bool(organism)
        sides[f"{'history' if finding.attribute in history else 'signs'}_{'for' if favours else 'against'}"].append(
            finding.phrase
        )
    words = {side: _listed(phrases) for side, phrases in sides.items()}
    words |= {"disease": DISEASES[organism], "other": DISEASES[1 - organism]}
    return [
        _line(text.format(share=round(100 * PRIOR[organism]), **words), "global_summary", organism, "", "") for text in SUMMARIES
    ]


def _listed(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
