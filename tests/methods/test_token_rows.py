"""The plain rows: what they learn, and what they cannot have seen."""

import math

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from prima_jax.data.images import center_view, normalize
from prima_jax.data.metadata import OneHot
from prima_jax.methods import plain, token_rows
from prima_jax.methods.registry import METHODS
from prima_jax.stages import frozen_tokens as tokens_module
from tests.methods.benches import make_bench, training_accuracy
from tests.stages.tiny import ONE_LAYER, with_backbones

IMAGE_ROWS = ("nearest_neighbours", "frozen_tokens")


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


def test_logistic_regression_fits_the_shares_of_a_single_column():
    column = np.repeat([[1.0, 0.0], [0.0, 1.0]], [40, 20], axis=0)
    y = np.array([0] * 30 + [1] * 10 + [1] * 20)
    found = plain.logistic_regression(column, y, np.eye(2), 2, inverse_penalty=1e6)
    # Classes weigh the same: 30 of 30 zeros and 10 of 30 ones have the first column.
    np.testing.assert_allclose(found[0], [0.75, 0.25], atol=1e-3)
    assert found[1, 1] > 0.99


def token_model(bench, train, test, metadata: bool):
    """The row by scikit-learn's own pipeline, on tokens by the module itself, one photograph at a time."""
    context = bench.context
    module, variables = context.image_encoder.module, context.image_encoder.variables
    one_hot = OneHot.fit(context.prepared.study, [context.prepared.records[case.row] for case in train])
    tokens, columns = [], []
    for case in (*train, *test):
        seen = [center_view(context.prepared.image(p), context.config.image.size) for slot in case.slots for p in slot]
        found = [np.asarray(module.apply(variables, normalize(image[None])).last_hidden_state)[0] for image in seen]
        patches = [one[1 + module.config.num_register_tokens :].mean(axis=0) for one in found]
        tokens.append(np.concatenate([np.mean([one[0] for one in found], axis=0), np.mean(patches, axis=0)]))
        columns.append(one_hot.encode([context.prepared.records[case.row]])[0])
    labels = [case.label for case in train]
    both = np.concatenate([tokens, columns], axis=1) if metadata else np.array(tokens)
    scaler = StandardScaler().fit(both[: len(train)])
    scaled = scaler.transform(both)
    scaled[:, len(tokens[0]) :] *= 3
    model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=10_000, tol=1e-10).fit(scaled[: len(train)], labels)
    return model.predict_proba(scaled[len(train) :])


@pytest.mark.parametrize(("name", "metadata"), [("frozen_tokens", False), ("frozen_tokens_metadata", True)])
@pytest.mark.parametrize("case", ["unit", "record"])
def test_the_rows_on_tokens_are_scikit_learns_own(study, tmp_path, name, metadata, case):
    bench, train, test = make_bench(study, tmp_path, diagnose__case=case, **ONE_LAYER)
    train, test = train[:24], test[:6]
    assert case == "record" or max(sum(map(len, one.slots)) for one in train) > 1
    found = METHODS[name].predict(bench, METHODS[name].fit(bench, train), test)
    # float32 tokens, and a fit that stops a little earlier
    np.testing.assert_allclose(found, token_model(bench, train, test, metadata), atol=1e-3)


def test_all_folds_and_rows_have_one_file_of_tokens(study, tmp_path, monkeypatch):
    bench, train, test = make_bench(study, tmp_path, **ONE_LAYER)
    calls = []
    encode = tokens_module.predict_images
    monkeypatch.setattr(tokens_module, "predict_images", lambda *a, **k: calls.append(a[1]) or encode(*a, **k))
    context = bench.context
    first, second = (tokens_module.frozen_tokens(context) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (len(context.prepared.records), 64) and first.dtype == np.float32
    for name in IMAGE_ROWS:
        METHODS[name].predict(bench, METHODS[name].fit(bench, train), test)
    assert calls == ["frozen_tokens"]
    assert [path.parent for path in tmp_path.rglob("tokens-*.npy")] == [context.place("frozen_tokens")]


def test_other_weights_or_another_size_are_other_tokens(study, tmp_path):
    bench, _, _ = make_bench(study, tmp_path, **ONE_LAYER)
    variables = jax.tree.map(lambda leaf: leaf * 1.01, bench.context.image_encoder.variables)
    other = with_backbones(bench.context, image=bench.context.image_encoder._replace(variables=variables))
    first, second = map(tokens_module.frozen_tokens, (bench.context, other))
    assert np.abs(first - second).max() > 1e-4
    assert len(list(tmp_path.rglob("tokens-*.npy"))) == 2


def test_rows_on_primas_tokens_look_at_the_encoder_of_their_stage(study, tmp_path):
    """Without alignment its row is that of the frozen tokens, to the bit; refinement, which has epochs, moves them."""
    bench, train, test = make_bench(study, tmp_path, align__epochs=0.0, knowledge__epochs=0.0, **ONE_LAYER)
    names = ("frozen_tokens", "aligned_tokens", "refined_tokens")
    frozen, aligned, refined = (METHODS[name].predict(bench, METHODS[name].fit(bench, train), test) for name in names)
    np.testing.assert_array_equal(aligned, frozen)
    assert np.abs(refined - frozen).max() > 1e-3


def test_a_column_that_is_constant_in_training_moves_nothing():
    r = np.random.default_rng(0)
    train, asked = r.normal(5, 2, (50, 3)), r.normal(5, 2, (4, 3))
    train[:, 1], asked[:, 1] = 7.0, (7.0, 8.0, 7.0, 6.0)
    columns, others = token_rows.standardised(train.astype(np.float32), asked.astype(np.float32))
    np.testing.assert_allclose(columns.mean(axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(columns.std(axis=0), [1, 0, 1], atol=1e-7)
    np.testing.assert_allclose(others[:, 1], [0, 1, 0, -1], atol=1e-7)
    empty = np.zeros((50, 0), np.float32)
    assert token_rows.standardised(empty, empty)[0].shape == (50, 0)


def test_logistic_regression_knows_32_records_by_their_columns(study, tmp_path):
    bench, train, _ = make_bench(study, tmp_path, diagnose__case="record", **ONE_LAYER)
    # An eye's photographs share one row, and no two eyes of different diagnosis have the same answers.
    assert training_accuracy(bench, METHODS["metadata_logistic"], train[:32]) == 1.0
