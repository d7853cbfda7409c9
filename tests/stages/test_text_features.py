"""Each distinct sentence is encoded once, under the name of weights and words, and keeps its records."""

import jax
import numpy as np
import pytest

from prima_jax.stages.text_features import TextTokens, text_tokens
from tests.stages import tiny


@pytest.fixture
def context(study, tmp_path):
    return study.context(tmp_path, **tiny.ONE_LAYER)


def test_equal_sentences_are_encoded_once(context, tokenizers):
    sentences = ["There is a hypopyon.", "", "There is a hypopyon.", "The patient is a man."]
    found = text_tokens(context, context.text_encoder.variables, tokenizers.text, sentences)
    assert found.tokens.shape == (3 + 1, 16, 32) and found.words.shape == (3 + 1, 15)  # no longer than they need
    assert found.index[0] == found.index[2] and len(set(found.index.tolist())) == 3
    assert not found.tokens[-1].any() and not found.words[-1].any()
    assert not found.words[found.index[1]].any()  # nothing known: no words, and yet a class token
    assert found.tokens[found.index[1], 0].any()
    alone = text_tokens(context, context.text_encoder.variables, tokenizers.text, sentences[3:])
    np.testing.assert_allclose(alone.tokens[0], found.tokens[found.index[3]], rtol=0, atol=1e-6)


def test_sentences_are_kept_by_weights_and_words(context, tokenizers, tmp_path):
    """The file is what was computed, to the bit; other sentences, and other weights, are other files."""
    sentences, variables = ["There is a hypopyon.", "", "The patient is a man."], context.text_encoder.variables
    expected = text_tokens(context, variables, tokenizers.text, sentences)
    first = text_tokens(context, variables, tokenizers.text, sentences, folder=tmp_path)
    (path,) = tmp_path.glob("text_tokens-*.npy")
    written = path.stat().st_mtime_ns
    second = text_tokens(context, variables, tokenizers.text, sentences, folder=tmp_path)
    assert path.stat().st_mtime_ns == written
    for found in (first, second):
        np.testing.assert_array_equal(found.tokens, expected.tokens)
        np.testing.assert_array_equal(found.words, expected.words)
    changed = jax.tree.map(lambda leaf: leaf * 1.01, variables)
    other = text_tokens(context, changed, tokenizers.text, sentences, folder=tmp_path)
    text_tokens(context, variables, tokenizers.text, sentences[1:], folder=tmp_path)
    assert len(list(tmp_path.glob("text_tokens-*.npy"))) == 3 and np.abs(other.tokens - expected.tokens).max() > 1e-4


def test_versions_of_a_sentence_keep_their_records(context, tokenizers):
    versions = [["A.", "B."], ["B.", "B."], ["C.", "A."]]
    found = text_tokens(context, context.text_encoder.variables, tokenizers.text, versions)
    np.testing.assert_array_equal(found.index, [[0, 1], [1, 1], [2, 0]])


def test_a_batch_gets_nothing_of_the_others():
    tokens = np.arange(1, 5, dtype=np.float32)[:, None, None] * np.ones((4, 3, 2), np.float32)
    tokens[3] = 0
    words = np.array([[1, 1], [1, 0], [1, 1], [0, 0]], bool)
    texts = TextTokens(tokens, words, np.array([0, 1, 1, 2]))
    kept = texts.only(np.array([0, 2]))
    np.testing.assert_array_equal(kept.index, [0, 3, 1, 3])
    batch = kept.of(np.array([3, 2, 1, 0]))
    np.testing.assert_array_equal(batch["text_tokens"][:, 0, 0], [0, 2, 0, 1])
    np.testing.assert_array_equal(batch["text_words"], words[[3, 1, 3, 0]])
    assert kept.tokens is tokens  # not copied: it may be larger than the memory


def test_what_no_fold_shares_is_a_memory_map_too(context, tokenizers, tmp_path):
    sentences, variables = ["There is a hypopyon.", "", "The patient is a man."], context.text_encoder.variables
    expected = text_tokens(context, variables, tokenizers.text, sentences)
    found = text_tokens(context, variables, tokenizers.text, sentences, folder=tmp_path / "texts", keep=False)
    assert isinstance(found.tokens, np.memmap) and not list((tmp_path / "texts").iterdir())
    np.testing.assert_array_equal(found.tokens, expected.tokens)
