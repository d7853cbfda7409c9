"""Rows in processes of their own: each measures its own memory, and several can run at a time."""

import contextlib
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from prima_jax import freed_memory
from prima_jax.errors import UserError
from prima_jax.quiet import quiet
from prima_jax.tables.row import Job, run_job
from prima_jax.training.loop import Stopped, stop_requests

__all__ = ["run_jobs"]

_STOPPED = 143
_WATCHED_EVERY = 2.0  # seconds


def run_jobs(config: ConfigDict, workdir: Path, jobs: Sequence[Job], *, processes: int) -> None:
    """Runs the jobs, `processes` at a time, each in a new process.

    Raises UserError with what the first that failed told, once the others have saved where they stand; Stopped where
    this process was asked to stop.
    """
    freed_memory.take_large_pages_in_children()
    spawn = multiprocessing.get_context("spawn")  # a fork would share JAX's threads
    waiting = list(jobs)
    running: dict[Any, tuple[Any, Connection]] = {}
    with stop_requests() as asked:
        try:
            while (waiting or running) and not asked():
                while waiting and len(running) < processes:
                    ours, theirs = spawn.Pipe(duplex=False)
                    process = spawn.Process(target=_work, args=(config, workdir, waiting.pop(0), theirs, os.getpid()))
                    process.start()
                    theirs.close()
                    running[process.sentinel] = (process, ours)
                for sentinel in wait(list(running), timeout=_WATCHED_EVERY):
                    process, ours = running.pop(sentinel)
                    process.join()
                    _raise_if_failed(process.exitcode, ours)
        finally:
            for process, _ in running.values():
                process.terminate()
            for process, _ in running.values():
                process.join()
        if asked():
            raise Stopped


def _raise_if_failed(exit_code: int | None, told: Connection) -> None:
    if exit_code == _STOPPED:
        raise Stopped
    if exit_code:
        # A pipe that was closed at its other end without a word is ready to be read as well.
        with contextlib.suppress(EOFError):
            raise UserError(told.recv())
        raise UserError(
            f"A row's process ended with exit code {exit_code}: run the same command again, which goes on from there."
        )


def _work(config: ConfigDict, workdir: Path, job: Job, told: Connection, parent: int) -> None:
    """What a row's process does."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    quiet()
    try:
        run_job(config, workdir, job)
    except Stopped:
        sys.exit(_STOPPED)
    except KeyboardInterrupt:
        sys.exit(130)
    except UserError as error:
        told.send(str(error))
        sys.exit(2)


def _end_with(parent: int) -> None:
    """Ends this process once its parent is gone, so that a table that was killed does not go on unseen."""
    while os.getppid() == parent:
        time.sleep(_WATCHED_EVERY)
    os._exit(1)
