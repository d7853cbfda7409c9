"""What a bfloat16 model computes in float32, what a float64 model in less, and how much is lost."""

import jax
import jax.numpy as jnp
import pytest

from prima_jax.models import pretrained
from scripts.comparison import bfloat16
from scripts.comparison.ours import QUICK
from tests.models.programs import operations

pytestmark = pytest.mark.usefixtures("standard_promotion")
CASES = ("dinov2_swiglu", "dinov2_with_registers", "dinov3_gated", "modernbert_biases", "bert", "qwen3_untied")
ROTATION = {"cos", "sin"}
STATISTICS = {"exp", "reduce_sum", "reduce_max", "rsqrt"}
"""Softmax and norms: nothing else in a forward pass exponentiates, sums or takes a root."""
CURVES = {"erf", "erfc", "logistic"}
"""Activations."""


def program(case, golden, golden_folder, dtype):
    """(hidden layers, whether there are logits, operations) of a model read in `dtype`."""
    compared = golden(case)
    module, variables = pretrained.from_pretrained(golden_folder / case, dtype=dtype)
    found = operations(compared._replace(module=module).apply, variables)
    return module.config.num_hidden_layers, "logits" in compared.expected, found


@pytest.mark.parametrize("case", CASES)
def test_norms_softmax_rotation_and_logits_of_a_bfloat16_model_are_float32(case, golden, golden_folder):
    layers, has_logits, found = program(case, golden, golden_folder, jnp.bfloat16)
    assert {o.name for o in found} & STATISTICS == STATISTICS
    for operation in found:
        if operation.name in STATISTICS | ROTATION:
            assert set(operation.inputs + operation.outputs) == {"float32"}, operation
    products = [o for o in found if o.name == "dot_general"]
    interpolations = 2 if case.startswith("dinov2") else 0  # of learnt positions, along rows and along columns
    assert sum(set(o.inputs) != {"bfloat16"} for o in products) == interpolations  # none was made float32 by accident
    scores = layers + has_logits  # of attention, and logits
    assert sum(o.outputs == ("float32",) for o in products) == scores + interpolations


@pytest.mark.parametrize("case", CASES)
def test_activations_and_sums_of_a_bfloat16_model_are_bfloat16(case, golden, golden_folder):
    """What is not named above stays small: this is what the error budget is for."""
    _, _, found = program(case, golden, golden_folder, jnp.bfloat16)
    curves = [o for o in found if o.name in CURVES]
    assert curves
    assert all(o.outputs == ("bfloat16",) for o in curves)


@pytest.mark.parametrize("case", CASES)
def test_errors_of_bfloat16_are_within_the_budget_of_each_layer(case, golden):
    compared = golden(case)
    errors = bfloat16.our_errors(compared.module, compared.variables, compared.inputs, QUICK)
    print(case, errors / bfloat16.ROUNDING)
    assert (errors[1:] > 0).all()  # Qwen3's embeddings pass through no arithmetic
    assert (errors < bfloat16.allowed(compared.module.config.num_hidden_layers)).all()


@pytest.mark.parametrize("case", CASES)
def test_a_float64_model_is_float64_but_for_the_angles(case, golden, golden_folder):
    with jax.enable_x64(True):
        _, _, found = program(case, golden, golden_folder, jnp.float64)
    for operation in found:
        if operation.name in STATISTICS | CURVES | {"dot_general"}:
            assert set(operation.inputs + operation.outputs) == {"float64"}, operation
        if operation.name in ROTATION:
            assert operation.outputs == ("float32",)
