"""What is freed is kept for the next step, and goes back to the kernel where it is asked to; in processes of their own."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these settings")

STEPS, MIB = 20, 2**20
PROGRAM = f"""
import resource, sys
import numpy as np
from prima_jax import freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident_pages():
    return int(open("/proc/self/statm").read().split()[1])

if sys.argv[1] == "kept":
    freed_memory.keep()
between = []
def step():
    pieces = [np.ones({MIB}, np.float64) for _ in range(8)]
    between.append(np.ones(100))  # stays, above what is freed
step()
before = faults()
for _ in range({STEPS}):
    step()
taken, held = faults() - before, resident_pages()
freed_memory.give_back()
print(taken, held, resident_pages())
"""


def pages(kind):
    """Page faults of the steps after the first, resident pages after them, and after all was given back."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, kind], capture_output=True, text=True, check=True)
    return map(int, done.stdout.split())


def test_freed_memory_is_kept_for_the_next_step_and_given_back_when_asked():
    one_step = 8 * 8 * MIB // 4096  # pages of 4 KiB; on larger ones both counts shrink alike
    by_default, *_ = pages("by default")
    taken, held, left = pages("kept")
    assert taken < one_step < by_default
    assert held - left > 0.9 * one_step
