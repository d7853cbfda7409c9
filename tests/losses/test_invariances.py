"""What may be changed about a batch without changing its losses, and what moves with it."""

import functools

import jax
import numpy as np
import pytest

from tests.losses.inputs import OPTIONS, alignment, tokens

OPTION_IDS = ["-".join(options.values()) for options in OPTIONS]
# float32: parts are of order 1 and carry about 1e-6, as in the comparison with the loops.
CLOSE = {"rtol": 5e-6, "atol": 5e-6}


@functools.cache
def differentiated(option):
    """(parts, gradients with respect to the four kinds of tokens) under OPTIONS[option], compiled once."""

    def loss(p_cls, p_seq, q_cls, q_seq, mask, y):
        return alignment(p_cls, p_seq, q_cls, q_seq, mask, y, **OPTIONS[option])

    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3), has_aux=True))

    def call(*arrays):
        (_, parts), gradients = compiled(*arrays)
        return {name: float(part) for name, part in parts.items()}, [np.asarray(g) for g in gradients]

    return call


def rotation(d=6):
    return np.linalg.qr(np.random.default_rng(3).normal(size=(d, d)))[0].astype(np.float32)


def order(count, seed=3):
    return np.random.default_rng(seed).permutation(count)


def permute_patients(arrays):
    return [a[order(len(a))] for a in arrays]


def rotate(arrays):
    return [*(a @ rotation() for a in arrays[:4]), *arrays[4:]]


def scale_class_tokens(arrays):
    lengths = np.random.default_rng(4).uniform(0.1, 10, size=(8, 2, 1)).astype(np.float32)
    return [arrays[0] * lengths, arrays[1], arrays[2] / lengths[:, 0], *arrays[3:]]


def scale_sequences(arrays):
    """Eq. 4 attends with unscaled dot products: what words gain in length, patches have to lose."""
    return [arrays[0], arrays[1] * 4, arrays[2], arrays[3] / 4, *arrays[4:]]


def permute_patches(arrays):
    return [arrays[0], arrays[1][:, :, order(5)], *arrays[2:]]


def permute_words(arrays):
    words = order(4)
    return [*arrays[:3], arrays[3][:, words], arrays[4][:, words], arrays[5]]


def permute_columns(arrays):
    return [*arrays[:5], arrays[5][:, order(7)]]


def swap_views(arrays):
    return [arrays[0][:, ::-1], arrays[1][:, ::-1], *arrays[2:]]


def overwrite_masked(arrays):
    return [*arrays[:3], np.where(arrays[4][..., None], arrays[3], np.float32(7)), *arrays[4:]]


CHANGES = {
    "patients permuted": permute_patients,
    "space rotated": rotate,
    "class tokens scaled": scale_class_tokens,
    "words and patches scaled": scale_sequences,
    "patches permuted": permute_patches,
    "words permuted": permute_words,
    "columns of y permuted": permute_columns,
    "views swapped": swap_views,
    "masked tokens overwritten": overwrite_masked,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("option", range(len(OPTIONS)), ids=OPTION_IDS)
def test_invariances(change, option):
    arrays = tokens()
    before, _ = differentiated(option)(*arrays)
    after, _ = differentiated(option)(*CHANGES[change](arrays))
    names = set(before)
    if change == "views swapped" and OPTIONS[option]["anchors"] == "printed":
        names.remove("image")
        assert after["image"] != pytest.approx(before["image"], rel=1e-3)  # view 1 is the only anchor
    for name in names:
        np.testing.assert_allclose(after[name], before[name], **CLOSE, err_msg=name)


@pytest.mark.parametrize("change", ["patients permuted", "space rotated", "views swapped"])
def test_gradients_move_with_the_tokens(change):
    move, option = CHANGES[change], 1
    arrays = tokens()
    _, gradients = differentiated(option)(*arrays)
    _, after = differentiated(option)(*move(arrays))
    for found, expected in zip(after, move([*gradients, *arrays[4:]]), strict=False):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("option", range(len(OPTIONS)), ids=OPTION_IDS)
def test_no_class_token_is_pulled_along_itself(option):
    """Only directions count, so that a gradient is orthogonal to its token, and is halved where the token is doubled."""
    arrays = tokens()
    _, gradients = differentiated(option)(*arrays)
    doubled = [arrays[0] * 2, arrays[1], arrays[2] * 2, *arrays[3:]]
    _, halved = differentiated(option)(*doubled)
    for i in (0, 2):
        along = np.sum(gradients[i] * arrays[i], axis=-1)
        assert np.abs(along).max() < 1e-6 * np.abs(gradients[i]).max() * np.linalg.norm(arrays[i], axis=-1).max()
        np.testing.assert_allclose(halved[i], gradients[i] / 2, rtol=1e-6)  # powers of two round nothing


@pytest.mark.parametrize("option", range(len(OPTIONS)), ids=OPTION_IDS)
def test_masking_equals_cutting(option):
    arrays = list(tokens())
    arrays[4] = np.zeros((8, 4), bool)
    arrays[4][:, :3] = True
    masked, gradients = differentiated(option)(*arrays)
    cut, cut_gradients = differentiated(option)(*arrays[:3], arrays[3][:, :3], arrays[4][:, :3], arrays[5])
    assert masked["local"] == pytest.approx(cut["local"], rel=1e-6)
    np.testing.assert_allclose(gradients[3][:, :3], cut_gradients[3], rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(gradients[1], cut_gradients[1], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("option", [0, 1], ids=OPTION_IDS[:2])
def test_what_is_masked_has_no_gradient(option):
    arrays = tokens()
    gradient = differentiated(option)(*arrays)[1][3]
    assert np.abs(gradient[~arrays[4]]).max() == 0
    assert np.abs(gradient[arrays[4]]).max() > 0
