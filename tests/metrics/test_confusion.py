import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from prima_jax.metrics.confusion import confusion, confusion_by_group, row_shares, scores_of_counts
from prima_jax.metrics.metrics import scores

CLASSES = ("a", "b", "c")


def drawn(cases: int, seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, classes, cases), generator.dirichlet(np.ones(classes), cases)


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_scikit_learn(seed: int):
    labels, probabilities = drawn(60, seed)
    predicted = probabilities.argmax(axis=1)
    assert (confusion(labels, predicted, 3) == confusion_matrix(labels, predicted, labels=range(3))).all()


def test_groups_add_up_to_the_whole_and_order_does_not_matter():
    labels, probabilities = drawn(60, 0)
    predicted, groups = probabilities.argmax(axis=1), np.arange(60) % 7
    by_group = confusion_by_group(labels, predicted, groups, 3)
    assert by_group.shape == (7, 3, 3)
    assert (by_group.sum(axis=0) == confusion(labels, predicted, 3)).all()
    shuffled = np.random.default_rng(1).permutation(60)
    assert (confusion_by_group(labels[shuffled], predicted[shuffled], groups[shuffled], 3) == by_group).all()


def test_shares_of_rows_sum_to_one_and_a_class_without_cases_has_none():
    shares = row_shares(np.array([[3, 1], [0, 0]]))
    assert shares[0] == pytest.approx([0.75, 0.25])
    assert np.isnan(shares[1]).all()


@pytest.mark.parametrize("cases", [1, 2, 3, 5, 50])
def test_scores_of_counts_are_the_scores(cases: int):
    # Few cases leave classes out, so every rule about missing classes is met.
    for seed in range(40):
        labels, probabilities = drawn(cases, seed)
        expected = scores(labels, probabilities, CLASSES)
        found = scores_of_counts(confusion(labels, probabilities.argmax(axis=1), 3))
        # Sums of at most three ratios in another order: a few units in the last place.
        assert {m: float(v) for m, v in found.items()} == pytest.approx({m: expected[m] for m in found}, rel=1e-14)


def test_scores_of_no_case_are_not_numbers_and_others_beside_them_are():
    found = scores_of_counts(np.stack([np.zeros((2, 2)), np.eye(2)]))
    assert all(np.isnan(v[0]) and v[1] == 1 for v in found.values())


def test_positions_outside_the_classes_and_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="positions from 0 to 1"):
        confusion(np.array([0, 2]), np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="three arrays"):
        confusion(np.array([0, 1]), np.array([0]), 2)
