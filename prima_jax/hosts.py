"""Several processes, as a rule one on each host, that do one run together: all do the same, each on its share of every batch.

The first alone writes, and says what is there: a file that it has just written may not be seen on another host yet, so the others
look for one only once they were told of it. With one process all of this does nothing.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np

from prima_jax.errors import UserError

__all__ = [
    "add_flags",
    "any_of",
    "as_first",
    "check_shared",
    "in_turn",
    "is_first",
    "join",
    "leave",
    "meet",
    "several",
    "told_of_others",
]

Found = TypeVar("Found")
_AUTO = "auto"
_HEARTBEAT = 60
"""Seconds after which a process that says nothing is taken for dead; JAX's default is 100."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that `join` reads, under the names of jax.distributed.initialize."""
    group = parser.add_argument_group("several hosts, the same command on each (docs/several_hosts.md)")
    group.add_argument(
        "--coordinator_address", metavar="HOST:PORT", help=f"of process 0, or {_AUTO} where the cluster tells all three"
    )
    group.add_argument("--num_processes", type=int, metavar="N", help="how many there are in all")
    group.add_argument("--process_id", type=int, metavar="I", help="which this is, 0 to N - 1")


def join(options: argparse.Namespace) -> None:
    """Joins the processes that the flags name, before JAX's devices are used; nothing without them.

    Raises UserError if it cannot.
    """
    address, count, number = options.coordinator_address, options.num_processes, options.process_id
    if (address, count, number) == (None, None, None):
        return
    if address == _AUTO and (count, number) != (None, None):
        raise UserError(
            f"With --coordinator_address={_AUTO} the cluster tells the rest: leave out --num_processes and --process_id."
        )
    if address != _AUTO and None in (address, count, number):
        raise UserError(
            "--coordinator_address, --num_processes and --process_id go together: give all three, or "
            f"--coordinator_address={_AUTO} on a TPU slice, under Slurm or Open MPI."
        )
    import jax

    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM away from us
    told = None if address == _AUTO else address
    try:
        jax.distributed.initialize(told, num_processes=count, process_id=number, heartbeat_timeout_seconds=_HEARTBEAT)
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"The processes did not find one another ({_first_line(error)}): check that each was started, and "
            "--coordinator_address, --num_processes and --process_id."
        ) from error


def several() -> bool:
    """Returns True if this is one of several processes."""
    jax = sys.modules.get("jax")  # whoever has not imported it has joined nobody
    return jax is not None and jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Returns True if this process is the one that writes, as the only one is."""
    return not several() or sys.modules["jax"].process_index() == 0


def as_first(look: Callable[[], Any]) -> int:
    """Returns what `look` returns in the first process, a whole number or True or False; the others do not look."""
    if not several():
        return int(look())
    from jax.experimental.multihost_utils import broadcast_one_to_all

    return int(broadcast_one_to_all(np.int32(look() if is_first() else 0)))


def any_of(*wishes: bool) -> tuple[bool, ...]:
    """Returns for each wish whether any process has it: the same in all, which have to ask at the same time."""
    if not several():
        return wishes
    from jax.experimental.multihost_utils import process_allgather

    return tuple(bool(wish) for wish in process_allgather(np.array(wishes)).any(axis=0))


def in_turn(work: Callable[[], Found]) -> Found:
    """Returns what `work` returns, done by the first process before the others, who find what it wrote."""
    if is_first():
        found = work()
        meet()
        return found
    meet()
    return work()


def meet() -> None:
    """Returns once all processes are here."""
    if several():
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices("prima")


def check_shared(folder: Path, flag: str) -> None:
    """Raises UserError in all processes where `folder`, which the user named by `flag`, is not one and the same for them."""
    if not several():
        return
    number = as_first(lambda: uuid4().int % 2**31)
    path = folder / f".shared-{number}"
    if is_first():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise UserError(f"Cannot write to {flag} {folder}: {error.strerror}; choose a folder that can be written.") from error
    meet()
    (absent,) = any_of(not path.exists())
    if is_first():
        path.unlink()
    if absent:
        raise UserError(f"{flag} {folder} is not the same folder on all hosts: name one that they share, as by NFS.")


def told_of_others(error: Exception) -> UserError:
    """What JAX says in a process that has lost the others, as a sentence."""
    return UserError(
        f"this process has lost the others ({_first_line(error)}): see what they said; the same command on every host goes on "
        "from the last checkpoint."
    )


def leave(code: int) -> None:
    """Ends this process where it is one of several: JAX's own end would wait for the others, who then learn of it."""
    if several():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:160].rstrip(".")
