from pathlib import Path

import numpy as np
import pytest

from prima_jax.methods import plain
from prima_jax.metrics.metrics import scores

CLASSES = 3
NAMES = ("a", "b", "c")
NO_CATEGORIES = np.zeros(3, bool)


def easy(seed: int = 0, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """A number and a category that tell the class, a column of noise, and a tenth of all values missing."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(CLASSES, size=count)
    table = np.stack([labels + generator.normal(0, 0.2, count), (labels + 1) % CLASSES, generator.random(count)], 1)
    table[generator.random(table.shape) < 0.1] = np.nan
    return table, labels


def balanced_accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return scores(labels, probabilities, NAMES)["balanced_accuracy"]


def test_majority_gives_every_case_the_shares_of_the_training_labels():
    found = plain.majority(np.array([0, 2, 2, 2]), 2, 4)
    assert found.tolist() == [[0.25, 0.0, 0.75, 0.0]] * 2


def test_metadata_learns_what_is_there_in_spite_of_missing_values():
    (train, y), (test, labels) = easy(0), easy(1)
    found = plain.metadata_only(train, y, test, CLASSES, categorical=np.array([False, True, False]))
    assert found.shape == (len(test), CLASSES)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(test)))
    # Either column alone tells the class; both are missing in a hundredth of the rows.
    assert balanced_accuracy(labels, found) > 0.93


def test_metadata_learns_from_fewer_rows_than_two_leaves_of_many():
    y = np.arange(12) % 2
    found = plain.metadata_only(y[:, None].astype(float), y, np.array([[0.0], [1.0]]), 2)
    assert found.argmax(axis=1).tolist() == [0, 1]


def test_metadata_is_at_chance_with_shuffled_labels():
    (train, y), (test, labels) = easy(0), easy(1)
    shuffled = np.random.default_rng(2).permutation(y)
    found = plain.metadata_only(train, shuffled, test, CLASSES, categorical=NO_CATEGORIES)
    # Recall of one class over some 100 cases has SD 0.047, the mean of three 0.027; 5 SD.
    assert abs(balanced_accuracy(labels, found) - 1 / 3) < 0.14


def test_missingness_learns_from_gaps_and_from_nothing_else():
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(CLASSES), 40)
    filled = np.stack([y == 0, y == 1, generator.random(len(y)) < 0.5], axis=1).astype(np.float32)
    assert balanced_accuracy(y, plain.missingness_only(filled, y, filled, CLASSES)) == 1.0
    full = np.ones_like(filled)
    assert balanced_accuracy(y, plain.missingness_only(full, y, full, CLASSES)) == pytest.approx(1 / 3)


def test_with_equal_weights_a_gap_names_the_rarest_class_that_has_it():
    """Fields are filled in for classes 0 (many) and 1 (few), and for nobody of class 2."""
    y = np.repeat([0, 1, 2], [150, 50, 100])
    filled = np.repeat((y < 2)[:, None], 3, axis=1).astype(float)
    taken = {w: plain.missingness_only(filled, y, filled, CLASSES, class_weight=w).argmax(axis=1) for w in (None, "balanced")}
    assert set(taken[None][y < 2]) == {0} and set(taken["balanced"][y == 2]) == {2}
    odds = plain.missingness_only(filled, y, filled, CLASSES, class_weight="balanced")[0]
    assert odds[1] == pytest.approx(odds[0], abs=0.02) and odds[0] > 0.45  # of equal weight, three to one no more


@pytest.mark.parametrize("rows", [8, 12, 19, 40])
def test_a_small_cohort_still_gets_a_tree(rows):
    """Leaves of ten rows cannot part fewer than twenty: every case had the same answer, and any method "beat" it."""
    y = np.arange(rows) % 2
    table = y[:, None].astype(float)
    found = plain.metadata_only(table, y, table, 2)
    assert (found.argmax(axis=1) == y).all()
    assert (plain.missingness_only(table, y, table, 2).argmax(axis=1) == y).all()


def test_a_class_without_training_rows_gets_nothing_and_the_others_keep_their_columns():
    train, y = easy()
    test = train[:5]
    found = plain.metadata_only(train[y != 1], y[y != 1], test, CLASSES, categorical=NO_CATEGORIES)
    assert (found[:, 1] == 0).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(5))
    assert (found[y[:5] == 2].argmax(axis=1) == 2).all()


def test_the_same_arrays_give_the_same_bytes():
    (train, y), (test, _) = easy(0), easy(1)
    categorical = np.array([False, True, False])
    first, second = (plain.metadata_only(train, y, test, CLASSES, categorical=categorical) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_odd_tables_still_get_an_answer():
    y = np.array([0, 1] * 20)
    empty = np.zeros((40, 0))
    assert plain.metadata_only(empty, y, empty[:2], CLASSES).tolist() == [[0.5, 0.5, 0.0]] * 2
    assert plain.missingness_only(empty, y, empty[:2], CLASSES).tolist() == [[0.5, 0.5, 0.0]] * 2
    one_class = plain.metadata_only(np.ones((40, 1)), np.zeros(40, int), np.ones((2, 1)), CLASSES)
    assert one_class.tolist() == [[1.0, 0.0, 0.0]] * 2
    nothing_known = plain.metadata_only(np.full((40, 2), np.nan), y, np.full((2, 2), np.nan), CLASSES)
    assert nothing_known.sum(axis=1) == pytest.approx(np.ones(2))


def test_categories_never_seen_and_too_many_categories_are_no_error():
    categorical = np.ones(1, bool)
    y = np.array([0, 1] * 300)
    names = np.arange(600.0)[:, None]
    assert plain.metadata_only(names, y, names[:2], CLASSES, categorical=categorical).shape == (2, CLASSES)
    few = (names % 2).astype(float)
    found = plain.metadata_only(few, y, np.array([[0.0], [1.0], [7.0], [900.0]]), CLASSES, categorical=categorical)
    assert found[:2].argmax(axis=1).tolist() == [0, 1]
    assert np.isfinite(found).all()


@pytest.mark.slow
@pytest.mark.parametrize(("hide", "measured", "missingness"), [("", 0.619, 0.192), ("form", 0.605, 0.152)])
def test_pad_ufes_20_metadata(hide: str, measured: float, missingness: float):
    """A weak reference would flatter whatever stands beside it."""
    from prima_jax.data.metadata import filled_in, tabular
    from prima_jax.data.splits import assign_folds
    from prima_jax.studies.manifest import read
    from tests.studies.pad_ufes_20 import PAD_UFES_20

    folder = Path(__file__).parents[2].parent / "shared" / "data" / "pad_ufes_20"
    if not folder.exists():
        pytest.skip(f"PAD-UFES-20 is not at {folder}")
    study = PAD_UFES_20.hide(hide)
    reading = read(study, folder)
    records, names = reading.records, study.class_names
    y = np.array([record.label for record in records])
    table, columns, categorical = tabular(study, records)
    assert "biopsed" not in columns
    filled = filled_in(study, records)
    folds = assign_folds(records, folds=5, group="subject", identical=reading.identical, seed=0)
    full, gaps = [], []
    for fold in range(5):
        train, test = folds != fold, folds == fold
        full.append(plain.metadata_only(table[train], y[train], table[test], len(names), categorical=categorical))
        gaps.append(plain.missingness_only(filled[train], y[train], filled[test], len(names)))
    found = [np.mean([scores(y[folds == k], part[k], names)["macro_f1"] for k in range(5)]) for part in (full, gaps)]
    # Measured with scikit-learn 1.9.1. Folds differ by 4 and 1.2 points (SD), so the mean of five has a standard error
    # of 1.8 and 0.5; a change within two of the first and four of the second would change no conclusion.
    assert found[0] == pytest.approx(measured, abs=0.04)
    assert found[1] == pytest.approx(missingness, abs=0.02)
