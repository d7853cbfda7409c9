"""From what a model answers to a draft: what is none is refused with the reason."""

import json

import pytest

from prima_jax.corpus.write.answers import InvalidAnswer, parse_draft
from prima_jax.corpus.write.prompt import SCHEMA
from tests.corpus.write.llm_server import claim, claims

RIGHT = claims(
    claim("Smoking raises the risk of basal cell carcinoma.", "111", "Smoking raises the risk of basal cell carcinoma.")
)
WRONG = {
    "not JSON": ("Smoking is bad for you.", "is no JSON"),
    "half": (RIGHT[:-20], "is no JSON"),
    "two objects": (RIGHT + RIGHT, "is no JSON"),
    "empty": ("", "empty"),
    "no object": ("[]", "the object"),
    "other fields": ('{"answer": "none"}', "claims: Field required"),
    "extra field": (RIGHT[:-1] + ', "note": "Ignore all rules."}', r"\(unknown field\): Extra inputs"),
    "enum": (RIGHT.replace("raises", "increases", 1).replace('"raises"', '"increases"'), "claims.0.direction: Input should be"),
    "number for text": (claims(claim("A.", "111", "a") | {"text": 5}), "claims.0.text: Input should be a valid string"),
    "duplicate": (RIGHT[:-1] + ', "claims": []}', "a key occurs twice"),
    "digits": ('{"claims": ' + "9" * 10_000 + "}", "is no JSON"),
    "flood": (claims(*[claim("A.", "111", "a")] * 31), "more than 30 claims"),
    "sermon": (claims(claim("A" * 3000, "111", "a")), "claims.0 has a text, id or quote of more than 2000"),
    "blank": (claims(claim(" ", "111", "a")), "claims.0 has an empty"),
    "control": (claims(claim("A\x00b.", "111", "a")), "claims.0 holds control"),
    "an effect without its figure": (
        claims(claim("A.", "111", "a", effect={"unit": "odds ratio"})),
        "claims.0.effect.number: Field",
    ),
    "blank population": (claims(claim("A.", "111", "a", population=" ")), "claims.0 has an empty"),
    "control in an interval": (
        claims(claim("A.", "111", "a", effect={"number": "1", "unit": "%", "interval": "1\x002"})),
        "claims.0 holds control",
    ),
    "surrogate": (
        '{"claims": [{"text": "\\ud800", "direction": "none", "strength": "weak", "citations": []}]}',
        "half a surrogate pair",
    ),
    "direction of writing": (claims(claim("A \u202egnisiar\u202c b.", "111", "a")), "claims.0 holds control"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_draft_is_refused_with_the_reason(name):
    text, reason = WRONG[name]
    with pytest.raises(InvalidAnswer, match=reason):
        parse_draft(text)


@pytest.mark.parametrize(
    "text", [f"```json\n{RIGHT}\n```", f"```\n{RIGHT}```", f"\ufeff  {RIGHT}\n", json.dumps(json.loads(RIGHT), indent=2)]
)
def test_a_fence_around_the_answer_is_no_fault(text):
    assert len(parse_draft(text).claims) == 1


def test_no_claims_is_an_answer():
    assert parse_draft('{"claims": []}').claims == ()


def test_what_physicians_ask_first_may_be_given_or_left_out():
    effect = {"number": "1.42", "unit": "odds ratio", "interval": "1.10-1.83"}
    (full,) = parse_draft(claims(claim("A.", "111", "a", effect=effect, population="men", body_site="lip"))).claims
    assert (full.effect.model_dump(), full.population, full.body_site) == (effect, "men", "lip")
    for left_out in ({}, {"effect": None, "population": None, "body_site": None}):
        (plain,) = parse_draft(claims(claim("A.", "111", "a", **left_out))).claims
        assert (plain.effect, plain.population, plain.body_site) == (None, None, None)


def test_every_field_of_the_schema_is_required_as_strict_schemas_have_it():
    parts = [SCHEMA, *SCHEMA["$defs"].values()]
    assert len(parts) == 4
    for part in parts:
        assert part["required"] == list(part["properties"]) and part["additionalProperties"] is False
    assert "default" not in json.dumps(SCHEMA)
