import numpy as np
import pytest

from prima_jax.metrics.units import per_unit


def test_probabilities_of_a_unit_are_averaged():
    names, labels, means = per_unit(
        np.array([1, 0, 1]), np.array([[0.2, 0.8], [0.9, 0.1], [0.6, 0.4]]), np.array(["v", "u", "v"])
    )
    assert names.tolist() == ["u", "v"]
    assert labels.tolist() == [0, 1]
    assert means == pytest.approx(np.array([[0.9, 0.1], [0.4, 0.6]]))


def test_a_unit_with_two_labels_is_named():
    with pytest.raises(ValueError, match="several for v"):
        per_unit(np.array([0, 0, 1]), np.zeros((3, 2)), np.array(["u", "v", "v"]))


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="expected labels"):
        per_unit(np.array([0, 0]), np.zeros((3, 2)), np.array(["u", "v"]))
