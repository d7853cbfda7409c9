"""The corpus says what the table says, and nothing about a patient."""

import re

import pytest

from prima_jax.studies.synthetic.corpus import corpus_lines
from prima_jax.studies.synthetic.evidence import NEUTRAL, ORGANISMS, RISK_FACTORS, SIGNS


@pytest.fixture(scope="module")
def lines() -> list[dict]:
    return corpus_lines()


def test_every_line_has_the_fields_of_a_corpus_record(lines):
    assert 60 <= len(lines) <= 150
    assert len({line["text"] for line in lines}) == len(lines)
    for line in lines:
        assert set(line) == {
            "text", "kind", "disease", "attribute", "direction", "sources", "vetted", "synthetic",
        }  # fmt: skip
        assert line["kind"] in ("global_summary", "risk_factor")
        assert line["disease"] in ("bacterial keratitis", "fungal keratitis")
        assert (line["sources"], line["vetted"], line["synthetic"]) == ([], False, True)
        assert re.fullmatch(r"[A-Z].*\.", line["text"])
        assert not re.search(r"[{}]|  ", line["text"])


def test_every_factor_is_told_for_both_diseases(lines):
    told = {(line["attribute"], line["disease"]) for line in lines}
    names = [factor.name for factor in (*RISK_FACTORS, *SIGNS, *NEUTRAL)] + ["age", "infiltrate_size_mm"]
    assert {(name, f"{organism} keratitis") for name in names for organism in ORGANISMS} <= told
    assert sum(line["kind"] == "global_summary" for line in lines) >= 4


def test_directions_follow_the_table(lines):
    for factor in (*RISK_FACTORS[1:], *SIGNS):  # lens wear comes first; its lines also tell of the ring
        for outcome, phrase in factor.phrases.items():
            of_it = [x for x in lines if x["attribute"] == factor.name and phrase in x["text"].lower()]
            assert of_it
            for line in of_it:
                favours = factor.log_likelihood_ratio(outcome) > 0
                fungal = line["disease"] == "fungal keratitis"
                assert line["direction"] == ("raises" if favours == fungal else "lowers")
    neutral = {factor.name for factor in NEUTRAL} | {"age", "infiltrate_size_mm"}
    assert {line["attribute"] for line in lines if line["direction"] == "none"} == neutral


def test_a_ring_turns_its_meaning_with_lens_wear(lines):
    ring = [line for line in lines if "a ring infiltrate" in line["text"] and line["kind"] == "risk_factor"]
    for line in ring:
        wearer = line["text"].startswith("In contact lens wearers")
        assert wearer != line["text"].startswith("In patients without contact lenses")
        assert line["direction"] == ("raises" if wearer == (line["disease"] == "bacterial keratitis") else "lowers")
    assert len(ring) >= 8


def test_the_seed_chooses_words_and_order_only(lines):
    assert corpus_lines(0) == lines
    other = corpus_lines(1)
    assert [line["text"] for line in other] != [line["text"] for line in lines]

    def claims(of):
        return sorted((x["disease"], x["attribute"], x["direction"]) for x in of)

    assert claims(other) == claims(lines)
