"""What is missing is what the condition says, of the held-out units alone, and the same for whoever asks."""

import numpy as np
import pytest

from prima_jax.robustness.conditions import INTACT, SHARES, conditions, without_fields, without_photographs
from prima_jax.stages.cases import Case


@pytest.fixture(scope="module")
def asked(study):
    return {one.name: one for one in conditions(study.prepared.study, seed=0, by_unit=True)}


def test_shares_are_nested_and_as_large_as_they_say(asked, study):
    units = [f"u{n}" for n in range(2000)]
    attributes = len(study.prepared.study.shown())
    before = dict.fromkeys(units, frozenset())
    for share in SHARES:
        removed = {unit: asked[f"share_{share}"].removed(unit) for unit in units}
        assert all(before[unit] <= removed[unit] for unit in units)
        mean = np.mean([len(names) for names in removed.values()]) / attributes
        # 2,000 units of 15 attributes: four standard errors
        assert abs(mean - share) < 4 * np.sqrt(share * (1 - share) / (2000 * attributes))
        before = removed
    again = {one.name: one for one in conditions(study.prepared.study, seed=0, by_unit=True)}
    assert all(again["share_0.5"].removed(unit) == asked["share_0.5"].removed(unit) for unit in units[:50])
    other = {one.name: one for one in conditions(study.prepared.study, seed=1, by_unit=True)}
    assert any(other["share_0.5"].removed(unit) != asked["share_0.5"].removed(unit) for unit in units[:50])


def test_only_the_records_asked_about_lose_fields_and_only_those_named(asked, study):
    prepared, positions = study.prepared, {0, 1, 5}
    name = next(iter(prepared.records[0].fields))
    changed = without_fields(prepared, positions, asked[f"attribute_{name}"])
    for position, (before, after) in enumerate(zip(prepared.records, changed.records, strict=True)):
        expected = {k: v for k, v in before.fields.items() if k != name or position not in positions}
        assert after.fields == expected and after.label == before.label and after.unit == before.unit
    assert without_fields(prepared, positions, INTACT) is prepared
    assert all(not r.fields for r in without_fields(prepared, set(range(len(prepared.records))), asked["all_metadata"]).records)


def test_a_kind_of_photograph_is_missing_but_for_cases_that_have_no_other(asked, study):
    types = list(study.prepared.study.image_types.values())
    condition = asked[f"photograph_{types[1]}"]
    assert without_photographs(case((0,), (1, 2), (3,)), condition).slots == ((0,), (), (3,))
    assert without_photographs(case((), (1,), ()), condition).slots == ((), (1,), ())
    assert without_photographs(case((0,), (1,), ()), INTACT).slots == ((0,), (1,), ())
    records = {one.name for one in conditions(study.prepared.study, seed=0, by_unit=False)}
    assert not any(name.startswith("photograph_") for name in records)


def test_blocks_are_those_of_the_study(asked, study):
    blocks = {a.block for a in study.prepared.study.shown() if a.block}
    assert {name.removeprefix("block_") for name in asked if name.startswith("block_")} <= blocks
    for name, condition in asked.items():
        if name.startswith("block_"):
            of_block = {a.name for a in study.prepared.study.shown() if a.block == name.removeprefix("block_")}
            assert condition.removed("u") == of_block


def case(*slots):
    return Case("c", "u", "s", 0, 0, slots)
