"""A run of several processes, on this machine's CPU devices over its loopback, ends with the predictions of one process."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests import quick

ROOT = Path(__file__).parents[2]
DEVICES = 4
OVERRIDES = {
    "parallel": "shard_map",
    "folds": 2,
    "table.rows": ("prima", "majority"),
    "study.synthetic.units": 40,
    "study.synthetic.image_size": 32,
    "data.size": 36,
    "image.size": 32,
    "models.image.architecture.image_size": 32,
    **{f"models.{name}.architecture.num_hidden_layers": 1 for name in ("image", "text", "llm")},
    "knowledge.epochs": 2,
    "align.epochs": 40,
    "align.batch_size": 8,
    "refine.epochs": 2,
    "refine.batch_size": 16,
    "features.views": 2,
    "features.batch_size": 16,
    "diagnose.epochs": 3,
    "diagnose.batch_size": 8,
    "checkpoint_seconds": 1,
}
TOLERANCE = 1e-5
"""Of the losses, relative, and of the probabilities: that of tests/stages/test_devices.py."""
SECONDS = 1800.0
"""Hung is what takes longer; on two busy cores a run takes ten minutes, most of which is compiling."""

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


def start(workdir: Path, processes: int) -> list[subprocess.Popen]:
    """The command line, once for each process, with four devices in all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | quick.ENVIRONMENT | {"JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] += f" --xla_force_host_platform_device_count={DEVICES // processes}"
    environment["XDG_CACHE_HOME"] = str(workdir.with_suffix(".cache"))
    command = [sys.executable, "-m", "prima_jax.main", "--config=configs/aqua.py:demo", f"--workdir={workdir}"]
    command += [f"--config.{name}={value}" for name, value in OVERRIDES.items()]
    started = []
    for number in range(processes):
        place = [f"--coordinator_address=127.0.0.1:{port}", f"--num_processes={processes}", f"--process_id={number}"]
        flags = place if processes > 1 else []
        started.append(
            subprocess.Popen(
                [*command, *flags], cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
            )
        )
    return started


def ended(processes: list[subprocess.Popen]) -> tuple[list[int], list[str]]:
    """Waits for all to end; returns their exit codes and what they told."""
    try:
        told = [process.communicate(timeout=SECONDS)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], told


def finish(workdir: Path, processes: int) -> Path:
    codes, told = ended(start(workdir, processes))
    assert codes == [0] * processes, told
    return workdir


def losses(workdir: Path) -> dict[str, np.ndarray]:
    """Of every stage of every fold, those of all steps."""
    return {
        str(path.parent.relative_to(workdir)): np.array([json.loads(line)["loss"] for line in path.read_text().splitlines()])
        for path in sorted(workdir.glob("shared/**/history.jsonl"))
    }


def predictions(workdir: Path) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Whose they are, and the probabilities, of every line of predictions.csv."""
    with (workdir / "predictions.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    numbers = [name for name in lines[0] if name.startswith("p_")]
    whose = [tuple(value for name, value in line.items() if name not in numbers) for line in lines]
    return whose, np.array([[float(line[name]) for name in numbers] for line in lines])


def assert_same(found: Path, expected: Path) -> None:
    one, several = losses(expected), losses(found)
    assert one.keys() == several.keys() and len(one) == 8, "four stages of two folds"
    for stage, values in one.items():
        np.testing.assert_allclose(several[stage], values, rtol=TOLERANCE, err_msg=stage)
    (whose, probabilities), (of_one, expected_ones) = predictions(found), predictions(expected)
    assert whose == of_one
    np.testing.assert_allclose(probabilities, expected_ones, atol=TOLERANCE)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish(tmp_path_factory.mktemp("one") / "run", 1)


@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_predict_as_one(one, tmp_path, processes):
    assert_same(finish(tmp_path / "run", processes), one)


def test_a_process_that_dies_ends_the_other_and_the_same_command_goes_on(one, tmp_path):
    workdir = tmp_path / "run"
    first, second = start(workdir, 2)
    deadline = time.monotonic() + SECONDS
    while not list(workdir.glob("shared/fold_0/align-*/checkpoint/[0-9]*")):
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    second.send_signal(signal.SIGKILL)
    codes, told = ended([first, second])
    assert codes[0] in (2, -signal.SIGABRT) and codes[1] == -signal.SIGKILL  # XLA may be faster, and end it with words of its own
    lost = "JAX distributed service detected fatal errors" if codes[0] < 0 else "error: this process has lost the others"
    assert lost in told[0]
    assert not list(workdir.glob("shared/fold_0/align-*/done.json")), "it died too late to show anything"
    assert_same(finish(workdir, 2), one)
