"""What is freed is kept for the next step, and goes back to the kernel where it is asked to; in processes of their own."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from prima_jax import runtime

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these settings")

STEPS, TOGETHER = 20, 160 * 2**20
PIECE, MAPPED = 20 * 2**20, 40 * 2**20
"""Bytes: three of the one fit into the 64 MiB of an arena of a thread's own; the other is more than 32 MiB and so mapped."""
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
LARGE_PAGES = SETTING.read_text() if SETTING.exists() else "[never]"
PROGRAM = f"""
import resource, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from prima_jax import runtime

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident_pages():
    return int(open("/proc/self/statm").read().split()[1])

between = []
def step():
    pieces = [np.ones(piece, np.uint8) for _ in range({TOGETHER} // piece)]
    between.append(np.ones(100))  # stays, above what is freed

def measure():
    step()
    before = faults()
    for _ in range({STEPS}):
        step()
    taken, held = faults() - before, resident_pages()
    runtime.trim_heap()
    print(taken, held, resident_pages())

kind, piece, program = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if kind == "by a parent":
    runtime.take_large_pages_in_children()
    sys.exit(subprocess.run([sys.executable, "-c", program, "not here", str(piece), program]).returncode)
if kind == "first":
    runtime.keep_freed_memory()
# JAX computes in threads of its own, which are there once it has been imported.
with ThreadPoolExecutor(1) as thread:
    thread.submit(step).result()
    if kind == "late":
        runtime.keep_freed_memory()
    thread.submit(measure).result()
"""


def pages(kind, piece):
    """Page faults of a thread's steps after the first, resident pages after them, and after all was given back."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    environment["NUMPY_MADVISE_HUGEPAGE"] = "0"  # as XLA's arrays are
    command = [sys.executable, "-c", PROGRAM, kind, str(piece), PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return map(int, done.stdout.split())


ONE_STEP = TOGETHER // 4096  # pages of 4 KiB; on larger ones both counts shrink alike


@pytest.mark.parametrize("piece", [PIECE, MAPPED])
def test_freed_memory_is_kept_for_the_next_step_and_given_back_when_asked(piece):
    taken, held, left = pages("first", piece)
    assert taken < 0.01 * ONE_STEP
    assert held - left > 0.9 * ONE_STEP


@pytest.mark.skipif("[never]" in LARGE_PAGES, reason="this kernel has no pages of 2 MiB on request")
def test_a_process_that_was_started_with_large_pages_asks_for_few():
    few, many = (next(pages(kind, MAPPED)) for kind in ("by a parent", "not here"))
    assert many > 0.9 * STEPS * ONE_STEP
    assert few < 0.05 * many


@pytest.mark.parametrize("kind", ["not here", "late"])
def test_without_it_or_once_there_are_threads_steps_ask_the_kernel_anew(kind):
    taken, *_ = pages(kind, PIECE)
    assert taken > ONE_STEP  # what did not fit into the first 64 MiB, at each step


def test_programs_are_kept_where_a_folder_can_be_written_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert runtime._cache_folder() == tmp_path / "cache" / "prima_jax" / "xla"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert runtime._cache_folder() == tmp_path / ".cache" / "prima_jax" / "xla"
    monkeypatch.setenv("HOME", "/proc/nowhere")
    assert runtime._cache_folder() is None
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # of a user without a line in /etc/passwd
    monkeypatch.delenv("HOME")
    assert runtime._cache_folder() is None


PRINTS = "from prima_jax.runtime import setup_process; setup_process(with_jax=False); print('L\u00e4sion \u2192 1')"
PLOTS = "from prima_jax.runtime import setup_process; setup_process(with_jax=False); import matplotlib as m; m.get_configdir()"
ENDS = """
import os, signal
from prima_jax import cli
def run(_):
    print("begun")
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except BaseException:  # as modules do that look whether another can be imported
        pass
cli.COMMANDS["run"] = run
cli.main(["run"])
"""


@pytest.mark.parametrize(
    ("program", "code", "out", "err"),
    [
        (PRINTS, 0, "L?sion ? 1\n", ""),
        (PLOTS, 0, "", ""),
        (ENDS, 143, "begun\n", "Stopped; the same command goes on from what is finished.\n"),
    ],
    ids=["a terminal that lacks letters", "no home to keep fonts in", "SIGTERM before anything began"],
)
def test_a_process_ends_as_it_should(program, code, out, err):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "HOME": "/proc/nowhere", "MPLCONFIGDIR": "", "XDG_CONFIG_HOME": ""}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)
