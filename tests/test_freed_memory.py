"""What is freed is kept for the next step, and goes back to the kernel where it is asked to; in processes of their own."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these settings")

STEPS, PIECES, PIECE = 20, 8, 20 * 2**20  # bytes; three to each 64 MiB of an arena of a thread's own
PROGRAM = f"""
import resource, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from prima_jax import freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident_pages():
    return int(open("/proc/self/statm").read().split()[1])

between = []
def step():
    pieces = [np.ones({PIECE}, np.uint8) for _ in range({PIECES})]
    between.append(np.ones(100))  # stays, above what is freed

def measure():
    step()
    before = faults()
    for _ in range({STEPS}):
        step()
    taken, held = faults() - before, resident_pages()
    freed_memory.give_back()
    print(taken, held, resident_pages())

kind, program = sys.argv[1:]
if kind == "by a parent":
    freed_memory.keep_in_children()
    sys.exit(subprocess.run([sys.executable, "-c", program, "not here", program]).returncode)
if kind == "first":
    freed_memory.keep()
# JAX computes in threads of its own, which are there once it has been imported.
with ThreadPoolExecutor(1) as thread:
    thread.submit(step).result()
    if kind == "late":
        freed_memory.keep()
    thread.submit(measure).result()
"""


def pages(kind):
    """Page faults of a thread's steps after the first, resident pages after them, and after all was given back."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    environment["NUMPY_MADVISE_HUGEPAGE"] = "0"  # as XLA's arrays are
    command = [sys.executable, "-c", PROGRAM, kind, PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return map(int, done.stdout.split())


ONE_STEP = PIECES * PIECE // 4096  # pages of 4 KiB; on larger ones both counts shrink alike


@pytest.mark.parametrize("kind", ["first", "by a parent"])
def test_freed_memory_is_kept_for_the_next_step_and_given_back_when_asked(kind):
    taken, held, left = pages(kind)
    assert taken < 0.01 * ONE_STEP
    assert held - left > 0.9 * ONE_STEP


@pytest.mark.parametrize("kind", ["not here", "late"])
def test_without_it_or_once_there_are_threads_steps_ask_the_kernel_anew(kind):
    taken, *_ = pages(kind)
    assert taken > ONE_STEP  # what did not fit into the first 64 MiB, at each step
