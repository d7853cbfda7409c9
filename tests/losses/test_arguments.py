"""Wrong shapes and types are told by name while tracing, and nothing of that is compiled."""

import chex
import jax
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from prima_jax import losses
from tests.losses.inputs import OPTIONS, TAU, alignment, tokens

NAMES = ("p_cls", "p_seq", "q_cls", "q_seq", "q_mask", "y")
WRONG = {
    "three views": (0, lambda a: np.concatenate([a, a[:, :1]], axis=1), r"p_cls \[N, 2, D\] is float32 \[8, 3, 6\]"),
    "no views": (1, lambda a: a[:, 0], r"p_seq \[N, 2, K, D\] is float32 \[8, 5, 6\]"),
    "a patient too few": (2, lambda a: a[1:], r"q_cls \[N, D\] is float32 \[7, 6\]"),
    "another width": (3, lambda a: a[..., 1:], r"q_seq \[N, L, D\] is float32 \[8, 4, 5\]"),
    "another length": (4, lambda a: a[:, 1:], r"q_mask \[N, L\] is bool \[8, 3\]"),
    "a mask of numbers": (4, lambda a: a.astype(np.float32), r"q_mask \[N, L\] is float32 \[8, 4\]"),
    "tokens of integers": (0, lambda a: a.astype(np.int32), r"p_cls \[N, 2, D\] is int32 \[8, 2, 6\]"),
    "labels of integers": (5, lambda a: a.astype(np.int32), r"y \[N, C\] is int32 \[8, 7\]"),
    "labels without columns": (5, lambda a: a[:, 0], r"y \[N, C\] is float32 \[8\]"),
}
TERMS = {
    "image": ((0,), losses.image_consistency_loss),
    "global": ((0, 2), losses.global_semantic_loss),
    "local": ((1, 3, 4), losses.local_semantic_loss),
    "soft": ((0, 2, 5), lambda *a, **o: losses.soft_semantic_loss(*a, label_temperature=1.0, **o)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_alignment_names_what_is_wrong(wrong):
    position, change, message = WRONG[wrong]
    arrays = list(tokens())
    arrays[position] = change(arrays[position])
    with pytest.raises(AssertionError, match=message):
        jax.eval_shape(alignment, *arrays)


@pytest.mark.parametrize(
    ("term", "wrong"),
    [(t, w) for t, (positions, _) in TERMS.items() for w, (p, *_) in WRONG.items() if p in positions and (t, p) != ("image", 2)],
)
def test_so_does_each_term(term, wrong):
    position, change, message = WRONG[wrong]
    arrays = list(tokens())
    arrays[position] = change(arrays[position])
    positions, function = TERMS[term]
    with pytest.raises(AssertionError, match=message):
        jax.eval_shape(lambda *a: function(*a, temperature=TAU), *(arrays[p] for p in positions))


def test_terms_have_to_agree_with_each_other():
    """Words and patches of seven patients beside the class tokens of eight: each term by itself has nothing to object to."""
    p_cls, p_seq, q_cls, q_seq, mask, y = tokens()
    with pytest.raises(AssertionError, match=r"p_seq \[N, 2, K, D\] is float32 \[7, 2, 5, 6\]"):
        jax.eval_shape(alignment, p_cls, p_seq[1:], q_cls, q_seq[1:], mask[1:], y)


def test_pairs_of_vectors_have_one_width_and_one_temperature():
    p, _, q, *_ = tokens()
    with pytest.raises(AssertionError, match=r"\[8, 5\]"):
        losses.similarity(p[:, 0], q[:, 1:], TAU)
    with pytest.raises(AssertionError, match="rank 1"):
        losses.similarity(p[:, 0], q, np.full(8, TAU))
    with pytest.raises(AssertionError, match=r"\[8, 5\]"):
        losses.cross_attention(p, q[:, 1:])


@pytest.mark.parametrize("option", ["anchors", "negatives", "pooling", "normalizer"])
def test_an_unknown_option_is_refused(option):
    with pytest.raises(ValueError, match=f"{option} is .* not 'other'"):
        jax.eval_shape(lambda *a: alignment(*a, **{option: "other"}), *tokens())


@pytest.mark.parametrize("options", OPTIONS[:2], ids=["printed", "other"])
def test_no_assertion_is_compiled(options):
    arrays = tokens()

    def traced():
        # A function of its own: jax would find the jaxpr of one that it has traced before.
        return jax.make_jaxpr(jax.value_and_grad(lambda *x: alignment(*x, *arrays[4:], **options)[0], argnums=(0, 1, 2, 3)))(
            *arrays[:4]
        )

    checked = traced()
    chex.disable_asserts()
    try:
        unchecked = traced()
    finally:
        chex.enable_asserts()
    assert str(checked) == str(unchecked)
    assert not checked.effects  # no callback, no print
    assert "callback" not in str(checked)


def inner_products(jaxpr):
    """Every dot_general in a jaxpr, also inside of its loops."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from inner_products(inner)


@pytest.mark.parametrize("patients", [8, 70], ids=["at once", "in groups"])
def test_every_inner_product_has_full_precision(patients):
    """On GPUs and TPUs the default is TF32 or bfloat16, which would cost cosines three digits; gradients inherit it."""
    arrays = tokens(n=patients)
    traced = jax.make_jaxpr(jax.grad(lambda *x: alignment(*x, *arrays[4:])[0], argnums=(0, 1, 2, 3)))(*arrays[:4])
    found = list(inner_products(traced.jaxpr))
    assert len(found) > 10
    highest = jax.lax.Precision.HIGHEST
    assert all(e.params["precision"] in (highest, (highest, highest)) for e in found)
