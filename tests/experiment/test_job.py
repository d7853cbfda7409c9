"""What a finished fold holds is that fold's own, as it was written."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from prima_jax.errors import UserError
from prima_jax.experiment import job as module
from prima_jax.experiment.job import Job, finished, probabilities, run_fold
from prima_jax.experiment.rows import PRIMA
from prima_jax.stages.context import CostLog, Fold
from tests.damages import DAMAGES
from tests.stages.tiny import tiny_config

JOB = Job(PRIMA, 0)


@dataclass(frozen=True)
class Context:
    folder: Path
    costs: CostLog


@pytest.fixture
def config() -> ConfigDict:
    return tiny_config()


def finish(config: ConfigDict, workdir: Path, monkeypatch: pytest.MonkeyPatch, fold: int = 0, value: float = 0.5) -> Path:
    """A fold that a method has finished with these probabilities."""
    method = SimpleNamespace(fit=lambda *_: None, predict=lambda *_: np.full((3, 2), value + fold / 10))
    monkeypatch.setattr(module, "METHODS", {PRIMA.method: method})
    monkeypatch.setattr(module, "split_cases", lambda *_: ([], []))
    monkeypatch.setattr(module, "row_bench", lambda *_: SimpleNamespace(tokenizers=None))
    monkeypatch.setattr(module, "check_sentences", lambda *_: None)
    run_fold(config, Context(workdir, CostLog()), Fold(fold, np.arange(2), np.arange(3)), JOB)
    return JOB.folder(workdir, fold)


def test_probabilities_are_read_as_they_were_written(config, tmp_path, monkeypatch):
    for fold in range(2):
        finish(config, tmp_path, monkeypatch, fold)
    assert finished(config, tmp_path, JOB) and not finished(config, tmp_path, replace(JOB, seed=1))
    found, note = probabilities(config, tmp_path, JOB, 1)
    np.testing.assert_array_equal(found, np.full((3, 2), 0.6))
    assert note["stages"] == {}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_finite_number_is_not_kept(config, tmp_path, monkeypatch, value):
    with pytest.raises(UserError, match="not finite numbers"):
        finish(config, tmp_path, monkeypatch, value=value)
    assert not finished(config, tmp_path, JOB) and not [*tmp_path.rglob("*.npz")]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_probabilities_are_refused(config, tmp_path, monkeypatch, damage):
    folder = finish(config, tmp_path, monkeypatch)
    DAMAGES[damage](folder / "probabilities.npz")
    with pytest.raises(UserError, match=r"probabilities.npz is not as it was written: delete"):
        probabilities(config, tmp_path, JOB, 0)


def another_config(config: ConfigDict, folders: list[Path]) -> Any:
    config.seed = 7


def another_fold(config: ConfigDict, folders: list[Path]) -> Any:
    shutil.rmtree(folders[0])
    shutil.copytree(folders[1], folders[0])


def another_version(config: ConfigDict, folders: list[Path]) -> Any:
    note = json.loads((folders[0] / "done.json").read_text())
    del note["whose"]
    (folders[0] / "done.json").write_text(json.dumps(note))


@pytest.mark.parametrize("change", [another_config, another_fold, another_version])
def test_a_fold_of_something_else_is_refused(config, tmp_path, monkeypatch, change):
    change(config, [finish(config, tmp_path, monkeypatch, fold) for fold in range(2)])
    with pytest.raises(UserError, match="what another config, fold or version of this package gave"):
        finished(config, tmp_path, JOB)
