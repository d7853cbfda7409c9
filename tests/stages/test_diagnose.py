"""The diagnosis sees what is there and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.models.diagnoser import Features, positions, special_tokens
from prima_jax.stages import diagnose
from prima_jax.stages.answers import phrase_embeddings
from prima_jax.stages.cases import Case, all_cases, case_views, gather, whole_sittings
from prima_jax.stages.text_features import TextTokens
from tests.stages import tiny

TOLERANCE = 1e-5
"""Float32 sums over sequences of another length."""


@pytest.fixture(scope="module")
def context(study, tmp_path_factory):
    return study.context(tmp_path_factory.mktemp("diagnose"), **tiny.ONE_LAYER)


@pytest.fixture(scope="module")
def model(context, tokenizers):
    projector = diagnose.make_projector(context)
    parameters = projector.init(jax.random.key(0), diagnose.blank_features(context, 32))["params"]
    parameters["special_tokens"] = phrase_embeddings(context.llm, tokenizers.llm, special_tokens(case_views(context)).values())
    return {"llm": context.llm.variables, "projector": parameters, "class_ids": jnp.array([7, 11])}


def example(seed: int = 0, batch: int = 3, words: int = 9, length: int = 40) -> Features:
    """Cases of three scans and a text of 9 words."""
    rng = np.random.default_rng(seed)
    mask = np.arange(length) < words
    return Features(
        jnp.array(rng.standard_normal((batch, 3, 1 + tiny.SIDE**2, 32)), jnp.float32),
        jnp.ones((batch, 3), bool),
        jnp.array(rng.standard_normal((batch, 1 + length, 32)), jnp.float32),
        jnp.broadcast_to(jnp.array(mask), (batch, length)),
    )


logits = jax.jit(diagnose.class_logits, static_argnums=(0, 1))


def probabilities(context, model, features: Features) -> np.ndarray:
    return np.asarray(jax.nn.softmax(logits(context.llm.module, diagnose.make_projector(context), model, features._asdict())))


def test_probabilities_are_over_the_classes_alone(context, model):
    found = probabilities(context, model, example())
    assert found.shape == (3, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert np.ptp(found[:, 0]) > 1e-4, "the cases should differ, or the tests below compare constants"


def test_class_logits_are_those_rows_of_the_whole_vocabulary(context, model):
    projector, features = diagnose.make_projector(context), example()
    chosen = logits(context.llm.module, projector, model, features._asdict())
    everything = {**model, "class_ids": jnp.arange(512)}
    whole = logits(context.llm.module, projector, everything, features._asdict())
    np.testing.assert_allclose(chosen, whole[:, [7, 11]], atol=TOLERANCE)


def test_what_stands_in_for_a_missing_scan_does_not_matter(context, model):
    features = example()
    mask = features.scan_mask.at[:, 1].set(False)
    expected = probabilities(context, model, features._replace(scan_mask=mask))
    noise = features.image_tokens.at[:, 1].set(1e3)
    np.testing.assert_allclose(
        probabilities(context, model, features._replace(image_tokens=noise, scan_mask=mask)), expected, atol=TOLERANCE
    )
    assert np.abs(probabilities(context, model, features) - expected).max() > 1e-4  # the scan itself does


def test_a_missing_scan_is_as_if_the_study_had_none_of_its_kind(context, model):
    """Positions count only what is seen: leaving the second scan's place out altogether changes nothing."""
    features = example()
    missing = features._replace(scan_mask=features.scan_mask.at[:, 1].set(False))
    without = features._replace(image_tokens=features.image_tokens[:, [0, 2]], scan_mask=features.scan_mask[:, [0, 2]])
    special = model["projector"]["special_tokens"]
    two_scans = {**model, "projector": {**model["projector"], "special_tokens": special[jnp.array([0, 2, 3, 4, 5, 6])]}}
    np.testing.assert_allclose(probabilities(context, two_scans, without), probabilities(context, model, missing), atol=TOLERANCE)


@pytest.mark.parametrize("length", [11, 12])
@pytest.mark.parametrize("words", [0, 1, 8, 9])
def test_more_padding_after_the_text_changes_nothing(context, model, words, length):
    """Nor does it matter whether their number is even: a case alone is padded to another length than among others."""
    short, padded = example(words=words, length=length), example(words=words, length=40)
    tokens = padded.text_tokens.at[:, : 1 + length].set(short.text_tokens).at[:, 1 + words :].set(5.0)
    expected = probabilities(context, model, short._replace(image_tokens=padded.image_tokens))
    np.testing.assert_allclose(probabilities(context, model, padded._replace(text_tokens=tokens)), expected, atol=TOLERANCE)


def test_a_text_changes_the_diagnosis(context, model):
    a = example()
    b = a._replace(text_tokens=a.text_tokens.at[:, 3].multiply(-1.0))
    assert np.abs(probabilities(context, model, a) - probabilities(context, model, b)).max() > 1e-5


def test_positions_count_only_what_is_seen():
    mask = jnp.array([[1, 0, 0, 1, 1], [1, 1, 1, 1, 1], [0, 1, 0, 1, 1]], bool)
    found = positions(mask)
    np.testing.assert_array_equal(np.where(mask, found, -1), [[0, -1, -1, 1, 2], [0, 1, 2, 3, 4], [-1, 0, -1, 1, 2]])


def test_special_tokens_start_from_the_mean_embedding_of_their_words(context, tokenizers):
    views = case_views(context)
    found = phrase_embeddings(context.llm, tokenizers.llm, special_tokens(case_views(context)).values())
    table = context.llm.variables["params"]["embed_tokens"]["embedding"]
    meanings = special_tokens(views)
    assert len(found) == len(views) + 4 == len(meanings)
    for row, words in zip(found, meanings.values(), strict=True):
        ids = tokenizers.llm(words, add_special_tokens=False)["input_ids"]
        np.testing.assert_allclose(row, np.asarray(table)[ids].mean(axis=0), atol=1e-6)
    assert len({row.tobytes() for row in np.asarray(found)}) == len(meanings)
    assert all(view in meanings[f"<|img_start_{n}|>"] for n, view in enumerate(views))


def test_prediction_is_the_mean_over_sittings_whatever_the_batches(context, model):
    images = tiny.random_image_features(context)
    rng = np.random.default_rng(0)
    tokens, words = rng.standard_normal((3, 96, 32), np.float32), rng.random((3, 95)) < 0.5
    texts = TextTokens(tokens, words, rng.integers(3, size=(len(images), 2)))
    several = Case("u", "u", "s", 0, 5, ((0, 3, 6), (1, 4), ()))
    cases = [*all_cases(context)[:20], several]
    assert sum(len(whole_sittings(c)) for c in cases) % context.config.diagnose.batch_size, "no padding is tested"
    found = diagnose.predict(context, model, cases, images, texts)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    sittings = [probabilities(context, model, gather(images, texts, [s]))[0] for s in whole_sittings(several)]
    assert len(sittings) == 3 and np.ptp(sittings, axis=0).max() > 1e-4
    np.testing.assert_allclose(found[-1], np.mean(sittings, axis=0), atol=TOLERANCE)
