"""Contributions add up to the answer, and what changes nothing contributes nothing."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import prima_jax
from prima_jax.clinic.explain import GRID, explain
from prima_jax.clinic.explanation_files import write_explanation
from prima_jax.errors import UserError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asked(run: Path, bundle: Path):
    with (run / "synthetic_study" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    model = prima_jax.load(bundle)
    model.config.features.test_views = 2  # as in the light recipe the answer is the mean over several
    return model, max(model.cases(rows, run / "synthetic_study" / "images"), key=lambda case: len(case.images))


def test_contributions_sum_to_the_answer_less_nothing_known(asked, tmp_path: Path):
    model, case = asked
    found = explain(model, case, pairs=2)
    answer = model.predict([case])[0]
    assert found.explained == answer.predicted
    assert found.probability == pytest.approx(answer.probabilities.max(), abs=1e-5)
    total = sum(one.shapley for one in found.contributions)
    assert total == pytest.approx(found.probability - found.nothing_known, abs=1e-6)
    names = [one.name for one in found.contributions]
    given = sum(value != "" for value in case.metadata.values())
    assert len(names) == given + len(case.images) and names[-1] == f"photograph {len(case.images)}"
    by_name = {one.name: one.left_out for one in found.contributions}
    without_age = prima_jax.NewCase(case.images, {**case.metadata, "age": ""})
    rest = model.predict([without_age]).probabilities[0][list(answer.class_names).index(found.explained)]
    if "age" in by_name:
        assert by_name["age"] == pytest.approx(found.probability - rest, abs=1e-5)
    assert [grid.shape for grid in found.occlusion] == [(GRID, GRID)] * len(case.images)
    assert any(np.abs(grid).max() > 0 for grid in found.occlusion)
    for of_photograph in found.attention:
        for attention in of_photograph.values():
            assert attention.sum() == pytest.approx(1, abs=1e-3)
    write_explanation(found, tmp_path, synthetic=True)
    assert len(json.loads((tmp_path / "explanation.json").read_text())["contributions"]) == len(names)
    assert {file.name for file in tmp_path.iterdir()} == {"explanation.json", "contributions.png", "photographs.png"}


def test_an_unknown_diagnosis_is_refused(asked):
    model, case = asked
    with pytest.raises(UserError, match="has no diagnosis 'flu'"):
        explain(model, case, explained="flu")
