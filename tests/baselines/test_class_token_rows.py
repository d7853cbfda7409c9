"""The plain rows: what they learn, and what they cannot have seen."""

import math

import numpy as np
import pytest

from prima_jax.baselines import class_token_rows, plain
from prima_jax.baselines.class_token_rows import INVERSE_PENALTIES, Photographs
from prima_jax.baselines.methods import METHODS
from tests.baselines.benches import make_bench, training_accuracy
from tests.baselines.shuffles import with_other_metadata, with_other_photographs
from tests.stages.tiny import ONE_LAYER

IMAGE_ROWS = ("nearest_neighbours", "linear_probe")


def clusters(seed=0, count=120, spread=0.1):
    """Three classes, each around an axis, and a class 3 that is not there."""
    r = np.random.default_rng(seed)
    labels = r.integers(3, size=count)
    return (np.eye(6)[labels] + r.normal(0, spread, (count, 6))).astype(np.float32), labels


def test_votes_equal_their_loops():
    (train, y), (asked, _) = clusters(0, 30, 1.0), clusters(1, 5, 1.0)
    expected = np.zeros((5, 4))
    for row, x in enumerate(asked.astype(float)):
        cosines = [float(x @ t) / math.sqrt(float(x @ x) * float(t @ t)) for t in train.astype(float)]
        for i in sorted(range(30), key=lambda i: -cosines[i])[:7]:
            expected[row, y[i]] += math.exp(cosines[i] / 0.5)
    found = plain.nearest_neighbours(train, y, asked, 4, neighbours=7, temperature=0.5)
    # float32 rows of length one.
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-6)


def test_the_nearest_alone_decides_where_there_is_one_neighbour_and_all_where_there_are_many():
    train, y = clusters(0)
    assert (plain.nearest_neighbours(train, y, train, 3, neighbours=1).argmax(axis=1) == y).all()
    many = plain.nearest_neighbours(train, y, train[:3], 3, neighbours=10**6, temperature=1e9)
    np.testing.assert_allclose(many, np.tile(np.bincount(y) / len(y), (3, 1)), atol=1e-6)


@pytest.mark.parametrize("classify", [class_token_rows.nearest_neighbours, class_token_rows.linear_probe])
def test_clusters_are_told_apart_and_a_class_without_photographs_gets_nothing(classify):
    (train, y), (asked, labels) = clusters(0), clusters(1)
    found = classify(Photographs(train, y, np.arange(len(y)) // 2), asked, 4)
    assert (found.argmax(axis=1) == labels).all()
    assert (found[:, 3] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)


def test_logistic_regression_fits_the_shares_of_a_single_column():
    column = np.repeat([[1.0, 0.0], [0.0, 1.0]], [40, 20], axis=0)
    y = np.array([0] * 30 + [1] * 10 + [1] * 20)
    found = plain.logistic_regression(column, y, np.eye(2), 2, inverse_penalty=1e6)
    # Classes weigh the same: 30 of 30 zeros and 10 of 30 ones have the first column.
    np.testing.assert_allclose(found[0], [0.75, 0.25], atol=1e-3)
    assert found[1, 1] > 0.99


@pytest.mark.parametrize("seed", range(3))
def test_a_strong_penalty_is_chosen_where_most_of_the_tokens_is_noise_and_a_weak_one_where_a_column_tells(seed):
    r = np.random.default_rng(seed)
    subjects, y = np.arange(400) // 2, r.integers(2, size=400)
    sharp = np.concatenate([0.05 * r.normal(size=(400, 1)) + 0.1 * y[:, None], r.normal(size=(400, 3))], axis=1)
    faint = 5.0 * r.normal(size=(400, 130)) + 0.8 * y[:, None]  # with a weak penalty the noise is learnt by heart
    weak, strong, alike = (
        class_token_rows.best_inverse_penalty(Photographs(tokens, y, subjects), 2)
        for tokens in (sharp, faint, np.zeros((400, 3)))
    )
    assert weak >= 0.1 and strong <= 0.001  # of 12 draws the greatest
    assert alike == min(INVERSE_PENALTIES)  # where all do equally well


def test_no_subject_is_on_both_sides_of_the_inner_folds():
    """A subject's photographs are alike: it would be found again by heart."""
    r = np.random.default_rng(0)
    subjects, y = np.arange(200) // 2, r.integers(2, size=200)
    folds = class_token_rows._inner_folds(Photographs(np.repeat(r.normal(size=(100, 3)), 2, axis=0), y, subjects))
    assert len(folds) == 3 and all(not set(subjects[a]) & set(subjects[b]) for a, b in folds)


@pytest.mark.slow
def test_metadata_rows_ignore_photographs_and_image_rows_ignore_metadata_to_the_bit(study, tmp_path):
    bench, train, test = make_bench(study, tmp_path, **ONE_LAYER)
    for names, other in (
        (("metadata_logistic",), with_other_photographs(bench)),
        (IMAGE_ROWS, with_other_metadata(bench)),
        ((*IMAGE_ROWS, "metadata_logistic"), bench),  # once more the same
    ):
        for name in names:
            method = METHODS[name]
            expected = method.predict(bench, method.fit(bench, train), test)
            found = method.predict(other, method.fit(other, train), test)
            np.testing.assert_array_equal(found, expected, err_msg=name)
            assert np.ptp(expected) > 0.01, name


def test_the_other_shuffle_changes_them(study, tmp_path):
    bench, train, test = make_bench(study, tmp_path, **ONE_LAYER)
    for name, other in (
        ("metadata_logistic", with_other_metadata(bench)),
        *((name, with_other_photographs(bench)) for name in IMAGE_ROWS),
    ):
        method = METHODS[name]
        first, second = (method.predict(b, method.fit(b, train), test) for b in (bench, other))
        assert np.abs(first - second).max() > 0.01, name


def test_logistic_regression_knows_32_records_by_their_columns(study, tmp_path):
    bench, train, _ = make_bench(study, tmp_path, diagnose__case="record", **ONE_LAYER)
    # An eye's photographs share one row, and no two eyes of different diagnosis have the same answers.
    assert training_accuracy(bench, METHODS["metadata_logistic"], train[:32]) == 1.0
