import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.models.dinov3 import DinoV3, DinoV3Config, patch_rotation


@pytest.fixture(scope="module")
def case(golden):
    """16 wide, 2 heads, 2 layers, patches of 4, 4 registers."""
    return golden("dinov3_plain")


@pytest.mark.parametrize(("height", "width"), ((8, 8), (4, 12), (16, 4)))
def test_any_multiple_of_the_patch_size(height, width, case):
    output = jax.eval_shape(case.module.apply, case.variables, jnp.zeros((2, height, width, 3)))
    assert output.last_hidden_state.shape == (2, 1 + 4 + height * width // 16, 16)
    assert output.hidden_states is None
    assert output.logits is None


def test_an_image_that_cannot_be_cut_into_patches(case):
    with pytest.raises(UserError, match="8 x 10 pixels cannot be cut into patches of 4"):
        jax.eval_shape(case.module.apply, case.variables, jnp.zeros((2, 8, 10, 3)))


def test_only_patches_are_turned(case):
    """Class token and registers have an angle of zero; rows turn a head's first quarter, columns the next."""
    cos, sin = patch_rotation(case.module.config, 1, 3)
    assert cos.shape == sin.shape == (1, 1 + 4 + 3, 8)
    np.testing.assert_array_equal(sin[0, :5], 0)
    np.testing.assert_array_equal(cos[0, :5], 1)
    np.testing.assert_allclose(sin[0, 5:, :2], 0, atol=1e-6)  # one row: its centre is 0
    expected = np.sin(2 * np.pi * np.array([-2 / 3, 0, 2 / 3])[:, None] / np.array([1, 10]))
    np.testing.assert_allclose(sin[0, 5:, 2:4], expected, atol=1e-6)
    np.testing.assert_array_equal(sin[0, :, :4], sin[0, :, 4:])


def test_remat_is_of_every_layer(case, remat_count):
    images = case.inputs["pixel_values"]
    assert remat_count(case.module, case.variables, images) == 0
    assert remat_count(DinoV3(case.module.config, remat=True), case.variables, images) == 2


def test_bfloat16_is_near_float32(case):
    """Eight bits of mantissa over two layers: within 5% of the largest activation, but not equal."""
    module = DinoV3(case.module.config, dtype=jnp.bfloat16)
    coarse = jax.jit(module.apply)(case.variables, case.inputs["pixel_values"]).last_hidden_state
    assert coarse.dtype == jnp.bfloat16
    exact = case.expected["last_hidden_state"]
    assert 0 < float(jnp.abs(exact - coarse).max()) < 0.05 * float(np.abs(exact).max())


def test_published_config(published):
    config = DinoV3Config.from_dict(published("dinov3-vits16-pretrain-lvd1689m"))
    assert (config.hidden_size, config.num_register_tokens, config.patch_size) == (384, 4, 16)
    assert not config.key_bias
    assert DinoV3Config.from_dict(config.to_dict()) == config


def test_all_that_is_not_implemented_is_listed():
    values = {
        "hidden_act": "gelu_new", "patch_size": [14, 16], "hidden_size": 30, "num_attention_heads": 4,
        "rope_parameters": {"rope_type": "yarn", "rope_theta": 100.0}, "num_hidden_layers": "12", "use_gated_mlp": 1,
    }  # fmt: skip
    with pytest.raises(UserError) as error:
        DinoV3Config.from_dict(values)
    for word in ("gelu_new", "[14, 16]", "hidden_size = 30", "yarn", "'12'", "use_gated_mlp = 1"):
        assert word in str(error.value)


def test_both_forms_of_rope_theta():
    new = {"rope_parameters": {"rope_type": "default", "rope_theta": 50.0}}
    assert DinoV3Config.from_dict({"rope_theta": 50}).rope_theta == DinoV3Config.from_dict(new).rope_theta == 50.0
