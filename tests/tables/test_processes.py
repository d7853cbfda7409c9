"""Rows in processes of their own: one that fails stops no other, and says what to do."""

import os
import signal
from pathlib import Path

import pytest
from jax.errors import JaxRuntimeError
from ml_collections import ConfigDict

from configs.aqua import get_config
from prima_jax.errors import UserError
from prima_jax.tables.processes import run_jobs
from prima_jax.tables.row import Job
from prima_jax.tables.rows import TABLES
from prima_jax.training.loop import Stopped

ALLOCATION = "Out of memory while trying to allocate 137438953472 bytes."


def config(**changes) -> ConfigDict:
    found = get_config("table2,demo")
    found.update(changes)
    return found


def job(name: str) -> Job:
    return Job(next(row for row in TABLES[2] if row.name == name), 0)


def work(config: ConfigDict, workdir: Path, job: Job) -> None:
    """What the rows' processes do here."""
    (workdir / job.row.name).touch()
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


def test_memory_that_ran_out_is_told_with_the_fields_that_need_less(tmp_path, capfd):
    said = refusal(tmp_path, "deepik", "medblip", processes=1)
    assert said == (
        f"DeepIK (our adaptation), seed 0: the memory ran out (RESOURCE_EXHAUSTED: {ALLOCATION.rstrip('.')}): lower "
        "--config.baselines.deepik.batch_size or --config.image.size, or set --config.remat=True, with another --workdir; "
        "2 of 2 rows failed, which the same command runs again."
    )
    assert "INTERNAL: the device is gone." in capfd.readouterr().err  # no user's error: the traceback stays


def test_a_row_that_was_asked_to_stop_stops_the_table(tmp_path):
    with pytest.raises(Stopped):
        run_jobs(config(), tmp_path, [job("image_only"), job("prima")], processes=1, work=work)
    assert [path.name for path in tmp_path.iterdir()] == ["image_only"]
