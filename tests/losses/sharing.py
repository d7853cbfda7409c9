"""A loss of weights that every device holds, over a batch that the devices share, and over the whole batch."""

import functools

import jax
import numpy as np

from prima_jax.training.parallel import AXIS
from tests.losses.inputs import alignment

__all__ = ["SCALE", "assert_equal", "of_share", "of_whole"]

SCALE = np.array([1.3, 0.7, -0.4, 1.1], np.float32)
"""Stand for the weights, one for each kind of tokens."""


def of_share(scale, arrays, anchors="both"):
    """(value, gradient) of the batch, on a device that holds a share of it, inside of the named axis."""

    def mean(scale):
        return jax.lax.pmean(_loss(scale, arrays, anchors=anchors, axis_name=AXIS), AXIS)

    value, gradient = jax.value_and_grad(mean)(scale)
    return value, jax.lax.pmean(gradient, AXIS)


def of_whole(scale, arrays, anchors="both"):
    """(value, gradient) on one device with the whole batch."""
    return jax.jit(jax.value_and_grad(functools.partial(_loss, arrays=arrays, anchors=anchors)))(scale)


def assert_equal(found, expected):
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-6)
    # The gradient is a small sum of larger terms of both signs: its rounding error is that of the terms.
    np.testing.assert_allclose(found[1], expected[1], rtol=2e-5, atol=2e-6)


def _loss(scale, arrays, **options):
    scaled = [s * a + a**2 for s, a in zip(scale, arrays[:4], strict=True)]
    return alignment(*scaled, *arrays[4:], negatives="symmetric", **options)[0]
