"""The generative model of the synthetic slit-lamp study: risk table, draws of units, and the Bayes rule's scores."""

from dataclasses import dataclass
from math import log

import numpy as np

__all__ = [
    "MISSING_RATE",
    "NEUTRAL",
    "ORGANISMS",
    "PRIOR",
    "RING",
    "RISK_FACTORS",
    "SIGNS",
    "IMAGE_TYPE_RATES",
    "Eye",
    "Factor",
    "ceiling",
    "draw_eye",
    "log_likelihood_ratios",
    "subject_of",
]

ORGANISMS = ("bacterial", "fungal")
PRIOR = (0.55, 0.45)
IMAGE_TYPE_RATES = {"white": 0.95, "blue": 0.88, "scatter": 0.75}
"""The probability of each photograph of an eye; an eye without any gets the white one."""
MISSING_RATE = 0.12
"""The probability that a field is missing, independently of the others and of the organism."""
CORNEA_MM = 11.7
FELLOW_EVERY = 8
"""Every eighth eye is the fellow eye of the subject before: same organism, same history, signs of its own."""
DAYS = {"1-6": (1, 6), "7-13": (7, 13), "14-30": (14, 30)}
DISTANCES = {"central": (0.0, 0.08), "paracentral": (0.22, 0.34), "peripheral": (0.44, 0.54)}
"""From the middle of the cornea to that of the infiltrate, in radii of the cornea."""


@dataclass(frozen=True)
class Factor:
    """One piece of evidence: how probable each outcome is, given the organism, independently of the other pieces."""

    name: str
    phrases: dict[str, str]
    """Words for the outcomes that are worth a sentence."""
    outcomes: tuple[str, ...]
    bacterial: tuple[float, ...]
    fungal: tuple[float, ...]

    def table(self) -> np.ndarray:
        """P(outcome | organism) as `[outcomes, 2]`."""
        return np.array([self.bacterial, self.fungal]).T

    def rates(self, outcome: str) -> tuple[float, float]:
        """P(outcome | bacterial) and P(outcome | fungal)."""
        index = self.outcomes.index(outcome)
        return self.bacterial[index], self.fungal[index]

    def log_likelihood_ratio(self, outcome: str) -> float:
        """log P(outcome | fungal) / P(outcome | bacterial), in nats: above zero favours a fungus."""
        bacterial, fungal = self.rates(outcome)
        return log(fungal / bacterial)


def _yes_no(name: str, phrase: str, bacterial: float, fungal: float) -> Factor:
    return Factor(name, {"yes": phrase}, ("no", "yes"), (1 - bacterial, bacterial), (1 - fungal, fungal))


def _alike(name: str, phrases: dict[str, str], outcomes: tuple[str, ...], rates: tuple[float, ...]) -> Factor:
    return Factor(name, phrases, outcomes, rates, rates)


RISK_FACTORS = (
    _yes_no("contact_lens", "contact lens wear", 0.50, 0.20),
    Factor(
        "trauma",
        {"none": "the absence of injury", "plant": "an injury with plant matter", "metal": "an injury with metal"},
        ("none", "plant", "metal", "other"),
        (0.62, 0.12, 0.14, 0.12),
        (0.36, 0.44, 0.08, 0.12),
    ),
    _yes_no("outdoor_work", "work on the land", 0.30, 0.55),
    _yes_no("steroid_drops", "the use of steroid drops", 0.15, 0.38),
    _yes_no("prior_antibiotic", "previous antibiotic treatment", 0.35, 0.52),
    _yes_no("ocular_surface_disease", "ocular surface disease", 0.35, 0.17),
    Factor(
        "days_of_symptoms",
        {"1-6": "a history of less than a week", "14-30": "a history of two weeks or longer"},
        tuple(DAYS),
        (0.50, 0.32, 0.18),
        (0.22, 0.33, 0.45),
    ),
)
"""History: only the manifest holds it. `days_of_symptoms` is a number; within its band every day is as likely."""

SIGNS = (
    _yes_no("feathery_edge", "a feathery infiltrate edge", 0.22, 0.72),
    _yes_no("satellites", "a pattern of satellite lesions", 0.15, 0.52),
    _yes_no("large_epithelial_defect", "an epithelial defect larger than the infiltrate", 0.68, 0.30),
)
"""Signs that only photographs hold; the defect shows in blue light alone."""

RING = {"no": (0.05, 0.60), "yes": (0.85, 0.05)}
"""P(ring infiltrate | organism) by contact lens wear. An interaction: in a wearer a ring
is evidence for bacteria, in others for a fungus, so that it takes both photograph and history."""

NEUTRAL = (
    _alike("sex", {"female": "female sex"}, ("female", "male"), (0.45, 0.55)),
    _yes_no("diabetes", "diabetes mellitus", 0.20, 0.20),
    _yes_no("prior_antifungal", "previous antifungal treatment", 0.08, 0.08),
    _alike("infiltrate_location", {"peripheral": "a peripheral infiltrate"}, tuple(DISTANCES), (0.35, 0.35, 0.30)),
    _yes_no("hypopyon", "a hypopyon", 0.40, 0.40),
    _yes_no("prior_keratoplasty", "a corneal graft", 0.12, 0.12),
)
"""Drawn alike for both organisms, as are age and the size of the infiltrate."""


@dataclass(frozen=True)
class Eye:
    """One drawn unit: `fields` are the manifest's (empty: missing), `signs` the photographs'."""

    subject: int
    eye: str
    organism: int
    history: dict[str, str]
    """Every risk factor's true outcome, the missing ones too."""
    signs: dict[str, str]
    fields: dict[str, str]
    image_types: tuple[str, ...]
    center: tuple[float, float]
    """Of the infiltrate, in radii of the cornea, x to the right of the photograph and y down."""
    radius: float
    """Of the infiltrate, in radii of the cornea."""
    shape_seed: int


def subject_of(unit: int) -> int:
    """Returns the subject of unit number `unit`, which does not depend on the number of units."""
    return unit - (unit + 1) // FELLOW_EVERY


def draw_eye(seed: int, unit: int) -> Eye:
    """Draws unit number `unit`: the organism first, then history and signs given the organism."""
    subject = subject_of(unit)
    rng = np.random.default_rng([seed, 1, subject])
    organism = int(rng.random() >= PRIOR[0])
    history = {factor.name: _draw(factor, organism, rng) for factor in (*RISK_FACTORS, *NEUTRAL[:3])}
    low, high = DAYS[history["days_of_symptoms"]]
    fields = {"age": str(rng.integers(18, 86))} | history | {"days_of_symptoms": str(rng.integers(low, high + 1))}
    fields = _forget(fields, rng)
    first_eye = ("OD", "OS")[rng.integers(2)]
    fellow = unit > 0 and subject_of(unit - 1) == subject
    eye = {"OD": "OS", "OS": "OD"}[first_eye] if fellow else first_eye

    rng = np.random.default_rng([seed, 2, unit])
    signs = {factor.name: _draw(factor, organism, rng) for factor in (*SIGNS, *NEUTRAL[3:])}
    signs["ring"] = ("no", "yes")[int(rng.random() < RING[history["contact_lens"]][organism])]
    radius = float(rng.uniform(0.22, 0.40))
    noted = {factor.name: _misread(factor, signs[factor.name], rng) for factor in NEUTRAL[3:]}
    noted["infiltrate_size_mm"] = f"{CORNEA_MM * radius + rng.normal(0, 0.3):.1f}"
    image_types = tuple(image_type for image_type, rate in IMAGE_TYPE_RATES.items() if rng.random() < rate)
    return Eye(
        subject=subject,
        eye=eye,
        organism=organism,
        history={factor.name: history[factor.name] for factor in RISK_FACTORS},
        signs=signs,
        fields=fields | _forget(noted, rng),
        image_types=image_types or ("white",),
        center=_center(*DISTANCES[signs["infiltrate_location"]], rng),
        radius=radius,
        shape_seed=int(rng.integers(2**31)),
    )


def log_likelihood_ratios() -> dict[str, dict[str, float]]:
    """log P(outcome | fungal) / P(outcome | bacterial), in nats, of risk factors and signs; the ring by lens wear."""
    ratios = {f.name: {o: f.log_likelihood_ratio(o) for o in f.outcomes} for f in (*RISK_FACTORS, *SIGNS)}
    for wear, (bacterial, fungal) in RING.items():
        ring = _yes_no("ring", "", bacterial, fungal)
        ratios[f"ring | contact_lens = {wear}"] = {o: ring.log_likelihood_ratio(o) for o in ring.outcomes}
    return ratios


def ceiling() -> dict[str, dict[str, float]]:
    """Accuracy and macro F1 of the Bayes rule on one eye with all its photographs: image, metadata and both.

    Exact: every pattern of evidence is enumerated, empty fields and absent blue photographs included.
    """
    lens, *others = RISK_FACTORS
    history = [_sometimes(factor.table(), 1 - MISSING_RATE) for factor in others]
    *always, defect = SIGNS
    signs = [*(factor.table() for factor in always), _sometimes(defect.table(), IMAGE_TYPE_RATES["blue"])]
    ring = np.array([[[1 - p for p in RING[wear]], RING[wear]] for wear in lens.outcomes])
    lens_and_ring = lens.table()[:, None] * ring
    seen = (1 - MISSING_RATE) * lens_and_ring
    lens_and_ring = np.concatenate([seen, MISSING_RATE * lens_and_ring.sum(0, keepdims=True)])
    return {
        "image": _bayes(_joint(lens_and_ring.sum(0), *signs)),
        "metadata": _bayes(_joint(lens_and_ring.sum(1), *history)),
        "both": _bayes(_joint(lens_and_ring.reshape(-1, 2), *history, *signs)),
    }


def _draw(factor: Factor, organism: int, rng: np.random.Generator) -> str:
    rates = (factor.bacterial, factor.fungal)[organism]
    return factor.outcomes[int(np.searchsorted(np.cumsum(rates)[:-1], rng.random(), side="right"))]


def _forget(fields: dict[str, str], rng: np.random.Generator) -> dict[str, str]:
    return {name: "" if rng.random() < MISSING_RATE else value for name, value in fields.items()}


def _misread(factor: Factor, outcome: str, rng: np.random.Generator) -> str:
    """A clinician's note of a sign: one in twenty is a guess."""
    guess = factor.outcomes[rng.integers(len(factor.outcomes))]
    return guess if rng.random() < 0.05 else outcome


def _center(near: float, far: float, rng: np.random.Generator) -> tuple[float, float]:
    distance, angle = rng.uniform(near, far), rng.uniform(-np.pi, np.pi)
    return float(distance * np.cos(angle)), float(distance * np.sin(angle))


def _sometimes(table: np.ndarray, rate: float) -> np.ndarray:
    """The table of evidence that is there with probability `rate`: one row more, for its absence."""
    return np.concatenate([rate * table, np.full((1, 2), 1 - rate)])


def _joint(*tables: np.ndarray) -> np.ndarray:
    """P(pattern | organism) `[patterns, 2]` of evidence that is independent given the organism."""
    joint = np.ones((1, 2))
    for table in tables:
        joint = (joint[:, None] * table[None]).reshape(-1, 2)
    return joint


def _bayes(joint: np.ndarray) -> dict[str, float]:
    weights = joint * PRIOR
    predicted = weights.argmax(axis=1)
    confusion = np.array([weights[predicted == j].sum(axis=0) for j in (0, 1)]).T
    f1 = 2 * np.diag(confusion) / (confusion.sum(axis=0) + confusion.sum(axis=1))
    return {"accuracy": float(np.trace(confusion)), "macro_f1": float(f1.mean())}
