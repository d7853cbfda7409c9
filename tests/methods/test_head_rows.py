"""The methods that exchange a part of stage 3: one-hot columns as a token, and a perceptron on the LLM's input."""

import math

import jax
import numpy as np
import pytest

from prima_jax.data.metadata import OneHot
from prima_jax.methods.head_rows import Perceptron, one_hot_tokens
from prima_jax.methods.registry import METHODS
from prima_jax.models.diagnoser import Sequence
from tests.methods.benches import by_heart, make_bench, training_accuracy
from tests.stages.tiny import ONE_LAYER


def test_the_token_is_the_columns_of_what_is_known_and_versions_leave_some_out(study, tmp_path):
    bench, train, test = make_bench(study, tmp_path, **ONE_LAYER, features__text_views=3, features__text_dropout=0.5)
    tokens = one_hot_tokens(bench, train)
    records = bench.context.prepared.records
    one_hot = OneHot.fit(bench.context.prepared.study, [records[case.row] for case in train])
    assert tokens.index.shape == (len(records), 3) and not tokens.words.any()
    rows = [case.row for case in (*train, *test)]
    whole = tokens.tokens[tokens.index[rows, 0], 0]
    np.testing.assert_array_equal(whole, one_hot.encode([records[row] for row in rows]))
    assert not tokens.tokens[:, 1:].any() and not tokens.tokens[-1].any()
    for version, kept in ((1, 0.75), (2, 0.5)):
        left = tokens.tokens[tokens.index[rows, version], 0]
        assert (left <= whole).all()
        # 40 records of 20 fields or so: a deviation of 0.02, and five of them.
        assert abs(left.sum() / whole.sum() - kept) < 0.1


def test_the_perceptron_is_its_loops_and_ignores_what_is_masked():
    r = np.random.default_rng(0)
    embeddings, mask = r.normal(size=(3, 4, 5)).astype(np.float32), np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 0, 0, 1]], bool)
    module = Perceptron(6, 2)
    start = module.init(jax.random.key(0), Sequence(embeddings, mask))["params"]
    parameters = jax.tree.map(lambda p: r.normal(size=p.shape).astype(np.float32), start)
    found = module.apply({"params": parameters}, Sequence(embeddings, mask))
    first, second = ({k: np.asarray(v, float) for k, v in parameters[name].items()} for name in ("hidden", "output"))
    for row in range(3):
        flat = [float(embeddings[row, t, d]) * bool(mask[row, t]) for t in range(4) for d in range(5)]
        hidden = [sum(x * w for x, w in zip(flat, first["kernel"][:, j], strict=True)) + first["bias"][j] for j in range(6)]
        hidden = [h * 0.5 * (1 + math.erf(h / math.sqrt(2))) for h in hidden]
        expected = np.array(hidden) @ second["kernel"] + second["bias"]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-5)
    moved = np.where(mask[..., None], embeddings, 7)
    np.testing.assert_array_equal(module.apply({"params": parameters}, Sequence(moved, mask)), found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one_hot", "perceptron"])
@pytest.mark.parametrize("standardized", [False, True])
def test_they_learn_their_training_cases_by_heart(study, tmp_path, name, standardized):
    settings = by_heart("text_llm", epochs=1.0, learning_rate=1e-3)
    bench, train, _ = make_bench(
        study,
        tmp_path,
        **settings,
        align__epochs=0.0,
        refine__epochs=0.0,
        diagnose__epochs=40.0,
        diagnose__learning_rate=3e-3,
        diagnose__standardized=standardized,
        features__text_dropout=0.0,
    )
    assert training_accuracy(bench, METHODS[name], train) > 0.95
