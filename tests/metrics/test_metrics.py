import json
import warnings

import numpy as np
import pytest

from prima_jax.metrics.metrics import is_constant, scores


def certain(predicted: list[int], classes: int) -> np.ndarray:
    return np.eye(classes)[predicted]


def test_hand_computed_confusion():
    found = scores(np.array([0, 0, 0, 1, 1, 2]), certain([0, 0, 1, 1, 2, 2], 3), ("a", "b", "c"))
    # F1 = 2 TP / (2 TP + FP + FN): a 4/5, b 2/4, c 2/3.
    assert found["f1"] == pytest.approx({"a": 4 / 5, "b": 1 / 2, "c": 2 / 3})
    assert found["macro_f1"] == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)


def test_prediction_is_the_most_probable_class_and_the_first_of_several():
    found = scores(np.array([1, 0]), np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]]), ("a", "b", "c"))
    assert found["accuracy"] == 1.0


def test_a_class_never_predicted_has_f1_zero_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scores(np.array([0, 0, 1]), certain([0, 0, 0], 2), ("a", "b"))
    assert found["f1"] == pytest.approx({"a": 4 / 5, "b": 0.0})
    assert found["macro_f1"] == pytest.approx(2 / 5)
    assert found["balanced_accuracy"] == pytest.approx(1 / 2)


def test_a_class_predicted_but_not_among_the_labels_counts_as_zero_in_macro_f1_only():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scores(np.array([0, 0]), certain([0, 1], 2), ("a", "b"))
    assert found["f1"] == pytest.approx({"a": 2 / 3, "b": 0.0})
    assert found["macro_f1"] == pytest.approx(1 / 3)
    assert found["balanced_accuracy"] == pytest.approx(1 / 2)


def test_a_class_neither_among_the_labels_nor_predicted_has_no_f1():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scores(np.array([0, 1]), certain([0, 1], 3), ("a", "b", "c"))
    assert found["f1"] == {"a": 1.0, "b": 1.0, "c": None}
    assert found["macro_f1"] == found["balanced_accuracy"] == 1.0


def test_plain_floats_that_json_takes():
    found = scores(np.array([0, 1]), certain([0, 0], 2).astype(np.float32), ("a", "b"))
    assert all(type(found[k]) is float for k in ("macro_f1", "accuracy", "balanced_accuracy"))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        (np.array([], int), np.zeros((0, 2))),
        (np.array([0]), np.zeros((2, 2))),
        (np.array([0]), np.zeros((1, 3))),
        (np.array([2]), np.zeros((1, 2))),
        (np.array([0]), np.array([[np.nan, 1.0]])),
    ],
)
def test_arrays_that_do_not_fit_are_refused(labels: np.ndarray, probabilities: np.ndarray):
    with pytest.raises(ValueError, match="expected"):
        scores(labels, probabilities, ("a", "b"))


def test_probabilities_are_constant_where_several_cases_have_the_same_but_for_rounding():
    same = np.full((3, 2), 0.5, np.float32)
    assert is_constant(same) and is_constant(same + np.float32([[1e-7, -1e-7], [0, 0], [0, 0]]))
    assert not is_constant(same + np.float32([[1e-4, -1e-4], [0, 0], [0, 0]]))
    assert not is_constant(same[:1])  # one case tells nothing of the others
