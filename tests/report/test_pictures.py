"""Every picture of a synthetic study is marked; that the same figures give the same picture is in test_write.py."""

import json

import numpy as np
import pytest

from prima_jax.report.confusion_picture import confusion_picture
from prima_jax.report.curves import Curves, loss_picture
from prima_jax.report.reliability_picture import reliability_picture
from prima_jax.report.risk_coverage_picture import risk_coverage_picture


def confusion(folder, synthetic):
    return confusion_picture("PRIMA", np.array([[2, 0], [0, 0]]), ("a", "b"), synthetic=synthetic)  # one class is empty


def reliability(folder, synthetic):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    return reliability_picture("PRIMA", np.arange(50) % 3, probabilities, synthetic=synthetic)


def risk_coverage(folder, synthetic):
    return risk_coverage_picture(
        np.array([0, 1]), {"PRIMA": np.eye(2), "Majority": np.ones((2, 2)) / 2}, "PRIMA", synthetic=synthetic
    )


def losses(folder, synthetic):
    path = folder / "history.jsonl"
    path.write_text(json.dumps({"step": 1, "loss": 2.0}) + "\n")
    return loss_picture(Curves("align", "", {"fold 0": path}), synthetic=synthetic)


@pytest.mark.parametrize("picture", [confusion, reliability, risk_coverage, losses])
def test_a_picture_of_a_synthetic_study_is_marked(picture, tmp_path):
    plain, marked = (picture(tmp_path, synthetic) for synthetic in (False, True))
    assert plain.startswith(b"\x89PNG") and marked != plain
