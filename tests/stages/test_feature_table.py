"""A file of features tells whoever reads it what it was made with."""

import numpy as np

from prima_jax.stages import feature_table
from prima_jax.stages.context import CostLog
from prima_jax.training.made_with import made_with


def test_a_table_of_other_code_is_named_to_whoever_reads_it(tmp_path, monkeypatch):
    path = tmp_path / "features-abc" / "tokens-1.npy"
    path.parent.mkdir()

    def read() -> tuple[np.ndarray, list]:
        costs = CostLog()
        found = feature_table.stored_table(path, (2,), "float32", lambda: iter([(slice(None), np.ones(2))]), 2, "image", costs)
        return found, costs.made_with

    older = {**made_with(), "prima_jax": "0.0.1 (a)"}
    monkeypatch.setattr(feature_table, "made_with", lambda: older)
    assert read()[1] == [older]
    monkeypatch.undo()
    found, made = read()
    assert made == [older] and found.tolist() == [1, 1]
    path.with_suffix(".json").unlink()  # as one of before it was noted
    assert read()[1] == [{}]
