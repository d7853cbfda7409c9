"""Every option of every term against central differences in float64, with respect to tokens and temperatures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax import losses
from tests.losses.inputs import OPTIONS, TAU, TAU_LABEL, alignment, tokens

# Central differences err by h^2 = 1e-10 times a third derivative of up to tau^-3 = 125, and by rounding, 1e-16 / h = 1e-11.
H, TOLERANCE = 1e-5, {"rtol": 1e-7, "atol": 2e-9}


def image(p, t, **options):
    return losses.image_consistency_loss(p, temperature=t, **options)


def global_(p, q, t):
    return losses.global_semantic_loss(p, q, temperature=t)


def local(p, q, t, *, mask, **options):
    return losses.local_semantic_loss(p, q, mask, temperature=t, **options)


def soft(p, q, y, t, label_t, **options):
    return losses.soft_semantic_loss(p, q, y, temperature=t, label_temperature=label_t, **options)


TERMS = {
    "image": (image, [{"anchors": a} for a in ("printed", "both")]),
    "global": (global_, [{}]),
    "local": (local, [{"negatives": n, "pooling": p} for n in ("printed", "symmetric") for p in ("attention", "mean")]),
    "soft": (soft, [{"normalizer": n} for n in ("printed", "batch")]),
}
CASES = [pytest.param(n, o, id="-".join([n, *o.values()])) for n, (_, options) in TERMS.items() for o in options]


def arguments(name):
    """What a term is differentiated with respect to, in float64, and what it is not."""
    p_cls, p_seq, q_cls, q_seq, mask, y = tokens(n=4, dtype=np.float64)
    temperature = np.float64(TAU)
    return {
        "image": ([p_cls, temperature], {}),
        "global": ([p_cls, q_cls, temperature], {}),
        "local": ([p_seq, q_seq, temperature], {"mask": mask}),
        "soft": ([p_cls, q_cls, y, temperature, np.float64(TAU_LABEL)], {}),
    }[name]


def assert_differences_equal_gradients(function, inputs):
    """Along a random direction in each input by itself."""
    differentiated = jax.jit(jax.value_and_grad(function, argnums=tuple(range(len(inputs)))))
    _, gradients = differentiated(*inputs)
    r = np.random.default_rng(1)
    for i, gradient in enumerate(gradients):
        direction = r.normal(size=np.shape(gradient))
        ends = [differentiated(*inputs[:i], inputs[i] + s * H * direction, *inputs[i + 1 :])[0] for s in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * H)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, **TOLERANCE, err_msg=f"argument {i}")


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_term(name, options):
    with jax.enable_x64(True):
        inputs, fixed = arguments(name)
        assert_differences_equal_gradients(lambda *x: TERMS[name][0](*x, **fixed, **options), inputs)


def test_their_sum():
    with jax.enable_x64(True):
        arrays = tokens(n=4, dtype=np.float64)
        assert_differences_equal_gradients(lambda *x: alignment(*x, *arrays[4:], **OPTIONS[1])[0], list(arrays[:4]))


def test_patients_taken_in_groups_give_the_same_value_and_gradient(monkeypatch):
    """Two groups of three and a rest of two; the gradient of the temperature is a sum over the groups."""
    _, p, _, q, mask, _ = tokens()

    def differentiated():
        def loss(p, q, t):
            return losses.local_semantic_loss(p, q, mask, temperature=t, negatives="symmetric")

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))(p, q, jnp.float32(TAU))

    value, gradients = differentiated()
    monkeypatch.setattr(losses, "PATIENTS_PER_CHUNK", 3)
    value_of_groups, gradients_of_groups = differentiated()
    np.testing.assert_allclose(value_of_groups, value, rtol=1e-6)
    for found, expected in zip(gradients_of_groups, gradients, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
