"""The notebook of examples/ does what it shows on the smallest run there is, and neither asks anything of another machine."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest

from tests.finished import run_here
from tests.quick import compiled_quickly

__all__ = ["compiled_quickly"]

NOTEBOOK = Path(__file__).parents[1] / "examples" / "one_case.ipynb"
CELLS = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket of this process connects to another machine."""

    def refuse(self: socket.socket, address: object) -> None:
        raise AssertionError(f"something asked for {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)


def test_the_notebook_is_kept_without_outputs():
    assert len(CELLS) > 4
    assert not [cell for cell in CELLS if cell["outputs"] or cell["execution_count"]]


@pytest.mark.slow
def test_the_cells_run_on_a_run_and_nothing_leaves_the_machine(alone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_here(Path("runs/demo"))
    names: dict = {}
    for cell in CELLS:
        exec("".join(cell["source"]), names)
    assert names["answers"].probabilities.shape == (2, 2)
    assert np.allclose(names["answers"].probabilities.sum(axis=1), 1)
    assert names["maps"] and all(np.isclose(look.attention.sum(), 1, atol=1e-3) for look in names["maps"])
    assert names["tokens"].shape == (3, 1 + 16, 32) and np.isfinite(names["tokens"].astype(float)).all()
