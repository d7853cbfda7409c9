"""What Llama shares with Qwen3 is tested in test_qwen3.py; here stands what is its own."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from prima_jax.models import pretrained
from prima_jax.models.llama import LlamaConfig
from prima_jax.models.qwen3 import Qwen3


@pytest.fixture(scope="module")
def untied(golden):
    """16 wide, 4 query heads of 8 over one of keys and values, 2 layers, all biases; texts of 13 tokens."""
    return golden("llama_untied")


def test_it_is_qwen3_whose_norms_of_queries_and_keys_are_left_out(untied, golden):
    qwen3 = golden("qwen3_untied")
    layers = [case.variables["params"]["layers_1"]["self_attn"] for case in (untied, qwen3)]
    assert set(layers[1]) - set(layers[0]) == {"q_norm", "k_norm"} and set(layers[0]) < set(layers[1])
    assert "bias" in untied.variables["params"]["layers_0"]["mlp"]["gate_proj"]
    assert not isinstance(untied.module, Qwen3) and pretrained.has_head(untied.module)


def test_what_a_config_leaves_out_is_derived():
    small = {"model_type": "llama", "hidden_size": 576, "num_attention_heads": 9}
    for head_dim in ({}, {"head_dim": None}):
        config = LlamaConfig.from_dict({**small, **head_dim, "num_key_value_heads": None})
        assert (config.head_dim, config.num_key_value_heads, config.rope_theta) == (64, 9, 10_000.0)
    assert LlamaConfig.from_dict({**small, "head_dim": 32}).head_dim == 32
    assert LlamaConfig.from_dict(small).num_key_value_heads == 9
    assert LlamaConfig.from_dict(config.to_dict()) == config
    assert LlamaConfig.from_dict({**small, "rope_theta": 5e5}).rope_theta == 5e5
    given = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e5}}
    assert LlamaConfig.from_dict({**small, **given}).rope_theta == 1e5


def test_the_rotary_frequencies_of_old_files_are_left_aside(golden_folder, tmp_path, untied):
    pretrained.save_pretrained(tmp_path, untied.module, untied.variables)
    tensors = load_file(tmp_path / "model.safetensors")
    assert set(tensors) == set(load_file(golden_folder / "llama_untied" / "model.safetensors"))
    tensors["model.layers.1.self_attn.rotary_emb.inv_freq"] = np.ones(4, np.float32)
    save_file(tensors, tmp_path / "model.safetensors")
    pretrained.from_pretrained(tmp_path)
