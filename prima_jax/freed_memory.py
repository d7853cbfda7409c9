"""What becomes of memory that is freed on the CPU, under glibc: kept for the next step, given back after a stage."""

import ctypes
import os

__all__ = ["give_back", "keep", "take_large_pages_in_children"]

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # malloc.h


def keep() -> None:
    """Lets a step use again what the one before it freed: asking the kernel anew, page by page, took a third of a small step.

    Comes before the first thread of JAX, since a thread may have an arena of its own.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # macOS and musl have none
    if mallopt:
        mallopt(_M_TRIM_THRESHOLD, -1)  # never, or a step that frees more than the threshold would lose it each time
        mallopt(_M_MMAP_MAX, 0)  # what is mapped is given back at once, and whatever is large is mapped
        mallopt(_M_ARENA_MAX, 1)  # the threads' own arenas are given back in pieces of 64 MiB


def take_large_pages_in_children() -> None:
    """Lets the processes that this one will start ask for pages of 2 MiB, where the kernel has them on request.

    A spawned process imports JAX together with what it is to do, so that threads with arenas of their own are there before it
    can call `keep`, which then does little: a third of a small step went to the kernel. What `keep` sets can be set from their
    first moment on as well, which was no faster and took 4.7 GiB where this takes 1.8.
    """
    os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")


def give_back() -> None:
    """Gives the kernel what is free now, also between what is in use: the next stage's arrays will not fit the holes."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim:
        malloc_trim(0)
