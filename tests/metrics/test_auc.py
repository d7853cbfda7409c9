import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from prima_jax.metrics.auc import auc_scores, macro_auc, weighted_macro_auc
from tests.metrics.readings import ABNORMALITY, AREA, RATING


def drawn(cases: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with two decimals, so that many are equal."""
    generator = np.random.default_rng(seed)
    return generator.permutation(np.arange(cases) % classes), np.round(generator.dirichlet(np.ones(classes), cases), 2)


def test_published_example():
    probabilities = np.stack([1 - RATING / 5, RATING / 5], axis=1)
    found = auc_scores(ABNORMALITY.astype(int), probabilities, ("normal", "abnormal"))
    assert found["macro_auc"] == pytest.approx(AREA, abs=5e-5)  # as printed
    assert found["auc"]["normal"] == pytest.approx(found["auc"]["abnormal"], rel=1e-14)


def test_macro_is_that_of_scikit_learn():
    labels, probabilities = drawn(200, 3)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    expected = roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    assert macro_auc(labels, probabilities) == pytest.approx(expected, rel=1e-14)


def test_a_missing_class_has_no_area_and_leaves_no_mean():
    labels, probabilities = drawn(20, 2)
    found = auc_scores(labels, np.pad(probabilities, ((0, 0), (0, 1))), ("a", "b", "c"))
    assert found["macro_auc"] is None
    assert found["auc"]["c"] is None
    assert type(found["auc"]["a"]) is float


@pytest.mark.parametrize("kind", ["ones", "counts", "real"])
def test_weighted_area_is_that_of_scikit_learn(kind: str):
    labels, probabilities = drawn(90, 3)
    generator = np.random.default_rng(1)
    weights = {
        "ones": np.ones((5, 90)),
        "counts": generator.multinomial(90, np.full(90, 1 / 90), 5),
        "real": generator.random((5, 90)),
    }[kind]
    expected = [
        np.mean([roc_auc_score(labels == c, probabilities[:, c], sample_weight=row) for c in range(3)]) for row in weights
    ]
    # Sums of 90 terms in another order, in double precision.
    assert weighted_macro_auc(labels, probabilities, weights) == pytest.approx(expected, rel=1e-12)


def test_a_class_without_weight_gives_no_number():
    labels, probabilities = drawn(30, 3)
    found = weighted_macro_auc(labels, probabilities, np.stack([np.ones(30), labels != 2]))
    assert np.isfinite(found[0])
    assert np.isnan(found[1])


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        (np.array([0]), np.zeros((2, 2))),
        (np.array([0, 1]), np.zeros((2, 3))),
        (np.array([0, 2]), np.zeros((2, 2))),
        (np.array([0, 1]), np.full((2, 2), np.nan)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(labels: np.ndarray, probabilities: np.ndarray):
    with pytest.raises(ValueError, match="expected"):
        auc_scores(labels, probabilities, ("a", "b"))
