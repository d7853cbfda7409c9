"""An image encoder cut in two: what stays as it is, of which the tokens can be kept, and what is trained."""

from functools import partial

import jax
import numpy as np
import pytest

from prima_jax.errors import UserError

CASES = ("dinov2_plain", "dinov2_with_registers", "dinov3_plain")


@pytest.mark.parametrize("blocks", (0, 1, 2))
@pytest.mark.parametrize("name", CASES)
def test_prefix_and_suffix_are_the_whole(name, blocks, golden):
    """To the last bit, as one program or as two; states, images that are not square."""
    case = golden(name)
    images, size = case.inputs["pixel_values"], case.module.config.patch_size
    grid = images.shape[1] // size, images.shape[2] // size
    assert grid[0] != grid[1]
    prefix = partial(case.module.apply, method="prefix")
    suffix = partial(case.module.apply, method="suffix", grid=grid, output_hidden_states=True)
    tokens = prefix(case.variables, images, blocks)
    found = suffix(case.variables, tokens, blocks)
    whole = case.module.apply(case.variables, images, output_hidden_states=True)
    np.testing.assert_array_equal(tokens, whole.hidden_states[blocks])
    np.testing.assert_array_equal(found.last_hidden_state, whole.last_hidden_state)
    assert len(found.hidden_states) == 3 - blocks
    for mine, expected in zip(found.hidden_states, whole.hidden_states[blocks:], strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_the_suffix_alone_has_gradients_of_its_own_layers(golden):
    case = golden("dinov2_plain")
    tokens = case.module.apply(case.variables, case.inputs["pixel_values"], 1, method="prefix")

    def value(params):
        return case.module.apply({"params": params}, tokens, 1, grid=(3, 2), method="suffix").last_hidden_state[:, 0, 0].sum()

    gradients = jax.jit(jax.grad(value))(case.variables["params"])
    largest = {name: max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(part)) for name, part in gradients.items()}
    assert {name for name, value in largest.items() if value > 0} == {"layers_1", "norm"}


@pytest.mark.parametrize("blocks", (-1, 3))
def test_a_cut_where_there_is_no_layer(blocks, golden):
    case = golden("dinov2_plain")
    images = case.inputs["pixel_values"]
    tokens = case.module.apply(case.variables, images, 0, method="prefix")
    with pytest.raises(UserError, match=f"after {blocks} blocks .* has 2; choose 0 to 2"):
        case.module.apply(case.variables, images, blocks, method="prefix")
    with pytest.raises(UserError, match=f"after {blocks} blocks"):
        case.module.apply(case.variables, tokens, blocks, grid=(3, 2), method="suffix")


def test_tokens_of_another_grid(golden):
    case = golden("dinov3_plain")
    tokens = case.module.apply(case.variables, case.inputs["pixel_values"], 1, method="prefix")
    with pytest.raises(UserError, match=r"11 tokens are not those of 4 x 2 patches \(expected 13\)"):
        case.module.apply(case.variables, tokens, 1, grid=(4, 2), method="suffix")


@pytest.mark.parametrize("name", CASES)
def test_any_multiple_of_the_patch_size(name, golden):
    module, variables = golden(name)[:2]
    own = 1 + module.config.num_register_tokens
    for height, width in ((20, 20), (4, 12), (32, 4)):
        output = jax.eval_shape(module.apply, variables, np.zeros((2, height, width, 3), np.float32))
        assert output.last_hidden_state.shape == (2, own + height * width // 16, 16)
        assert output.hidden_states is None and output.logits is None
    with pytest.raises(UserError, match="8 x 10 pixels cannot be cut into patches of 4"):
        jax.eval_shape(module.apply, variables, np.zeros((2, 8, 10, 3), np.float32))
