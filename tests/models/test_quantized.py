"""Kernels in few bits: how far they are off, what they weigh, and that adapters alone have gradients beside them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from jax.test_util import check_grads

from prima_jax.models import lora, pretrained
from prima_jax.models.layers import Dense
from prima_jax.models.quantized import is_quantized, keep_all, matmul, quantize, whole

KINDS = ("int8", "nf4")
INPUTS, OUTPUTS, TILE = 192, 96, 64
NF4_GAP = 1 - 0.6961928009986877
"""The widest between two neighbours of NF4's values (arXiv 2305.14314, appendix E): the lowest two."""
FLOAT32 = 2.0**-24


@pytest.fixture(scope="module")
def kernel():
    """[192, 96], with values far from the others in one input and in one output, and an output that is zero."""
    found = np.random.default_rng(0).standard_normal((INPUTS, OUTPUTS)).astype(np.float32)
    found[7], found[:, 11], found[:, 12] = 50 * found[7], 50 * found[:, 11], 0
    return jnp.asarray(found)


def rounding(kernel, kind: str) -> np.ndarray:
    """The most by which each value may be off in exact arithmetic: half a step, [in, out] in float64."""
    exact = np.abs(np.asarray(kernel, np.float64))
    if kind == "int8":  # 255 steps from -127.5 to 127.5 of an output's largest value
        return np.broadcast_to(exact.max(axis=0) / 127.5 / 2, exact.shape)
    largest = exact.reshape(-1, TILE, OUTPUTS).max(axis=1)
    return np.repeat(largest, TILE, axis=0) * NF4_GAP / 2


@pytest.mark.parametrize("kind", KINDS)
def test_no_value_is_off_by_more_than_half_a_step(kind, kernel):
    exact, found = np.asarray(kernel, np.float64), np.asarray(whole(quantize(kernel, kind)), np.float64)
    # Scale, quotient and product are each rounded once, and none is above 2.01 times an output's largest value.
    limit = rounding(kernel, kind) + 8 * FLOAT32 * np.abs(exact).max(axis=0)
    difference = np.abs(found - exact)
    assert (difference <= limit).all()
    assert (difference > 0.9 * limit).any()  # of so many values some lie in the middle of a step
    assert not found[:, 12].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_product_is_that_of_the_whole_kernel(kind, kernel):
    x = np.random.default_rng(1).standard_normal((5, INPUTS)).astype(np.float32)
    stored = quantize(kernel, kind)
    found = np.asarray(jax.jit(matmul)(x, stored), np.float64)
    off = np.abs(x.astype(np.float64)) @ np.abs(np.asarray(whole(stored), np.float64))
    exact = x.astype(np.float64) @ np.asarray(whole(stored), np.float64)
    assert (np.abs(found - exact) <= INPUTS * FLOAT32 * off).all()  # a float32 sum of so many products
    unrounded = x.astype(np.float64) @ np.asarray(kernel, np.float64)
    assert np.abs(found - unrounded).max() > 1e-3  # it is rounded
    assert (np.abs(found - unrounded) <= np.abs(x) @ rounding(kernel, kind) * 1.001).all()


@pytest.mark.parametrize("dtype", (jnp.float32, jnp.bfloat16))
@pytest.mark.parametrize("kind", KINDS)
def test_bytes_that_a_program_is_given(kind, dtype, kernel):
    """By XLA's account, since `nbytes` counts a byte for each of two 4-bit values that share one."""

    def weigh(tree) -> int:
        return jax.jit(lambda tree: tree).lower(tree).compile().memory_analysis().argument_size_in_bytes

    scales = 4 * (OUTPUTS if kind == "int8" else INPUTS * OUTPUTS // TILE)
    codes = INPUTS * OUTPUTS // (1 if kind == "int8" else 2)
    assert weigh(quantize(kernel.astype(dtype), kind)) == codes + scales
    assert weigh(kernel.astype(dtype)) == INPUTS * OUTPUTS * jnp.dtype(dtype).itemsize


@pytest.fixture(scope="module", params=KINDS)
def decoder(request, golden, golden_folder):
    """(module, its parameters, the same quantised as they are read, the case) of a Qwen3 of 2 layers."""
    module, variables = pretrained.from_pretrained(golden_folder / "qwen3_untied", quantized=request.param)
    case = golden("qwen3_untied")
    return module, case.variables["params"], variables["params"], case, request.param


def test_kernels_of_blocks_alone_are_quantised(decoder):
    _, before, after, _, kind = decoder
    before, after = flatten_dict(before), flatten_dict(after)
    assert before.keys() == after.keys()
    quantized = {path for path, leaf in after.items() if is_quantized(leaf)}
    assert quantized == {path for path in before if path[0] in ("layers_0", "layers_1") and path[-1] == "kernel"}
    assert len(quantized) == 2 * 7
    for path in after.keys() - quantized:
        np.testing.assert_array_equal(before[path], after[path])
    for path in quantized:
        np.testing.assert_array_equal(whole(after[path]), whole(quantize(before[path], kind)))


def test_a_quantised_model_is_the_model_of_its_rounded_kernels(decoder):
    _, before, after, case, kind = decoder
    answer = jax.jit(case.apply)
    rounded = {"params": jax.tree.map(whole, keep_all(before, kind), is_leaf=is_quantized)}
    found = answer({"params": after})["logits"]
    np.testing.assert_allclose(found, answer(rounded)["logits"], atol=1e-6)  # float32; measured: 0
    assert np.abs(found - answer(case.variables)["logits"]).max() > 1e-4


def trained(params, rank: int = 2):
    """Adapters as they are after some training: B is no longer zero."""
    rng = np.random.default_rng(0)
    found = lora.init_adapters(jax.random.key(1), params, rank=rank, alpha=4.0, targets=lora.DEFAULT_TARGETS["qwen3"])
    return found | {"lora": jax.tree.map(lambda x: x + 0.1 * rng.standard_normal(x.shape, np.float32), found["lora"])}


def test_merged_and_saved_weights_answer_as_the_quantised_ones_with_adapters(decoder, tmp_path):
    module, _, after, case, _ = decoder
    adapters, answer = trained(after), jax.jit(case.apply)
    separate = answer({"params": after} | adapters)["logits"]
    pretrained.save_pretrained(tmp_path, module, {"params": lora.merge(after, adapters)})
    _, read = pretrained.from_pretrained(tmp_path)
    np.testing.assert_allclose(answer(read)["logits"], separate, atol=3e-5)  # another order of summation in float32
    pretrained.save_pretrained(tmp_path / "alone", module, {"params": after})
    _, read = pretrained.from_pretrained(tmp_path / "alone")
    np.testing.assert_allclose(answer(read)["logits"], answer({"params": after})["logits"], atol=1e-6)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_adapters_and_activations_are_those_of_finite_differences(kind):
    """In float64, so that a difference of 1e-6 of an argument leaves nine digits."""
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)

        def draw(*shape: int) -> jax.Array:
            return jnp.asarray(rng.standard_normal(shape))

        stored = quantize(draw(INPUTS, OUTPUTS), kind)
        dense = Dense(OUTPUTS, use_bias=False, dtype=jnp.float64)

        def answer(adapter, x):
            variables = {"params": {"kernel": stored}, "lora": adapter, "lora_scale": {"scale": jnp.float64(0.5)}}
            return jnp.sin(dense.apply(variables, x))

        adapter, x = {"A": draw(INPUTS, 2), "B": draw(2, OUTPUTS)}, draw(3, INPUTS) / 100
        check_grads(answer, (adapter, x), order=1, modes=("rev",), atol=1e-6, rtol=1e-6, eps=1e-6)


@pytest.mark.parametrize("remat", (False, True))
def test_no_whole_kernel_is_kept_for_the_backward_pass(remat, decoder, golden_folder):
    """Else a step would hold the unquantised kernels of all layers at once."""
    _, _, after, case, _ = decoder
    module, _ = pretrained.from_pretrained(golden_folder / "qwen3_untied", remat=remat)
    adapters = trained(after)
    ids = case.inputs["input_ids"]

    def loss(adapter, params):
        variables = {"params": params, "lora": adapter, "lora_scale": adapters["lora_scale"]}
        return (module.apply(variables, ids).last_hidden_state ** 2).sum()

    def kept(params) -> list:
        _, backward = jax.vjp(lambda adapter: loss(adapter, params), adapters["lora"])
        shapes = {leaf.shape for path, leaf in flatten_dict(after).items() if is_quantized(leaf)}
        return [leaf for leaf in jax.tree.leaves(backward) if leaf.shape in shapes and jnp.issubdtype(leaf.dtype, jnp.floating)]

    held = {id(leaf) for leaf in jax.tree.leaves(adapters)}
    assert not [leaf for leaf in kept(after) if id(leaf) not in held]
    assert kept(case.variables["params"])  # whole ones are their own, and are found
