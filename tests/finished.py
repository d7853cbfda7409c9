"""A finished run, the smallest there is: PRIMA on two folds, in this process, where one of its own would compile all anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import pytest
from ml_collections import ConfigDict

from prima_jax.experiment import run as run_module
from prima_jax.experiment.job import run_job
from tests.stages.tiny import ONE_LAYER, tiny_config

__all__ = ["finished_run", "run_here", "smallest"]


def smallest() -> ConfigDict:
    """Returns its config."""
    return tiny_config(text__max_length=152, table__rows=("prima",), **ONE_LAYER)


def run_here(workdir: Path) -> None:
    """Runs it, or what of it is missing, rows in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "run_jobs", lambda *given, processes: [run_job(*given[:2], job) for job in given[2]])
        run_module.run(smallest(), workdir)


@contextmanager
def finished_run(workdir: Path) -> Iterator[Path]:
    """Yields the workdir of a finished one; inside, little is optimised, since nearly all the time is compilation."""
    jax.config.update("jax_disable_most_optimizations", True)
    run_here(workdir)
    yield workdir
    jax.config.update("jax_disable_most_optimizations", False)
