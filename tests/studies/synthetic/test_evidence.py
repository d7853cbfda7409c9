"""The draws follow the declared table, and the ceiling is what the Bayes rule really reaches on them."""

from itertools import combinations
from math import log

import numpy as np
import pytest
from sklearn.metrics import f1_score

from prima_jax.studies.synthetic.evidence import (
    FELLOW_EVERY,
    IMAGE_TYPE_RATES,
    MISSING_RATE,
    NEUTRAL,
    PRIOR,
    RING,
    RISK_FACTORS,
    SIGNS,
    Eye,
    Factor,
    ceiling,
    draw_eye,
    log_likelihood_ratios,
    subject_of,
)

# 4.5 standard errors: a right program fails one comparison in 150,000, and about two hundred are made in this file.
STANDARD_ERRORS = 4.5


@pytest.fixture(scope="module")
def eyes() -> list[Eye]:
    """One eye of each subject, so that they are independent."""
    return [draw_eye(11, unit) for unit in range(12_000) if unit == 0 or subject_of(unit) != subject_of(unit - 1)]


@pytest.fixture(scope="module")
def organisms(eyes) -> np.ndarray:
    return np.array([eye.organism for eye in eyes])


def allowed(rate: float, count: int) -> float:
    return STANDARD_ERRORS * np.sqrt(rate * (1 - rate) / count)


def test_the_organism_follows_the_prior(organisms):
    assert organisms.mean() == pytest.approx(PRIOR[1], abs=allowed(PRIOR[1], len(organisms)))


def test_rates_follow_the_table(eyes, organisms):
    for factor in (*RISK_FACTORS, *SIGNS, *NEUTRAL[3:]):
        values = np.array([(eye.history | eye.signs)[factor.name] for eye in eyes])
        for organism in (0, 1):
            for outcome in factor.outcomes:
                expected = factor.rates(outcome)[organism]
                chosen = values[organisms == organism]
                assert np.mean(chosen == outcome) == pytest.approx(expected, abs=allowed(expected, len(chosen)))


def test_empirical_log_likelihood_ratios_match_the_declared_ones(eyes, organisms):
    for name, ratios in log_likelihood_ratios().items():
        sign, _, condition = name.partition(" | ")
        chosen = np.array([not condition or eye.history["contact_lens"] == condition.split(" = ")[-1] for eye in eyes])
        values = np.array([(eye.history | eye.signs)[sign] for eye in eyes])
        for outcome, declared in ratios.items():
            counts = [np.sum(chosen & (organisms == k) & (values == outcome)) for k in (0, 1)]
            totals = [np.sum(chosen & (organisms == k)) for k in (0, 1)]
            error = np.sqrt(sum(1 / count - 1 / total for count, total in zip(counts, totals, strict=True)))
            found = log(counts[1] / totals[1]) - log(counts[0] / totals[0])
            assert found == pytest.approx(declared, abs=STANDARD_ERRORS * error)


def test_evidence_is_independent_given_the_organism_but_for_ring_and_lenses(eyes, organisms):
    names = [factor.name for factor in (*RISK_FACTORS, *SIGNS)] + ["ring"]
    first = {factor.name: factor.outcomes[0] for factor in (*RISK_FACTORS, *SIGNS)} | {"ring": "no"}
    values = np.array([[(eye.history | eye.signs)[name] == first[name] for name in names] for eye in eyes], float)
    for organism in (0, 1):
        correlation = np.corrcoef(values[organisms == organism].T)
        bound = STANDARD_ERRORS / np.sqrt(np.sum(organisms == organism))
        for i, j in combinations(range(len(names)), 2):
            if {names[i], names[j]} == {"ring", "contact_lens"}:
                assert abs(correlation[i, j]) > 0.4  # the table's own: 0.80 for bacteria, -0.44 for fungi
            else:
                assert abs(correlation[i, j]) < bound, (names[i], names[j])


def test_missingness_is_independent_of_the_organism(eyes, organisms):
    for name in eyes[0].fields:
        missing = np.array([eye.fields[name] == "" for eye in eyes])
        for organism in (0, 1):
            chosen = missing[organisms == organism]
            assert chosen.mean() == pytest.approx(MISSING_RATE, abs=allowed(MISSING_RATE, len(chosen))), name


def test_what_should_say_nothing_says_nothing(eyes, organisms):
    numbers = {
        "age": [float(eye.fields["age"] or "nan") for eye in eyes],
        "infiltrate_size_mm": [float(eye.fields["infiltrate_size_mm"] or "nan") for eye in eyes],
        "photographs": [len(eye.image_types) for eye in eyes],
        "blue photograph": ["blue" in eye.image_types for eye in eyes],
        "right eye": [eye.eye == "OD" for eye in eyes],
        "subject number": [eye.subject for eye in eyes],
        "x": [eye.center[0] for eye in eyes],
        "radius": [eye.radius for eye in eyes],
        "shape seed": [eye.shape_seed for eye in eyes],
    }
    for name, column in numbers.items():
        groups = [np.array(column, float)[organisms == k] for k in (0, 1)]
        groups = [group[~np.isnan(group)] for group in groups]
        error = np.sqrt(sum(group.var() / len(group) for group in groups))
        assert abs(groups[0].mean() - groups[1].mean()) < STANDARD_ERRORS * error, name


def test_manifest_never_contradicts_the_history(eyes):
    bands = {"1-6": (1, 6), "7-13": (7, 13), "14-30": (14, 30)}
    for eye in eyes[:500]:
        for factor in RISK_FACTORS:
            noted = eye.fields[factor.name]
            if noted and factor.name == "days_of_symptoms":
                low, high = bands[eye.history[factor.name]]
                assert low <= int(noted) <= high
            elif noted:
                assert noted == eye.history[factor.name]


def test_noted_signs_are_nearly_what_is_drawn(eyes):
    noted = [eye for eye in eyes if eye.fields["hypopyon"]]
    agreement = np.mean([eye.fields["hypopyon"] == eye.signs["hypopyon"] for eye in noted])
    assert agreement == pytest.approx(0.975, abs=allowed(0.975, len(noted)))  # one in twenty guesses, half of them right


def likelihood(factor: Factor, outcome: str) -> np.ndarray:
    return np.array(factor.rates(outcome)) if outcome else np.ones(2)


def history_weight(eye: Eye, factor: Factor) -> np.ndarray:
    return likelihood(factor, eye.history[factor.name] if eye.fields[factor.name] else "")


def sign_weight(eye: Eye, factor: Factor) -> np.ndarray:
    hidden = factor.name == "large_epithelial_defect" and "blue" not in eye.image_types
    return likelihood(factor, "" if hidden else eye.signs[factor.name])


def posterior(eye: Eye, evidence: str) -> np.ndarray:
    """Bayes' rule for one eye, written down without the tables of the module."""
    weight = np.array(PRIOR)
    if evidence != "metadata":
        weight = weight * np.prod([sign_weight(eye, factor) for factor in SIGNS], axis=0)
    if evidence != "image":
        weight = weight * np.prod([history_weight(eye, factor) for factor in RISK_FACTORS[1:]], axis=0)
    known = eye.fields["contact_lens"] if evidence != "image" else ""
    total = np.zeros(2)
    for wear in [known] if known else ["no", "yes"]:
        ring = np.array(RING[wear]) if eye.signs["ring"] == "yes" else 1 - np.array(RING[wear])
        total += likelihood(RISK_FACTORS[0], wear) * (ring if evidence != "metadata" else 1)
    return weight * total


@pytest.mark.parametrize("evidence", ["image", "metadata", "both"])
def test_ceiling_is_what_the_bayes_rule_reaches_on_the_draws(eyes, organisms, evidence):
    predicted = np.array([posterior(eye, evidence).argmax() for eye in eyes])
    best = ceiling()[evidence]
    bound = allowed(best["accuracy"], len(eyes))
    assert np.mean(predicted == organisms) == pytest.approx(best["accuracy"], abs=bound)
    # Macro F1 of two nearly balanced classes moves with accuracy, one to one within a few percent.
    assert f1_score(organisms, predicted, average="macro") == pytest.approx(best["macro_f1"], abs=1.2 * bound)


def test_each_modality_holds_what_the_other_lacks():
    best = {name: scores["accuracy"] for name, scores in ceiling().items()}
    assert 0.75 < best["metadata"] < 0.80
    assert 0.77 < best["image"] < 0.81
    assert best["both"] > 0.89


def test_a_ring_says_little_without_the_history():
    rates = [sum(p * RING[wear][k] for wear, p in lens(k).items()) for k in (0, 1)]
    assert abs(rates[0] - rates[1]) < 0.05


def lens(organism: int) -> dict[str, float]:
    return {wear: RISK_FACTORS[0].rates(wear)[organism] for wear in ("no", "yes")}


def test_an_eye_depends_on_its_number_and_seed_alone():
    assert draw_eye(3, 20) == draw_eye(3, 20)
    assert draw_eye(3, 20) != draw_eye(4, 20)
    assert draw_eye(3, 20).shape_seed != draw_eye(3, 21).shape_seed


def test_fellow_eyes_share_subject_organism_and_history_but_not_signs():
    pairs = [(draw_eye(0, k - 1), draw_eye(0, k)) for k in range(FELLOW_EVERY - 1, 40 * FELLOW_EVERY, FELLOW_EVERY)]
    for first, second in pairs:
        assert (first.subject, first.organism, first.history) == (second.subject, second.organism, second.history)
        assert {first.eye, second.eye} == {"OD", "OS"}
    assert any(first.signs != second.signs for first, second in pairs)
    assert len({subject_of(k) for k in range(80)}) == 70


def test_every_eye_has_a_photograph(eyes):
    assert min(len(eye.image_types) for eye in eyes) == 1
    assert np.mean([len(eye.image_types) for eye in eyes]) == pytest.approx(sum(IMAGE_TYPE_RATES.values()), abs=0.03)
