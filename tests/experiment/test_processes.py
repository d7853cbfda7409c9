"""Rows in processes of their own, or in this one on a TPU: one that fails stops no other, and says what to do."""

import json
import os
import signal
from pathlib import Path

import jax
import pytest
from jax.errors import JaxRuntimeError
from ml_collections import ConfigDict

from configs.aqua import get_config
from prima_jax import runtime
from prima_jax.errors import UserError
from prima_jax.experiment.job import Job
from prima_jax.experiment.processes import run_jobs
from prima_jax.experiment.rows import TABLES
from prima_jax.experiment.run import run
from prima_jax.training.loop import Stopped

OLD_FRACTION, FRACTION, PREALLOCATE = MEMORY = (
    "XLA_PYTHON_CLIENT_MEM_FRACTION",
    "XLA_CLIENT_MEM_FRACTION",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
)
ALLOCATION = "Out of memory while trying to allocate 137438953472 bytes."


def config(**changes) -> ConfigDict:
    found = get_config("table2,demo")
    found.update_from_flattened_dict(changes)
    return found


def job(name: str) -> Job:
    return Job(next(row for row in TABLES[2] if row.name == name), 0)


def work(config: ConfigDict, workdir: Path, job: Job) -> None:
    """What the rows' processes do here."""
    (workdir / job.row.name).write_text(str(os.getpid()))
    if job.row.name == "mlrg":
        raise UserError("The photograph x.png is not there: fetch it.")
    if job.row.name == "deepik":
        raise JaxRuntimeError(f"RESOURCE_EXHAUSTED: {ALLOCATION}\nLargest program allocations: ...")
    if job.row.name == "medblip":
        raise JaxRuntimeError("INTERNAL: the device is gone.")
    if job.row.name == "knobo":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.row.name == "image_only":
        raise Stopped


def note_memory(config: ConfigDict, workdir: Path, job: Job) -> None:
    """What a row's process is told of a GPU's memory."""
    (workdir / job.row.name).write_text(json.dumps(said_of_memory()))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing said of a GPU's memory, and what a test says of it forgotten."""
    for name in MEMORY:
        monkeypatch.setenv(name, "")  # so that it is undone, also where it is not there now
        monkeypatch.delenv(name)
    monkeypatch.setattr(runtime, "_ours", set())


@pytest.fixture
def tpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TPU by name: this process does the rows' work itself."""
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")


def refusal(workdir: Path, *names: str, processes: int, **changes) -> str:
    with pytest.raises(UserError) as raised:
        run_jobs(config(**changes), workdir, [job(name) for name in names], processes=processes, work=work)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_rows_that_run_or_wait_finish_before_the_first_failure_is_told(tmp_path, capfd):
    names = ("mlrg", "knobo", "prima")
    said = refusal(tmp_path, *names, processes=1)
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    assert said == (
        "MLRG (our adaptation), seed 0: The photograph x.png is not there: fetch it; 2 of 3 rows failed, which the same "
        "command runs again."
    )
    assert "KnoBo (our adaptation), seed 0: its process ended with exit code -9." in capfd.readouterr().err


def test_on_a_tpu_the_rows_run_in_this_process_and_the_others_finish_as_well(tpu, tmp_path):
    said = refusal(tmp_path, "mlrg", "prima", processes=1)
    assert said.endswith("fetch it; 1 of 2 rows failed, which the same command runs again.")
    assert {(path.name, int(path.read_text())) for path in tmp_path.iterdir()} == {(n, os.getpid()) for n in ("mlrg", "prima")}
    run_jobs(config(), tmp_path, [job("majority")], processes=1, work=work)
    with pytest.raises(Stopped):
        run_jobs(config(), tmp_path, [job("image_only"), job("frozen_tokens")], processes=1, work=work)
    assert not (tmp_path / "frozen_tokens").exists()


def test_on_a_tpu_several_processes_are_refused_before_anything_is_computed(tpu, tmp_path):
    with pytest.raises(UserError, match="processes is 2, but a TPU serves one process alone"):
        run(config(**{"table.processes": 2}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ": lower --config.baselines.deepik.batch_size or --config.image.size, or set --config.remat=True, with another"),
        ({"remat": True}, "--config.image.size, with another --workdir; 1 of 1 rows failed"),
        ({"table.processes": 2}, ": set --config.table.processes=1, or lower --config.baselines.deepik.batch_size"),
    ],
)
def test_memory_that_ran_out_is_told_with_the_fields_that_need_less(tpu, tmp_path, changes, said):
    told = refusal(tmp_path, "deepik", processes=1, **changes)
    assert told.startswith(f"DeepIK (our adaptation), seed 0: the memory ran out (RESOURCE_EXHAUSTED: {ALLOCATION[:-1]}):")
    assert said in told


def test_another_error_of_the_device_is_no_users(tpu, tmp_path):
    with pytest.raises(JaxRuntimeError, match="the device is gone"):
        run_jobs(config(), tmp_path, [job("medblip")], processes=1, work=work)


def test_a_row_that_was_asked_to_stop_stops_the_table(tmp_path):
    with pytest.raises(Stopped):
        run_jobs(config(), tmp_path, [job("image_only"), job("prima")], processes=1, work=work)
    assert [path.name for path in tmp_path.iterdir()] == ["image_only"]


def said_of_memory() -> dict[str, str]:
    return {name: os.environ[name] for name in MEMORY if name in os.environ}


@pytest.mark.parametrize(
    ("user", "processes", "expected"),
    [
        ({}, 1, {FRACTION: "0.920"}),
        ({}, 2, {FRACTION: "0.460"}),
        ({FRACTION: "0.5", PREALLOCATE: "false"}, 2, {FRACTION: "0.5", PREALLOCATE: "false"}),
        ({OLD_FRACTION: "0.8"}, 1, {OLD_FRACTION: "0.8"}),
    ],
)
def test_rows_take_their_share_of_a_gpus_memory_or_what_the_user_says(monkeypatch, user, processes, expected):
    for name, value in user.items():
        monkeypatch.setenv(name, value)
    runtime.share_device_memory(1)  # as `setup_process` does in the table's own process
    runtime.leave_device_memory()
    assert os.environ[PREALLOCATE] == "false"
    runtime.share_device_memory(processes)
    assert said_of_memory() == expected


def test_a_rows_process_is_told_its_share_of_a_gpus_memory(tmp_path):
    runtime.leave_device_memory()
    run_jobs(config(), tmp_path, [job("majority")], processes=2, work=note_memory)
    assert json.loads((tmp_path / "majority").read_text()) == {FRACTION: "0.460"}
