"""The study of the stages' tests, and a finished run."""

import pytest

from tests.finished import finished_run
from tests.stages.conftest import study

__all__ = ["finished", "study"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with finished_run(tmp_path_factory.mktemp("robustness") / "run") as workdir:
        yield workdir
