"""What becomes of memory that is freed on the CPU, under glibc: kept for the next step, given back after a stage."""

import ctypes
import os

__all__ = ["give_back", "keep", "keep_in_children"]

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # malloc.h
_ENVIRONMENT = {"MALLOC_TRIM_THRESHOLD_": str(2**62), "MALLOC_MMAP_MAX_": "0", "MALLOC_ARENA_MAX": "1"}  # mallopt(3)


def keep() -> None:
    """Lets a step use again what the one before it freed: asking the kernel anew, page by page, took a third of a small step.

    Comes before the first thread of JAX, since a thread may have an arena of its own.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # macOS and musl have none
    if mallopt:
        mallopt(_M_TRIM_THRESHOLD, -1)  # never, or a step that frees more than the threshold would lose it each time
        mallopt(_M_MMAP_MAX, 0)  # what is mapped is given back at once, and whatever is large is mapped
        mallopt(_M_ARENA_MAX, 1)  # the threads' own arenas are given back in pieces of 64 MiB


def keep_in_children() -> None:
    """The same for the processes that this one will start.

    A spawned process imports JAX with what it is to do, and has threads with arenas of their own before it can call `keep`.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def give_back() -> None:
    """Gives the kernel what is free now, also between what is in use: the next stage's arrays will not fit the holes."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim:
        malloc_trim(0)
