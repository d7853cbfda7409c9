"""Set-up of a process: log levels, XLA's compilation cache, the share of a GPU's memory, and glibc's heap on the CPU."""

import ctypes
import io
import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress
from logging import getLogger
from pathlib import Path

from absl import logging

__all__ = [
    "end_when_told",
    "keep_freed_memory",
    "leave_device_memory",
    "setup_process",
    "share_device_memory",
    "take_large_pages_in_children",
    "trim_heap",
]

_MOST = 0.92
"""The share of a GPU's memory that is allocated; JAX's default is 0.75. The rest is for CUDA's own use, in each process."""
_FRACTION, _OLD_FRACTION = "XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"
"""Two names of one setting, which jaxlib refuses together."""
_PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"
_ours: set[str] = set()
"""Those of these variables that this module has set, rather than the user."""
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # malloc.h


def setup_process(with_jax: bool = True) -> None:
    """Sets log levels and the memory allocator, and turns on the compilation cache, so that compile time is paid once.

    Imports JAX, which takes seconds, unless `with_jax` is False.
    """
    keep_freed_memory()
    logging.set_verbosity(logging.ERROR)
    getLogger("matplotlib").setLevel("ERROR")  # it warns where there is no home, and uses a temporary folder by itself
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a letter is no reason to lose the table
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if not with_jax:
        return
    share_device_memory(1)
    import jax

    # Small programs are many: a resumed run would compile them all again.
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    if cache := _cache_folder():
        jax.config.update("jax_compilation_cache_dir", str(cache))


def end_when_told() -> None:
    """Sets SIGTERM to end this process with one sentence and exit code 143, whatever it is at; training saves first."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> None:
    """Ends the process from here: SystemExit is lost, or is an ImportError, where it comes up inside a module's C code."""
    os.write(2, b"Stopped; the same command goes on from what is finished.\n")  # print may be what was interrupted
    for child in multiprocessing.active_children():  # workers that decode photographs
        child.kill()
    with suppress(OSError, RuntimeError, ValueError):  # it may be writing itself, or be closed
        sys.stdout.flush()
    os._exit(143)


def _cache_folder() -> Path | None:
    """Returns the folder of compiled programs; None where there is no home, or none that can be written."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prima_jax" / "xla"
        cache.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no HOME, and no line in /etc/passwd
        return None
    return cache if os.access(cache, os.W_OK) else None


def leave_device_memory() -> None:
    """Turns off preallocation of a GPU's memory; call it before JAX initialises its devices."""
    _set(_PREALLOCATE, "false")


def share_device_memory(processes: int) -> None:
    """Preallocates an equal share of a GPU's memory in each of so many child processes, or in this one (`processes=1`).

    Call it before JAX initialises its devices. A variable that the user has set is left as it is.
    """
    if not os.environ.get(_OLD_FRACTION):
        _set(_FRACTION, f"{_MOST / processes:.3f}")
    if _PREALLOCATE in _ours:
        _ours.remove(_PREALLOCATE)
        del os.environ[_PREALLOCATE]


def keep_freed_memory() -> None:
    """Sets glibc to keep freed memory for reuse: getting pages from the kernel again took a third of a small step.

    Call it before JAX starts its first thread, since a thread may have an arena of its own.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # macOS and musl have none
    if mallopt:
        mallopt(_M_TRIM_THRESHOLD, -1)  # never, or a step that frees more than the threshold would lose it each time
        mallopt(_M_MMAP_MAX, 0)  # mapped memory is returned at once, and large allocations are mapped
        mallopt(_M_ARENA_MAX, 1)  # the threads' own arenas are returned in pieces of 64 MiB


def take_large_pages_in_children() -> None:
    """Sets child processes to ask for pages of 2 MiB, where the kernel has them on request.

    A spawned process imports JAX together with its task, so that threads with arenas of their own exist before it can call
    `keep_freed_memory`, which then does little: a third of a small step went to the kernel. The settings of
    `keep_freed_memory` can be made from the first moment on as well, which was no faster and took 4.7 GiB instead of 1.8.
    """
    os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")


def trim_heap() -> None:
    """Returns free heap memory to the kernel, also between blocks in use: the next stage's arrays will not fit the holes."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim:
        malloc_trim(0)


def _set(name: str, value: str) -> None:
    if name in _ours or not os.environ.get(name):
        os.environ[name] = value
        _ours.add(name)
