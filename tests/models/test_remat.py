"""Layers can be recomputed in the backward pass, which for what the baselines train changes neither names nor numbers."""

import dataclasses
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.methods.networks.densenet import DenseNet
from prima_jax.methods.networks.query_decoder import QueryDecoder
from prima_jax.methods.networks.query_former import Bridge
from prima_jax.methods.networks.view_fusion import IndicationReader, ViewEncoder
from tests.quick import compiled_quickly

__all__ = ["compiled_quickly"]

R = np.random.default_rng(0)
UNITS, VIEWS, TOKENS, DEPTH, WIDTH = 2, 3, 5, 12, 16
PRESENT = np.array([[True, True, False], [True, True, True]])
KINDS = np.array([[0, 1, 0], [1, 0, 1]])


def drawn(*shape: int) -> np.ndarray:
    return R.normal(size=shape).astype(np.float32)


CASES = {
    "dense layers": (DenseNet((1, 2), growth=2, stem=4), (drawn(4, 16, 16, 3),), {"train": True}, 3),
    "fused views": (
        ViewEncoder(width=WIDTH, layers=2, heads=2, kinds=2),
        (drawn(UNITS, VIEWS, TOKENS, DEPTH), KINDS, PRESENT, drawn(UNITS, 4, DEPTH)),
        {},
        2,
    ),
    "indication": (
        IndicationReader(heads=2, llm_width=8),
        (drawn(UNITS, TOKENS, WIDTH), drawn(UNITS, TOKENS, WIDTH), drawn(UNITS, 4, WIDTH), np.ones((UNITS, 4), bool)),
        {},
        1,
    ),
    "queries of an LLM": (
        Bridge(queries=3, layers=2, width=WIDTH, heads=2, shared_width=4, llm_width=8),
        (drawn(UNITS, VIEWS, TOKENS, DEPTH), PRESENT, drawn(UNITS, DEPTH)),
        {},
        2,
    ),
    "queries of attributes": (
        QueryDecoder(width=WIDTH, layers=2, heads=2, hidden=WIDTH),
        (drawn(3, WIDTH), drawn(UNITS, TOKENS, WIDTH)),
        {},
        2,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_parameters_outputs_and_gradients_are_the_same(name, remat_count):
    module, inputs, options, layers = CASES[name]

    def found(network):
        def apply(parameters):
            return network.apply({"params": parameters}, *inputs, **options, mutable=["batch_stats"])

        def loss(parameters):
            return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(apply(parameters)[0]))

        assert remat_count(SimpleNamespace(apply=apply), parameters) == (layers if network.remat else 0)
        return jax.jit(apply)(parameters), jax.jit(jax.grad(loss))(parameters)

    recomputed = dataclasses.replace(module, remat=True)
    parameters, same = (jax.jit(partial(n.init, **options))(jax.random.key(0), *inputs)["params"] for n in (module, recomputed))
    (outputs, gradients), (same_outputs, near_gradients) = found(module), found(recomputed)
    for expected, again in ((parameters, same), (outputs, same_outputs)):
        assert jax.tree.structure(expected) == jax.tree.structure(again)
        jax.tree.map(np.testing.assert_array_equal, expected, again)
    # XLA fuses the two backward passes differently, and their sums round differently: by a few times 2^-24 of the largest
    # gradient, where a layer that went wrong would be off by as much as a gradient.
    largest = max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(gradients))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=0, atol=16 * 2**-24 * largest), gradients, near_gradients)


@pytest.mark.parametrize("name", ["dinov2_with_registers", "dinov3_plain", "modernbert", "bert", "qwen3_tied", "llama_untied"])
def test_every_layer_of_an_encoder_is_recomputed(name, golden, remat_count):
    case = golden(name)
    first = case.inputs.get("pixel_values", case.inputs.get("input_ids"))
    assert remat_count(case.module, case.variables, first) == 0
    assert remat_count(case.module.clone(remat=True), case.variables, first) == case.module.config.num_hidden_layers
