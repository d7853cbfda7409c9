"""Rows in processes of their own: each measures its own memory, and several can run at a time.

On a TPU, and on several hosts, all rows run in this process, one after the other, and the peaks that a row notes are those of the
rows before it too.
"""

import contextlib
import gc
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import jax
from jax.errors import JaxRuntimeError
from ml_collections import ConfigDict

from prima_jax.errors import UserError, device_error
from prima_jax.experiment.job import Job, run_job
from prima_jax.hosts import several
from prima_jax.runtime import setup_process, share_device_memory, take_large_pages_in_children
from prima_jax.training.loop import Stopped, stop_requests

__all__ = ["check_processes", "run_jobs"]

_STOPPED = 143
_WATCHED_EVERY = 2.0  # seconds

Work = Callable[[ConfigDict, Path, Job], None]


def check_processes(processes: int) -> None:
    """Raises UserError where rows cannot run at the same time."""
    if processes > 1 and _alone():
        why = "the rows of a run on several hosts" if several() else "a TPU serves one process alone, whose rows"
        raise UserError(f"table.processes is {processes}, but {why} run one after the other: set --config.table.processes=1.")


def _alone() -> bool:
    """Whether only this process, which has counted the devices, can use them: libtpu gives a TPU to no second one.

    And only this one has joined those of the other hosts.
    """
    return several() or jax.default_backend() == "tpu"


def run_jobs(config: ConfigDict, workdir: Path, jobs: Sequence[Job], *, processes: int, work: Work = run_job) -> None:
    """Runs the jobs, `processes` at a time, each in a new process that does `work`.

    Raises UserError with what the first that failed told, once the others are finished; Stopped, once those that run have
    saved where they stand, where this process was asked to stop.
    """
    if _alone():
        _raise_first([said for job in jobs for said in _run_here(work, config, workdir, job)], len(jobs))
        return
    take_large_pages_in_children()
    share_device_memory(processes)
    config = config.copy_and_resolve_references()  # a field that follows another cannot be sent to a process
    spawn = multiprocessing.get_context("spawn")  # a fork would share JAX's threads
    waiting = list(jobs)
    running: dict[Any, tuple[Job, Any, Connection]] = {}
    failures: list[str] = []
    with stop_requests() as asked:
        try:
            while (waiting or running) and not asked():
                while waiting and len(running) < processes:
                    job = waiting.pop(0)
                    ours, theirs = spawn.Pipe(duplex=False)
                    process = spawn.Process(target=_work, args=(work, config, workdir, job, theirs, os.getpid()))
                    process.start()
                    theirs.close()
                    running[process.sentinel] = (job, process, ours)
                for sentinel in wait(list(running), timeout=_WATCHED_EVERY):
                    job, process, ours = running.pop(sentinel)
                    process.join()
                    failures += _failure(job, process.exitcode, ours)
        finally:
            for _, process, _ in running.values():
                process.terminate()
            for _, process, _ in running.values():
                process.join()
        if asked():
            raise Stopped
    _raise_first(failures, len(jobs))


def _run_here(work: Work, config: ConfigDict, workdir: Path, job: Job) -> list[str]:
    """The job in this process; what is to be said of it: nothing where it did its work."""
    try:
        work(config, workdir, job)
        return []
    except (UserError, JaxRuntimeError) as error:
        if several():
            raise  # the others may have gone on, so that the next row would not be theirs
        return [_told(job, _sentence(error, config, job))]
    finally:
        gc.collect()  # backbones lie on the device until the cycles that they are part of are found


def _failure(job: Job, exit_code: int | None, told: Connection) -> list[str]:
    """The same of a process that has ended. Raises Stopped if it was asked to stop."""
    if exit_code == _STOPPED:
        raise Stopped
    if not exit_code:
        return []
    said = f"its process ended with exit code {exit_code}."
    # A pipe that was closed at its other end without a word is ready to be read as well.
    with contextlib.suppress(EOFError):
        said = told.recv()
    return [_told(job, said)]


def _told(job: Job, said: str) -> str:
    """What is said of a failed row, printed now: the other rows may take days."""
    said = f"{job.row.title}, seed {job.seed}: {said}"
    print(said, file=sys.stderr)
    return said


def _raise_first(failures: list[str], jobs: int) -> None:
    if failures:
        again = f"{len(failures)} of {jobs} rows failed, which the same command runs again"
        raise UserError(f"{failures[0].removesuffix('.')}; {again}.")


def _work(work: Work, config: ConfigDict, workdir: Path, job: Job, told: Connection, parent: int) -> None:
    """What a row's process does."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    setup_process()
    try:
        work(config, workdir, job)
    except Stopped:
        sys.exit(_STOPPED)
    except KeyboardInterrupt:
        sys.exit(130)
    except (UserError, JaxRuntimeError) as error:
        told.send(_sentence(error, config, job))
        sys.exit(2)


def _sentence(error: Exception, config: ConfigDict, job: Job) -> str:
    """An error as a user should be told it; one that is no user's is raised again."""
    if isinstance(error, UserError):
        return str(error)
    fewer = "set --config.table.processes=1, or " if config.table.processes > 1 else ""
    remat = "" if config.remat else ", or set --config.remat=True"
    lower = f"lower {_batch_size(config, job)} or --config.image.size{remat}, with another --workdir"
    return str(device_error(error, fewer + lower))


def _batch_size(config: ConfigDict, job: Job) -> str:
    """The field that says how large a row's batches are."""
    method = job.row.method
    if method in config.baselines:
        return f"--config.baselines.{method}.batch_size"
    return f"--config.{method}.batch_size" if method in config else "the batch_size of the stage that it was in"


def _end_with(parent: int) -> None:
    """Ends this process once its parent is gone, so that a table that was killed does not go on unseen."""
    while os.getppid() == parent:
        time.sleep(_WATCHED_EVERY)
    os._exit(1)
