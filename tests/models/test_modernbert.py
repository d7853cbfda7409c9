import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.models.modernbert import ModernBert, ModernBertConfig


@pytest.fixture(scope="module")
def case(golden):
    """16 wide, 4 layers of which the second and third are local, a window of 4; texts of 13 and 9 tokens."""
    return golden("modernbert")


def test_local_layers_see_half_a_window_on_each_side(case):
    """One local layer, a window of 4: token 6 hears of tokens 4 to 8, and of no other."""
    one = {**vars(case.module.config), "num_hidden_layers": 1, "layer_types": ("sliding_attention",)}
    module = ModernBert(ModernBertConfig(**one))
    ids = jnp.tile(case.inputs["input_ids"][:1], (14, 1))
    ids = ids.at[jnp.arange(13), jnp.arange(13)].set(0)  # row t has another token t; the last row is as it was
    found = jax.jit(module.apply)(case.variables, ids).last_hidden_state[:, 6]
    assert [t for t in range(13) if (found[t] != found[-1]).any()] == [4, 5, 6, 7, 8]


def test_head_on_selected_positions(case, apply):
    output = apply(case.variables, case.inputs["input_ids"])
    rows, columns = jnp.array([0, 1]), jnp.array([3, 5])
    chosen = case.module.apply(case.variables, output.last_hidden_state[rows, columns], method="head")
    assert chosen.dtype == jnp.float32
    np.testing.assert_allclose(chosen, output.logits[rows, columns], atol=1e-5)


def test_without_the_head(case):
    module = ModernBert(case.module.config)
    bare = {k: v for k, v in case.variables["params"].items() if k not in ("head_dense", "head_norm", "decoder_bias")}
    assert jax.eval_shape(module.apply, {"params": bare}, case.inputs["input_ids"]).logits is None


def test_published_config(published):
    config = ModernBertConfig.from_dict(published("ModernBERT-base"))
    assert config.attention_types[:4] == ("full_attention", "sliding_attention", "sliding_attention", "full_attention")
    assert (config.global_rope_theta, config.local_rope_theta, config.norm_eps) == (160_000.0, 10_000.0, 1e-5)
    assert ModernBertConfig.from_dict(config.to_dict()).attention_types == config.attention_types


def test_both_forms_of_rope_theta():
    new = {
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 7.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 5.0},
        }
    }
    flat = {"rope_parameters": {"rope_type": "default", "rope_theta": 9.0}}
    with pytest.raises(UserError, match="those of each layer type"):
        ModernBertConfig.from_dict(flat)
    old = {"global_rope_theta": 7.0, "local_rope_theta": 5.0}
    assert ModernBertConfig.from_dict(new) == ModernBertConfig.from_dict(old)
