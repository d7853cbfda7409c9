"""The rows of a finished run are asked again: the intact answers are the run's own, and nothing is trained."""

import csv
import json

import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.experiment.job import Job, run_job
from prima_jax.experiment.rows import table_rows
from prima_jax.robustness import run as module
from prima_jax.robustness.run import run
from prima_jax.training import loop
from tests.finished import smallest


@pytest.fixture(scope="module")
def asked(finished):
    config = smallest()
    config.table.rows = ("prima", "metadata_logistic")
    with pytest.raises(UserError, match="Metadata, logistic regression is not finished in"):
        run(config, finished)
    run_job(config, finished, Job(table_rows(config)[1], 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "train", lambda *given, **more: pytest.fail("a stage was trained"))
        return run(config, finished), config


def stored(workdir, row):
    parts = [np.load(workdir / "robustness" / row / "seed_0" / f"fold_{fold}" / "answers.npz") for fold in range(2)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_the_intact_answers_are_those_of_the_run(asked, finished):
    with (finished / "predictions.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["method"] == "prima"]
    expected = np.array([[float(value) for name, value in line.items() if name.startswith("p_")] for line in lines])
    # The run reads photographs' tokens from a file, here they are computed in other batches: float32 on both sides.
    np.testing.assert_allclose(stored(finished, "prima")["intact"], expected, atol=1e-5)


def test_what_is_missing_changes_answers_and_what_a_row_never_sees_is_not_asked(asked, finished):
    results, _ = asked
    prima, logistic = stored(finished, "prima"), stored(finished, "metadata_logistic")
    assert np.abs(prima["all_metadata"] - prima["intact"]).max() > 1e-4
    assert set(prima) == set(results["conditions"])
    assert set(logistic) == {name for name in prima if not name.startswith("photograph_")}
    # nothing is known of anybody, so that all cases of a fold are alike
    folds = [
        np.load(finished / "robustness" / "metadata_logistic" / "seed_0" / f"fold_{fold}" / "answers.npz") for fold in (0, 1)
    ]
    assert all(np.ptp(fold["all_metadata"], axis=0).max() < 1e-12 for fold in folds)
    assert results["figures"]["prima"]["share_0.1"]["less_intact"]["macro_f1"].keys() == {"estimate", "low", "high"}


def test_a_second_call_reads_what_was_answered_and_a_damaged_answer_is_given_anew(asked, finished, monkeypatch):
    results, config = asked
    (finished / "robustness" / "metadata_logistic" / "seed_0" / "fold_1" / "answers.npz").write_bytes(b"cut")
    answered = []
    answer = module._fold_answers
    monkeypatch.setattr(module, "_fold_answers", lambda *given: answered.append(given[2].name) or answer(*given))
    assert run(config, finished) == results
    assert answered == ["metadata_logistic"]
    assert json.loads((finished / "robustness.json").read_text()) == json.loads(json.dumps(results))
    page = (finished / "robustness.md").read_text()
    assert "SYNTHETIC" in page and "| Nothing missing |" in page and "| Photographs: diffuse white light |" in page
