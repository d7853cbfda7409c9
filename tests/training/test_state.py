"""The state before the first step."""

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.training.state import create
from tests.training import toy


def test_its_optimizer_state_has_two_moments_for_each_array_and_nothing_more():
    trainable, _ = toy.trees()
    state = create(trainable, toy.optimizer())
    moments = [leaf.shape for leaf in jax.tree.leaves(state.optimizer_state) if leaf.ndim]
    assert sorted(moments) == sorted(2 * [leaf.shape for leaf in trainable.values()])


def test_it_owns_its_memory():
    """A step donates its state: were the arrays shared, the caller's parameters would be gone after the first step."""
    trainable = {"w": jnp.arange(4.0)}
    state = create(trainable, toy.optimizer())
    jax.jit(lambda s: jax.tree.map(lambda x: x + 1, s), donate_argnums=0)(state)
    np.testing.assert_array_equal(trainable["w"], np.arange(4.0))
