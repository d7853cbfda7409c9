"""Image features are computed once, for the right photographs, under the name of the weights."""

import errno
import os

import jax
import numpy as np
import pytest

from prima_jax.data.images import center_view
from prima_jax.errors import UserError
from prima_jax.stages import image_features
from prima_jax.stages.encoder import encode
from tests.stages import tiny


@pytest.fixture
def context(study, tmp_path):
    return study.context(tmp_path, **tiny.ONE_LAYER)


@pytest.fixture
def calls(monkeypatch):
    """How many batches went through the image encoder."""
    counted, image_function = [], image_features._image_function

    def counting(context):
        mapped = image_function(context)

        def call(*arguments):
            counted.append(1)
            return mapped(*arguments)

        return call

    monkeypatch.setattr(image_features, "_image_function", counting)
    return counted


@pytest.fixture(scope="module")
def known(study, tmp_path_factory):
    """Features of the untrained encoder, computed once: context, folder, table."""
    folder = tmp_path_factory.mktemp("features")
    context = study.context(folder, **tiny.ONE_LAYER)
    return context, image_features.image_tokens(context, context.image_encoder.variables, folder / "f", seed=0), folder / "f"


def test_the_same_encoder_never_reads_the_same_photographs_twice(known, calls):
    context, table, folder = known
    again = image_features.image_tokens(context, context.image_encoder.variables, folder, seed=0)
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
        found = image_features.image_tokens(context, tree, tmp_path, seed=seed)
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
    variables, module = context.image_encoder.variables, context.image_encoder.module
    np.testing.assert_allclose(table[positions, 0], encode(module, variables, pixels), rtol=0, atol=2e-5)  # as below
    np.testing.assert_array_equal(table[positions, 0], image_features.encode_records(context, variables, positions))
    assert table.shape == (len(context.prepared.records), 2, 1 + tiny.SIDE**2, 32)
    assert np.isfinite(table).all()
    assert (np.asarray(table[:, 1]) != np.asarray(table[:, 0])).any(axis=(1, 2)).all()


def test_what_a_kill_leaves_half_written_is_not_read(known, context, tmp_path):
    _, table, folder = known
    name = next(folder.glob("*.npy")).name
    tmp_path.joinpath("f").mkdir()
    tmp_path.joinpath("f", name.replace(".npy", ".part.npy")).write_bytes(b"half")
    again = image_features.image_tokens(context, context.image_encoder.variables, tmp_path / "f", seed=0)
    np.testing.assert_array_equal(again, table)
    assert [p.name for p in tmp_path.joinpath("f").glob("*.npy")] == [name]


def test_a_full_disk_is_told_before_anything_is_computed(context, calls, tmp_path, monkeypatch):
    """Written later, into a file with holes, the kernel would end the process with SIGBUS instead."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=r"Cannot write \d.* MiB of image features .*No space left"):
        image_features.image_tokens(context, context.image_encoder.variables, tmp_path / "f", seed=0)
    assert calls == []


def test_the_features_file_has_no_holes(known):
    path = next(known[2].glob("*.npy"))
    assert path.stat().st_blocks * 512 >= path.stat().st_size


def test_two_devices_give_the_same_features(known, study, tmp_path):
    context = study.context(tmp_path, devices=2, **tiny.ONE_LAYER)
    found = image_features.image_tokens(context, context.image_encoder.variables, tmp_path, seed=0)
    np.testing.assert_allclose(found, known[1], rtol=0, atol=2e-5)  # float32 at values of order 1, other blocking
