"""Image encoder and metadata fused: MetadataMLP and MetaBlock against loops, and the rows that train them."""

import math

import chex
import jax
import numpy as np
import pytest

from prima_jax.methods import frozen_encoders, fusion
from prima_jax.methods.networks.fusion import MetaBlock, MetadataMLP
from prima_jax.methods.registry import METHODS
from prima_jax.stages.cases import Case
from prima_jax.stages.text_features import TextTokens
from tests.methods.benches import by_heart, make_bench, training_accuracy
from tests.methods.shuffles import with_fields, with_photographs
from tests.stages.tiny import ONE_LAYER

ROWS = ("metadata_mlp", "metablock")
HEADS = {"metadata_mlp": MetadataMLP(3, 5), "metablock": MetaBlock(3)}
BATCH, TOKENS, WIDTH, COLUMNS = 4, 3, 6, 5


def arrays(seed=0):
    """Tokens and vectors."""
    r = np.random.default_rng(seed)
    return r.normal(size=(BATCH, TOKENS, WIDTH)).astype(np.float32), r.normal(size=(BATCH, COLUMNS)).astype(np.float32)


def parameters(head, seed=1):
    """No parameter is 0 or 1, as many are at the start."""
    start = head.init(jax.random.key(0), *arrays())["params"]
    r = np.random.default_rng(seed)
    return jax.tree.map(lambda p: r.normal(size=p.shape).astype(np.float32), start)


def norm(x, p):
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / len(x)
    return [
        (v - mean) / math.sqrt(variance + 1e-5) * float(s) + float(b) for v, s, b in zip(x, p["scale"], p["bias"], strict=True)
    ]


def dense(x, p):
    kernel, bias = np.asarray(p["kernel"], float), np.asarray(p["bias"], float)
    return [sum(x[i] * kernel[i, j] for i in range(len(x))) + bias[j] for j in range(kernel.shape[1])]


def mlp_loops(tokens, vectors, p):
    rows = []
    for token, vector in zip(tokens.astype(float), vectors.astype(float), strict=True):
        hidden = dense([*norm(list(token[0]), p["image_norm"]), *norm(list(vector), p["metadata_norm"])], p["hidden"])
        rows.append(dense([h * 0.5 * (1 + math.erf(h / math.sqrt(2))) for h in hidden], p["output"]))
    return np.array(rows)


def metablock_loops(tokens, vectors, p):
    rows = []
    for token, vector in zip(tokens.astype(float), vectors.astype(float), strict=True):
        scale = norm(dense(list(vector), p["scale"]), p["scale_norm"])
        shift = norm(dense(list(vector), p["shift"]), p["shift_norm"])
        gated = [[1 / (1 + math.exp(-(math.tanh(v * f) + g))) for v, f, g in zip(t, scale, shift, strict=True)] for t in token]
        mean = [sum(t[c] for t in gated[1:]) / (len(gated) - 1) for c in range(WIDTH)]
        rows.append(dense(norm([*gated[0], *mean], p["classifier"]["norm"]), p["classifier"]["output"]))
    return np.array(rows)


LOOPS = {"metadata_mlp": mlp_loops, "metablock": metablock_loops}


class Heads(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_heads_equal_their_loops(self):
        for name, head in HEADS.items():
            p = parameters(head)
            found = self.variant(lambda p, *a, head=head: head.apply({"params": p}, *a))(p, *arrays())
            # float32: products of six to twelve terms of size one, and norms of them.
            np.testing.assert_allclose(found, LOOPS[name](*arrays(), p), rtol=2e-5, atol=2e-5, err_msg=name)


def test_a_fresh_head_gives_every_class_the_same():
    for head in HEADS.values():
        start = head.init(jax.random.key(0), *arrays())
        assert np.ptp(head.apply(start, *arrays())) == 0


def test_metablock_without_a_shift_and_with_a_zero_scale_lets_nothing_of_the_image_through():
    p = parameters(HEADS["metablock"])
    closed = {name: {part: np.zeros_like(v) for part, v in p[name].items()} for name in ("scale_norm", "shift_norm")}
    (tokens, vectors), (others, _) = arrays(0), arrays(7)
    same = [HEADS["metablock"].apply({"params": {**p, **closed}}, t, vectors) for t in (tokens, others)]
    np.testing.assert_array_equal(*same)


def test_a_fresh_metablock_lets_the_image_of_a_case_without_metadata_through():
    (tokens, vectors), (others, _) = arrays(0), arrays(7)
    p = HEADS["metablock"].init(jax.random.key(0), tokens, vectors)["params"]
    p = {**p, "classifier": parameters(HEADS["metablock"])["classifier"]}
    first, second = (HEADS["metablock"].apply({"params": p}, t, np.zeros_like(vectors)) for t in (tokens, others))
    assert np.abs(first - second).min() > 1e-3


def test_a_sentence_is_the_mean_over_its_words_or_its_class_token():
    r = np.random.default_rng(0)
    tokens = r.normal(size=(3, 1 + 4, WIDTH)).astype(np.float16)
    words = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool)  # the last says nothing
    texts = TextTokens(tokens, words, np.array([[1, 0], [0, 0], [2, 2]]))
    expected = [tokens[0, 1:3].astype(np.float64).mean(axis=0), tokens[1, 1:].astype(np.float64).mean(axis=0), np.zeros(WIDTH)]
    np.testing.assert_allclose(frozen_encoders.pooled(texts, "words"), expected, atol=1e-6)
    np.testing.assert_array_equal(frozen_encoders.pooled(texts, "class"), tokens[:, 0].astype(np.float32))


def test_sentences_are_standardised_by_what_is_known_of_the_training_cases_alone():
    r = np.random.default_rng(0)
    tokens = r.normal(3.0, 5.0, size=(700, 1 + 4, WIDTH)).astype(np.float32)  # more than are averaged at once
    texts = TextTokens(tokens, r.random((700, 4)) < 0.8, np.stack([np.arange(600), r.permutation(600)], axis=1))
    train = [Case(str(row), "", "", 0, row, ()) for row in range(0, 400, 2)]
    found = frozen_encoders.sentence_vectors(texts, train)
    known = found[np.arange(0, 400, 2)]
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(known.std(axis=0), 1, atol=1e-5)
    tokens[np.setdiff1d(np.arange(700), np.arange(0, 400, 2))] *= 9.0
    np.testing.assert_array_equal(frozen_encoders.sentence_vectors(texts, train)[np.arange(0, 400, 2)], known)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_each_input_alone_tells_32_training_records_apart(study, tmp_path, name):
    settings = {
        **by_heart(name, epochs=120.0, learning_rate=3e-3),
        "knowledge__epochs": 0.0,
    }  # nothing to learn from one sentence
    bench, train, _ = make_bench(study, tmp_path, **settings)
    train = train[:32]
    blank = with_photographs(bench, np.zeros(len(bench.context.prepared.records), int))
    assert training_accuracy(blank, METHODS[name], train) == 1.0
    alike = bench.context.prepared.records[0].fields
    assert training_accuracy(with_fields(bench, lambda record: alike), METHODS[name], train) == 1.0


def test_a_case_is_the_mean_over_its_photographs_and_depends_on_no_other_case(study, tmp_path):
    bench, _, test = make_bench(study, tmp_path, **ONE_LAYER)
    head = MetaBlock(2)
    vectors = np.random.default_rng(0).normal(size=(len(test), 7)).astype(np.float32)
    tokens = np.zeros((1, 2, 32), np.float32)
    start = head.init(jax.random.key(0), tokens, vectors[:1])["params"]
    r = np.random.default_rng(1)
    fused = (bench.context.image_encoder.variables, jax.tree.map(lambda p: r.normal(size=p.shape), start))
    together = fusion.predict(bench, fused, test, "metablock", head, vectors)
    several = next(i for i, case in enumerate(test) if sum(map(len, case.slots)) > 1)
    case = test[several]
    single = [fusion.predict(bench, fused, [one], "metablock", head, vectors[several, None]) for one in photograph_cases(case)]
    np.testing.assert_allclose(together[several], np.mean(single, axis=0)[0], atol=1e-6)


def photograph_cases(case):
    from dataclasses import replace

    return [replace(case, slots=((p,),)) for slot in case.slots for p in slot]
