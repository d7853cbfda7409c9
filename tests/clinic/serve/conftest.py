"""The case page for the tests: its app on a bundle, a client, a case of the synthetic study, and whether the disk was touched."""

import csv
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

import prima_jax
from configs.aqua import get_config
from prima_jax.clinic.serve.app import create_app
from prima_jax.clinic.serve.desk import Desk
from prima_jax.studies.study_config import study_from_config
from tests.corpus.review.conftest import chromium, person

__all__ = ["chromium", "person"]


def client(desk):
    app = create_app(desk, hosts={"testserver"}, port=1)
    return TestClient(app, follow_redirects=False, raise_server_exceptions=False)


@pytest.fixture
def blank():
    """A desk without models, for whatever never asks them."""
    study = study_from_config(get_config("demo").study.definition)
    seen = {"fields": {"age": [18.0, 85.0]}, "image_types": list(study.image_types)}
    return Desk(SimpleNamespace(study=study, synthetic=True, seen=seen, calibration=None), None)


@pytest.fixture(scope="session")
def model(bundle: Path):
    return prima_jax.load(bundle)


@pytest.fixture
def desk(model):
    return Desk(model, None)


@pytest.fixture
def browser(desk):
    return client(desk)


@pytest.fixture(scope="session")
def case(run: Path):
    """A row of the study, and one of its photographs: (view, file)."""
    study = run / "synthetic_study"
    with (study / "manifest.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["age"] and row["trauma"])
    return row, (row["illumination"], study / "images" / row["image"])


@pytest.fixture(autouse=True)
def nothing_left(tmp_path, monkeypatch):
    """No test leaves anything in the temporary folder, or has an upload go there for a while."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    gone = []
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", lambda file: gone.append(file))
    yield
    assert gone == [] and list(folder.iterdir()) == []
