import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.models.dinov2 import DinoV2, DinoV2Config, DinoV2WithRegistersConfig, resize_matrix


@pytest.fixture(scope="module")
def case(golden):
    """16 wide, 2 heads, 2 layers, patches of 4, 4 registers, positions learnt on 5 x 5 patches."""
    return golden("dinov2_with_registers")


def test_class_token_and_patches_have_a_place_and_registers_none(case):
    """The input of the first layer is linear in the positions: what they add is read off one image."""
    params = case.variables["params"]
    images = jnp.zeros((1, 20, 20, 3))
    tokens = case.module.apply(case.variables, images, 0, method="prefix")[0]
    positions, bias = params["position_embeddings"][0], params["patch_embeddings"]["bias"]
    np.testing.assert_allclose(tokens[0], params["cls_token"][0, 0] + positions[0], atol=1e-6)
    np.testing.assert_array_equal(tokens[1:5], params["register_tokens"][0])
    np.testing.assert_allclose(tokens[5:], bias + positions[1:], atol=1e-6)


@pytest.mark.parametrize("antialias", (False, True))
@pytest.mark.parametrize(("old", "new"), ((5, 5), (5, 3), (3, 7), (37, 16), (16, 37), (1, 4), (4, 1)))
def test_a_constant_stays_one_and_the_same_size_changes_nothing(old, new, antialias):
    matrix = resize_matrix(old, new, antialias)
    assert matrix.shape == (new, old)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    if old == new:
        np.testing.assert_allclose(matrix, np.eye(old), atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("antialias", (False, True))
def test_positions_are_interpolated_as_torch_does(antialias):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for old in (1, 2, 3, 5, 16, 37):
        grid = rng.standard_normal((old, old, 2))
        # channels last in memory, as the reference has it; otherwise torch 2.13 is wrong where one column is left
        given = torch.tensor(grid)[None].permute(0, 3, 1, 2)
        for rows, columns in ((1, 1), (3, 1), (1, 4), (2, 5), (16, 37), (11, 11), (40, 3)):
            options = {"mode": "bicubic", "align_corners": False, "antialias": antialias}
            theirs = torch.nn.functional.interpolate(given, size=(rows, columns), **options)[0].permute(1, 2, 0).numpy()
            ours = [resize_matrix(old, new, antialias) for new in (rows, columns)]
            np.testing.assert_allclose(np.einsum("rh,cw,hwd->rcd", *ours, grid), theirs, atol=1e-12, err_msg=f"{old}, {rows}")


def test_configs_go_to_a_file_and_come_back():
    plain, registers = DinoV2Config(use_swiglu_ffn=True), DinoV2WithRegistersConfig(num_register_tokens=2)
    assert DinoV2Config.from_dict(plain.to_dict()) == plain
    assert DinoV2WithRegistersConfig.from_dict(registers.to_dict()) == registers
    assert (plain.model_type, plain.num_register_tokens, plain.patch_size) == ("dinov2", 0, 14)
    assert (registers.model_type, registers.num_register_tokens, registers.patch_size) == ("dinov2_with_registers", 2, 16)


def test_the_width_of_a_gated_mlp_is_that_of_the_giant():
    giant = DinoV2Config(hidden_size=1536, num_attention_heads=24, use_swiglu_ffn=True)
    assert (giant.intermediate_size, giant.activation) == (4096, "silu")
    assert DinoV2Config(hidden_size=384).intermediate_size == 1536


def test_the_module_of_no_registers_is_another(golden):
    assert type(golden("dinov2_plain").module) is DinoV2
    assert type(golden("dinov2_with_registers").module) is not DinoV2
