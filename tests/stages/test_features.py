"""Features are computed once, for the right photographs and sentences, under the name of the weights."""

import errno
import os

import jax
import numpy as np
import pytest

from prima_jax.data.images import center_view
from prima_jax.errors import UserError
from prima_jax.stages import features
from tests.stages import tiny


@pytest.fixture
def context(study, tmp_path):
    return study.context(tmp_path, **tiny.ONE_LAYER)


@pytest.fixture
def calls(monkeypatch):
    """How many batches went through the image encoder."""
    counted, image_function = [], features._image_function

    def counting(context):
        mapped = image_function(context)

        def call(*arguments):
            counted.append(1)
            return mapped(*arguments)

        return call

    monkeypatch.setattr(features, "_image_function", counting)
    return counted


@pytest.fixture(scope="module")
def known(study, tmp_path_factory):
    """Features of the untrained encoder, computed once: context, folder, table."""
    folder = tmp_path_factory.mktemp("features")
    context = study.context(folder, **tiny.ONE_LAYER)
    return context, features.image_tokens(context, context.image_encoder.variables, folder / "f", seed=0), folder / "f"


def test_the_same_encoder_never_reads_the_same_photographs_twice(known, calls):
    context, table, folder = known
    again = features.image_tokens(context, context.image_encoder.variables, folder, seed=0)
    assert calls == []
    np.testing.assert_array_equal(again, table)


def test_other_weights_and_another_seed_have_features_of_their_own(known, calls, tmp_path):
    context, table, _ = known
    records = len(context.prepared.records)
    batches = context.config.features.views * -(-records // context.config.features.batch_size)
    variables = context.image_encoder.variables
    changed = jax.tree.map(np.array, variables)
    leaf = jax.tree.leaves(changed)[-1]
    leaf.flat[0] = np.nextafter(leaf.flat[0], np.float32(np.inf))  # the least that a weight can change by
    names = set()
    for tree, seed in ((variables, 0), (changed, 0), (variables, 1)):
        calls.clear()
        found = features.image_tokens(context, tree, tmp_path, seed=seed)
        assert len(calls) == batches
        names.add(next(tmp_path.glob("image_tokens-*.npy")).name)
    assert len(names) == 3
    np.testing.assert_array_equal(found[:, 0], table[:, 0])  # view 0 does not depend on the seed
    assert (np.asarray(found[:, 1]) != np.asarray(table[:, 1])).any(axis=(1, 2)).all()  # every augmented one does


def test_every_row_is_its_own_photograph_whatever_batch_it_was_in(known):
    """98 photographs in batches of 16: the last is short, and padding must not reach the table."""
    context, table, _ = known
    positions = [0, 15, 16, len(context.prepared.records) - 1]
    assert len(context.prepared.records) % context.config.features.batch_size
    size = context.config.image.size
    pixels = np.stack([center_view(context.prepared.image(p), size) for p in positions])
    expected = features.encode_images(context, context.image_encoder.variables, pixels)
    np.testing.assert_array_equal(table[positions, 0], expected)
    assert table.shape == (len(context.prepared.records), 2, 1 + tiny.SIDE**2, 32)
    assert np.isfinite(table).all()
    assert (np.asarray(table[:, 1]) != np.asarray(table[:, 0])).any(axis=(1, 2)).all()


def test_what_a_kill_leaves_half_written_is_not_read(known, context, tmp_path):
    _, table, folder = known
    name = next(folder.glob("*.npy")).name
    tmp_path.joinpath("f").mkdir()
    tmp_path.joinpath("f", name.replace(".npy", ".part.npy")).write_bytes(b"half")
    again = features.image_tokens(context, context.image_encoder.variables, tmp_path / "f", seed=0)
    np.testing.assert_array_equal(again, table)
    assert [p.name for p in tmp_path.joinpath("f").glob("*.npy")] == [name]


def test_a_full_disk_is_told_before_anything_is_computed(context, calls, tmp_path, monkeypatch):
    """Written later, into a file with holes, the kernel would end the process with SIGBUS instead."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=r"Cannot write \d.* MiB of image features .*No space left"):
        features.image_tokens(context, context.image_encoder.variables, tmp_path / "f", seed=0)
    assert calls == []


def test_the_features_file_has_no_holes(known):
    path = next(known[2].glob("*.npy"))
    assert path.stat().st_blocks * 512 >= path.stat().st_size


def test_two_devices_give_the_same_features(known, study, tmp_path):
    context = study.context(tmp_path, devices=2, **tiny.ONE_LAYER)
    found = features.image_tokens(context, context.image_encoder.variables, tmp_path, seed=0)
    np.testing.assert_allclose(found, known[1], rtol=0, atol=2e-5)  # float32 at values of order 1, other blocking


def test_equal_sentences_are_encoded_once(context, tokenizers):
    sentences = ["There is a hypopyon.", "", "There is a hypopyon.", "The patient is a man."]
    found = features.text_tokens(context, context.text_encoder.variables, tokenizers.text, sentences)
    assert found.tokens.shape == (3 + 1, 16, 32) and found.words.shape == (3 + 1, 15)  # no longer than they need
    assert found.index[0] == found.index[2] and len(set(found.index.tolist())) == 3
    assert not found.tokens[-1].any() and not found.words[-1].any()
    assert not found.words[found.index[1]].any()  # nothing known: no words, and yet a class token
    assert found.tokens[found.index[1], 0].any()
    alone = features.text_tokens(context, context.text_encoder.variables, tokenizers.text, sentences[3:])
    np.testing.assert_allclose(alone.tokens[0], found.tokens[found.index[3]], rtol=0, atol=1e-6)


def test_sentences_are_kept_by_weights_and_words(context, tokenizers, tmp_path):
    """The file is what was computed, to the bit; other sentences, and other weights, are other files."""
    sentences, variables = ["There is a hypopyon.", "", "The patient is a man."], context.text_encoder.variables
    expected = features.text_tokens(context, variables, tokenizers.text, sentences)
    first = features.text_tokens(context, variables, tokenizers.text, sentences, folder=tmp_path)
    (path,) = tmp_path.glob("text_tokens-*.npy")
    written = path.stat().st_mtime_ns
    second = features.text_tokens(context, variables, tokenizers.text, sentences, folder=tmp_path)
    assert path.stat().st_mtime_ns == written
    for found in (first, second):
        np.testing.assert_array_equal(found.tokens, expected.tokens)
        np.testing.assert_array_equal(found.words, expected.words)
    changed = jax.tree.map(lambda leaf: leaf * 1.01, variables)
    other = features.text_tokens(context, changed, tokenizers.text, sentences, folder=tmp_path)
    features.text_tokens(context, variables, tokenizers.text, sentences[1:], folder=tmp_path)
    assert len(list(tmp_path.glob("text_tokens-*.npy"))) == 3 and np.abs(other.tokens - expected.tokens).max() > 1e-4


def test_versions_of_a_sentence_keep_their_records(context, tokenizers):
    versions = [["A.", "B."], ["B.", "B."], ["C.", "A."]]
    found = features.text_tokens(context, context.text_encoder.variables, tokenizers.text, versions)
    np.testing.assert_array_equal(found.index, [[0, 1], [1, 1], [2, 0]])


def test_only_leaves_nothing_of_the_others():
    tokens = np.arange(1, 5, dtype=np.float32)[:, None, None] * np.ones((4, 3, 2), np.float32)
    tokens[3] = 0
    words = np.array([[1, 1], [1, 0], [1, 1], [0, 0]], bool)
    texts = features.TextTokens(tokens, words, np.array([0, 1, 1, 2]))
    kept = texts.only(np.array([0, 2]))
    np.testing.assert_array_equal(kept.index, [0, 3, 1, 3])
    np.testing.assert_array_equal(np.flatnonzero(kept.tokens.any(axis=(1, 2))), [0, 1])  # sentence 1 is record 2's as well
    np.testing.assert_array_equal(kept.words, words & np.array([1, 1, 0, 0], bool)[:, None])
    np.testing.assert_array_equal(texts.tokens[2], 3)  # the original is untouched
