"""A finished run and the bundle of it, made once for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from prima_jax.clinic.export import export
from tests.finished import finished_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with finished_run(tmp_path_factory.mktemp("clinic") / "run") as workdir:
        yield workdir


@pytest.fixture(scope="session")
def bundle(run: Path) -> Path:
    folder = run.parent / "bundle"
    export(run, folder)
    return folder
