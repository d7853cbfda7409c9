"""Losses for classes of unequal size against loops in float64, and which cases balanced sampling draws."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.stages.batches import class_balanced
from prima_jax.stages.refine import class_weights, weighted_cross_entropy

LABELS = np.array([0] * 6 + [1] * 3 + [3])
"""Labels of four classes, of which class 2 has none."""


def drawn(seed=0):
    r = np.random.default_rng(seed)
    return r.normal(size=(10, 4)).astype(np.float32), LABELS.astype(np.int32)


def loop(kind, logits, labels):
    """The mean error in float64, one example after the other."""
    total = 0.0
    for z, y in zip(logits.astype(float), labels, strict=True):
        share = [max(int(np.sum(labels == c)), 1) / len(labels) for c in range(4)]
        if kind == "logit_adjusted":
            z = [value + math.log(share[c]) for c, value in enumerate(z)]
        p = math.exp(z[y]) / sum(map(math.exp, z))
        weight = {"balanced": 1 / (3 * share[y]), "focal": (1 - p) ** 2}.get(kind, 1.0)
        total -= weight * math.log(p) / len(labels)
    return total


class AgainstLoops(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_loss(self):
        logits, labels = drawn()
        for kind in ("none", "balanced", "logit_adjusted", "focal", "sampled"):
            found, parts = self.variant(weighted_cross_entropy)(logits, labels, class_weights(kind, labels, 4))
            np.testing.assert_allclose(found, loop(kind, logits, labels), rtol=1e-6)  # float32 sums of ten
            assert parts["accuracy"] == np.mean(logits.argmax(1) == labels)


def test_adjusted_logits_are_best_at_the_shares_divided_out():
    """Of a classifier that sees nothing the best answer is the same for all classes, as balanced accuracy wants it."""
    weights = class_weights("logit_adjusted", LABELS[LABELS != 3], 2)
    labels = jnp.array(LABELS[LABELS != 3])
    gradient = jax.grad(lambda z: weighted_cross_entropy(jnp.broadcast_to(z, (9, 2)), labels, weights)[0])(jnp.zeros(2))
    np.testing.assert_allclose(gradient, 0, atol=1e-7)
    plain = class_weights("none", np.asarray(labels), 2)
    assert abs(jax.grad(lambda z: weighted_cross_entropy(jnp.broadcast_to(z, (9, 2)), labels, plain)[0])(jnp.zeros(2))[0]) > 0.1


def test_focal_gradients_are_those_of_finite_differences_and_finite_where_nothing_is_left_to_learn():
    logits, labels = drawn(1)
    weights = class_weights("focal", labels, 4)
    found = jax.grad(lambda z: weighted_cross_entropy(z, labels, weights)[0])(logits)
    for i, c in ((0, 0), (3, 1), (9, 3)):
        step = np.zeros((10, 4))
        step[i, c] = 1e-5
        slope = (loop("focal", logits + step, labels) - loop("focal", logits - step, labels)) / 2e-5
        np.testing.assert_allclose(found[i, c], slope, rtol=1e-4, atol=1e-7)
    sure = 1e4 * np.eye(4, dtype=np.float32)[labels]
    value, gradient = jax.value_and_grad(lambda z: weighted_cross_entropy(z, labels, weights)[0])(sure)
    assert value == 0 and np.isfinite(gradient).all()


def test_an_unknown_kind_is_refused():
    with pytest.raises(UserError, match="none, balanced, logit_adjusted, focal or sampled, not 'even'"):
        class_weights("even", LABELS, 4)


def test_balanced_batches_have_as_many_of_every_class_that_is_there():
    balanced = class_balanced(LABELS, lambda batch: batch)
    draws = np.arange(6000, dtype=np.uint32)
    batch = balanced({"index": np.zeros(6000, np.int32), "draw": draws})
    np.testing.assert_array_equal(batch["draw"], draws)
    counts = np.bincount(LABELS[batch["index"]], minlength=4)
    assert counts[2] == 0 and sum(counts) == 6000
    # Binomial with n = 6000 and p = 1/3: a deviation of 36.5, and five of them.
    assert np.abs(counts[[0, 1, 3]] - 2000).max() < 183
    # Whom a draw chooses hangs on it alone: a batch that is read again after a stop is the same.
    again = balanced({"index": np.ones(3, np.int32), "draw": draws[[5, 7, 11]]})
    np.testing.assert_array_equal(again["index"], batch["index"][[5, 7, 11]])
    assert len(set(batch["index"])) == len(LABELS)
