"""What a finished fold holds is that fold's own, as it was written."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from prima_jax.errors import UserError
from prima_jax.experiment import job as job_module
from prima_jax.experiment.job import Job, finished, finished_arrays, keep_fold
from prima_jax.experiment.rows import PRIMA
from prima_jax.stages.familiarity import FAMILIARITY
from prima_jax.stages.stage import write_done
from tests.damages import DAMAGES
from tests.stages.tiny import tiny_config

JOB = Job(PRIMA, 0)


@pytest.fixture
def config() -> ConfigDict:
    return tiny_config()


def finish(config: ConfigDict, workdir: Path, fold: int = 0, value: float = 0.5) -> Path:
    keep_fold(config, workdir, JOB, fold, np.full((3, 2), value + fold / 10), stages={})
    return JOB.folder(workdir, fold)


def test_probabilities_are_read_as_they_were_written(config, tmp_path):
    for fold in range(2):
        finish(config, tmp_path, fold)
    assert not finished(config, tmp_path, JOB), "what its photographs are like is not kept yet"
    (tmp_path / FAMILIARITY).touch()
    assert finished(config, tmp_path, JOB) and not finished(config, tmp_path, replace(JOB, seed=1))
    found, _, note = finished_arrays(config, tmp_path, JOB, 1)
    np.testing.assert_array_equal(found, np.full((3, 2), 0.6))
    assert note["stages"] == {}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_finite_number_is_not_kept(config, tmp_path, value):
    with pytest.raises(UserError, match="not finite numbers"):
        finish(config, tmp_path, value=value)
    assert not finished(config, tmp_path, JOB) and not [*tmp_path.rglob("*.npz")]


def test_changed_notes_are_refused(config, tmp_path):
    done = finish(config, tmp_path) / "done.json"
    done.write_text(done.read_text().replace("stages", "stagec"))
    with pytest.raises(UserError, match=r"done.json is not as it was written; delete"):
        finished(config, tmp_path, JOB)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_probabilities_are_refused(config, tmp_path, damage):
    folder = finish(config, tmp_path)
    DAMAGES[damage](folder / "probabilities.npz")
    with pytest.raises(UserError, match=r"probabilities.npz is not as it was written: delete"):
        finished_arrays(config, tmp_path, JOB, 0)


def another_config(config: ConfigDict, folders: list[Path]) -> Any:
    config.seed = 7


def another_fold(config: ConfigDict, folders: list[Path]) -> Any:
    shutil.rmtree(folders[0])
    shutil.copytree(folders[1], folders[0])


def another_version(config: ConfigDict, folders: list[Path]) -> Any:
    write_done(folders[0], stages={})


@pytest.mark.parametrize("change", [another_config, another_fold, another_version])
def test_a_fold_of_something_else_is_refused(config, tmp_path, change):
    change(config, [finish(config, tmp_path, fold) for fold in range(2)])
    with pytest.raises(UserError, match="what another config, fold or version of this package gave"):
        finished(config, tmp_path, JOB)


def test_folds_are_told_with_the_time_left_once_one_has_shown_it(config, tmp_path, monkeypatch, capsys):
    clock, folds = iter(range(0, 600, 60)), [SimpleNamespace(index=index) for index in range(3)]
    finish(config, tmp_path, fold=0)
    monkeypatch.setattr(job_module, "open_job", lambda *_: SimpleNamespace(folds=folds, context=None))
    for name in ("run_fold", "drop_features", "keep_familiarity"):
        monkeypatch.setattr(job_module, name, lambda *_: None)
    monkeypatch.setattr(job_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    job_module.run_job(config, tmp_path, JOB)
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("seed 0, fold 2 of 3") and second.endswith("seed 0, fold 3 of 3, about 01:00 left")
