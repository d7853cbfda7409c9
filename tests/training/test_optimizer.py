"""The schedule and AdamW against their closed forms."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from prima_jax.training.optimizer import adamw, cosine_with_warmup

PEAK = 3e-5


@pytest.mark.parametrize("steps", [10, 80, 1000])
def test_the_schedule_is_a_tenth_of_warm_up_and_then_a_cosine_to_zero(steps):
    schedule = cosine_with_warmup(PEAK, steps, 0.1)
    warm = steps // 10
    count = np.arange(steps + 1)
    after = 0.5 * PEAK * (1 + np.cos(np.pi * (count - warm) / (steps - warm)))
    expected = np.where(count < warm, PEAK * count / warm, after)
    found = np.array([schedule(c) for c in count])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * PEAK)  # float32
    assert found[0] == 0
    assert found.argmax() == warm and found[warm] == pytest.approx(PEAK, rel=1e-6)
    assert found[-1] == pytest.approx(0, abs=1e-7 * PEAK)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_even_the_shortest_training_moves(steps):
    """Rates are read before a step is counted: where all those read are zero nothing is trained."""
    schedule = cosine_with_warmup(PEAK, steps, 0.1)
    rates = [float(schedule(c)) for c in range(steps)]
    assert np.isfinite(rates).all()
    assert max(rates) == pytest.approx(PEAK)


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_any_share_of_warm_up_makes_a_schedule(fraction):
    rates = np.array([cosine_with_warmup(PEAK, 10, fraction)(c) for c in range(11)])
    assert np.isfinite(rates).all() and rates.max() == pytest.approx(PEAK) and rates[-1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("b2", "clip_norm"), ((0.999, 0.0), (0.95, 1.0)))
def test_three_steps_of_adamw_follow_the_formula(b2, clip_norm):
    """m, v, their bias corrections, the decay taken off the parameter itself: Loshchilov & Hutter 2019, Algorithm 2.

    The first two gradients are longer than 1, the third is not and stays as it is.
    """
    rate, decay, b1, epsilon, steps = 0.1, 0.03, 0.9, 1e-8, 10
    optimizer = adamw(learning_rate=rate, weight_decay=decay, steps=steps, warmup_fraction=0.1, b2=b2, clip_norm=clip_norm)
    schedule = [0.0, rate, rate * 0.5 * (1 + np.cos(np.pi / 9))]
    parameter = {"w": jnp.array([1.0, -2.0, 0.5])}
    state = optimizer.init(parameter)
    expected, m, v = np.array([1.0, -2.0, 0.5]), 0.0, 0.0
    for t, (lr, gradient) in enumerate(zip(schedule, ([0.1, -3.0, 0.0], [1.0, 2.0, 0.0], [-0.5, 0.5, 0.0]), strict=True)):
        updates, state = optimizer.update({"w": jnp.array(gradient)}, state, parameter)
        parameter = optax.apply_updates(parameter, updates)
        g = np.array(gradient) / (max(1.0, np.linalg.norm(gradient) / clip_norm) if clip_norm else 1.0)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        direction = (m / (1 - b1 ** (t + 1))) / (np.sqrt(v / (1 - b2 ** (t + 1))) + epsilon)
        expected = expected - lr * (direction + decay * expected)
        np.testing.assert_allclose(parameter["w"], expected, rtol=2e-6)  # a few float32 roundings


def test_a_part_with_a_rate_of_its_own_is_trained_as_by_an_optimiser_of_its_own():
    """Decay and schedule included; the other part is as if there were none."""
    tree = {"llm": {"A": jnp.array([1.0, -2.0])}, "projector": {"kernel": jnp.array([3.0, 0.5])}}
    options = {"weight_decay": 0.1, "steps": 8, "warmup_fraction": 0.25}
    both = adamw(learning_rate=1e-2, rates={"llm": 1e-3}, **options)
    alone = {"llm": adamw(learning_rate=1e-3, **options), "projector": adamw(learning_rate=1e-2, **options)}
    state, states = both.init(tree), {name: alone[name].init(tree[name]) for name in tree}
    expected = dict(tree)
    for step in range(8):
        gradients = {name: {key: jnp.sin(value + step) for key, value in part.items()} for name, part in tree.items()}
        updates, state = both.update(gradients, state, tree)
        tree = optax.apply_updates(tree, updates)
        for name in expected:
            updates, states[name] = alone[name].update(gradients[name], states[name], expected[name])
            expected[name] = optax.apply_updates(expected[name], updates)
    for name, part in expected.items():
        for key, value in part.items():
            np.testing.assert_allclose(tree[name][key], value, rtol=1e-6)  # float32
    same = adamw(learning_rate=1e-2, rates={"llm": 1e-2}, **options)
    assert len(same.init(tree)) == len(adamw(learning_rate=1e-2, **options).init(tree))
