import numpy as np
import pytest

from prima_jax.models.dinov3 import DinoV3Config, patch_rotation


@pytest.fixture(scope="module")
def case(golden):
    """16 wide, 2 heads, 2 layers, patches of 4, 4 registers."""
    return golden("dinov3_plain")


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


def test_published_config(published):
    config = DinoV3Config.from_dict(published("dinov3-vits16-pretrain-lvd1689m"))
    assert (config.hidden_size, config.num_register_tokens, config.patch_size) == (384, 4, 16)
    assert not config.key_bias
    assert DinoV3Config.from_dict(config.to_dict()) == config


def test_both_forms_of_rope_theta():
    new = {"rope_parameters": {"rope_type": "default", "rope_theta": 50.0}}
    assert DinoV3Config.from_dict({"rope_theta": 50}).rope_theta == DinoV3Config.from_dict(new).rope_theta == 50.0
