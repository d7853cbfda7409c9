"""A table as a command: killed and gone on with, in one process or two, and asked for again."""

import csv
import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.test_kill import LONGEST_WAIT, finish, start, wait_for

ROWS = ("image_only", "knobo", "prima", "majority", "frozen_tokens")
OVERRIDES = (
    f"--config.table.rows={ROWS}",
    "--config.align.epochs=10",
    "--config.baselines.knobo.epochs=30",
    "--config.baselines.knobo.batch_size=8",
)
MOMENTS = (
    ("shared/fold_0/image_only-*/checkpoint/*",),
    ("rows/image_only/seed_0/fold_0/done.json",),
    ("shared/fold_0/align-*/checkpoint/*", "shared/fold_0/align-*/done.json"),
    ("shared/fold_1/diagnose-*/history.jsonl",),
)

pytestmark = pytest.mark.slow


def table(workdir: Path, *more: str) -> str:
    return finish(start(workdir, "table2,demo", *OVERRIDES, *more))


def outcome(workdir: Path) -> dict[str, object]:
    """Whatever is not the clock's or the memory's."""
    with (workdir / "table_2" / "table.csv").open(newline="") as file:
        scored = [line[:-2] for line in csv.reader(file)]
    results = json.loads((workdir / "table_2" / "results.json").read_text())
    del results["seconds"]
    for row in results["methods"].values():
        del row["seconds"], row["peak_memory"]
    histories = {str(p.relative_to(workdir)): p.read_bytes() for p in sorted(workdir.glob("shared/**/history.jsonl"))}
    return {
        "csv": scored,
        "json": results,
        "predictions": (workdir / "table_2" / "predictions.csv").read_bytes(),
        **histories,
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("table") / "run"
    table(workdir)
    return workdir


def test_every_row_is_in_the_table_once_and_has_predicted_every_case_once(whole):
    results = json.loads((whole / "table_2" / "results.json").read_text())
    assert set(results["methods"]) == set(ROWS)
    with (whole / "table_2" / "predictions.csv").open(newline="") as file:
        lines = [(line["method"], line["record"]) for line in csv.DictReader(file)]
    assert len(set(lines)) == len(lines) == len(ROWS) * results["units"]


def test_kills_and_two_processes_change_nothing(whole, tmp_path):
    workdir, chance = tmp_path / "run", random.Random(7)
    shutil.copytree(whole.with_suffix(".cache"), workdir.with_suffix(".cache"))  # nothing of this is about compilation
    for patterns in MOMENTS:
        process = start(workdir, "table2,demo", *OVERRIDES, "--config.table.processes=2")
        wait_for(workdir, patterns, process)
        time.sleep(chance.uniform(0, LONGEST_WAIT))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, patterns
    table(workdir, "--config.table.processes=2")
    found, expected = outcome(workdir), outcome(whole)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


def test_a_second_call_trains_nothing_and_another_row_trains_itself_alone(whole):
    def written() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for folder in ("shared", "rows") for p in (whole / folder).rglob("*") if p.is_file()}

    before, expected = written(), outcome(whole)
    table(whole)
    locks = {p for p in before if p.name == "lock"}  # opened anew by whoever looks
    assert {p: t for p, t in written().items() if p not in locks} == {p: t for p, t in before.items() if p not in locks}
    assert outcome(whole) == expected
    table(whole, "--config.table.rows=('nearest_neighbours',)")
    new = {p.relative_to(whole).parts[:2] for p in written().keys() - before.keys()}
    assert new == {("rows", "nearest_neighbours")}
