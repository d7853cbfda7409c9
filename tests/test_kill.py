"""A run that is killed, at any moment, and started again with the same command ends with the same numbers."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import quick

ROOT = Path(__file__).parents[1]
ARCHITECTURE = "config.models.{}.architecture.num_hidden_layers"
OVERRIDES = {
    "config.folds": 2,
    "config.table.rows": ("prima", "image_only", "majority"),
    "config.study.synthetic.units": 40,
    "config.study.synthetic.image_size": 32,
    "config.data.size": 36,
    "config.image.size": 32,
    "config.models.image.architecture.image_size": 32,
    **{ARCHITECTURE.format(name): 1 for name in ("image", "text", "llm")},
    "config.knowledge.epochs": 2,
    "config.align.epochs": 40,
    "config.align.batch_size": 8,
    "config.refine.epochs": 10,
    "config.refine.batch_size": 16,
    "config.image_only.epochs": 10,
    "config.image_only.batch_size": 16,
    "config.features.views": 2,
    "config.features.batch_size": 16,
    "config.diagnose.epochs": 15,
    "config.diagnose.batch_size": 8,
    "config.checkpoint_seconds": 1,
}
MOMENTS = (  # each kill waits for one of these and then for a random while: from before the data to the last stage
    (".synthetic_study.partial", "synthetic_study"),
    ("prepared/.*", "prepared/*"),
    ("shared/fold_0/tokenizer-*",),
    ("shared/fold_0/align-*/checkpoint/*",),
    ("shared/fold_0/align-*/trained*", "shared/fold_0/align-*/done.json"),
    ("shared/fold_0/features-*/*.part.npy", "shared/fold_0/features-*/*.npy"),
    ("shared/fold_0/diagnose-*/checkpoint/*", "shared/fold_0/diagnose-*/done.json"),
    ("rows/prima/seed_0/fold_0/done.json",),
    ("shared/fold_1/align-*/checkpoint/*",),
    ("shared/fold_1/diagnose-*/history.jsonl",),
)
LONGEST_WAIT = 2.0
"""Seconds after a moment: several steps, checkpoints and stage ends lie within."""
MEASURED = ("seconds", "peak_memory")
"""What results.json says, of a row, of the clock and the machine rather than of the experiment."""

LONGEST_RUN = 1500.0
"""Seconds after which a run hangs; on two busy cores the longest takes three minutes."""

pytestmark = pytest.mark.slow


def start(workdir: Path, preset: str = "demo", *more: str) -> subprocess.Popen:
    """The command line, on one device, compiled quickly, with a compilation cache of the workdir's own."""
    environment = os.environ | quick.ENVIRONMENT
    environment["XDG_CACHE_HOME"] = str(workdir.with_suffix(".cache"))
    changed = dict(flag.removeprefix("--").split("=", 1) for flag in more)  # no field may be given twice
    flags = [f"--{key}={value}" for key, value in {**OVERRIDES, **changed}.items()]
    command = [sys.executable, "-m", "prima_jax.main", f"--config=configs/aqua.py:{preset}", f"--workdir={workdir}", *flags]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen, code: int = 0) -> str:
    """Waits for the end; returns what was told on the way."""
    _, told = process.communicate(timeout=LONGEST_RUN)
    assert process.returncode == code, told
    return told


def wait_for(workdir: Path, patterns: tuple[str, ...], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + LONGEST_RUN
    while not any(True for pattern in patterns for _ in workdir.glob(pattern)):
        assert process.poll() is None, f"the run ended before {patterns} was there: {process.communicate()[1]}"
        assert time.monotonic() < deadline, patterns
        time.sleep(0.002)


def outcome(workdir: Path) -> dict[str, bytes]:
    """Every byte that has to be the same: predictions, results without what was measured, and each step's losses."""
    results = json.loads((workdir / "results.json").read_text())
    del results["seconds"]
    for row in results["methods"].values():
        for key in MEASURED:
            del row[key]
    histories = {str(p.relative_to(workdir)): p.read_bytes() for p in sorted(workdir.glob("**/history.jsonl"))}
    return {
        "results.json": json.dumps(results).encode(),  # in the file's own order
        "predictions.csv": (workdir / "predictions.csv").read_bytes(),
        **histories,
    }


def assert_same(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("uninterrupted") / "run"
    finish(start(workdir))
    return workdir


@pytest.fixture(scope="module")
def uninterrupted(whole: Path) -> dict[str, bytes]:
    return outcome(whole)


def test_an_uninterrupted_run_leaves_what_is_compared(uninterrupted):
    trained = {name.split("-")[0] for name in uninterrupted if name.endswith("history.jsonl")}
    stages = ("knowledge", "align", "refine", "diagnose", "image_only")
    assert trained == {f"shared/fold_{k}/{stage}" for k in (0, 1) for stage in stages}


@pytest.mark.nightly
def test_ten_kills_change_nothing(uninterrupted, tmp_path):
    workdir, chance = tmp_path / "run", random.Random(20260)
    for patterns in MOMENTS:
        process = start(workdir)
        wait_for(workdir, patterns, process)
        time.sleep(chance.uniform(0, LONGEST_WAIT))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, patterns
    finish(start(workdir))
    assert_same(outcome(workdir), uninterrupted)


def test_a_polite_stop_saves_and_exits_with_143(whole, uninterrupted, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(whole.with_suffix(".cache"), workdir.with_suffix(".cache"))  # the kills above began without one
    process = start(workdir)
    wait_for(workdir, ("shared/fold_0/align-*/history.jsonl",), process)
    process.terminate()
    assert "the same command goes on" in finish(process, code=143)
    assert list(workdir.glob("shared/fold_0/align-*/checkpoint/*/data")), "it stopped without saving"
    assert not list(workdir.glob("shared/fold_0/align-*/done.json")), "it stopped too late to show anything"
    finish(start(workdir))
    assert_same(outcome(workdir), uninterrupted)
