"""What a config.json may not ask for: all that is not implemented is listed in one sentence."""

import pytest

from prima_jax.errors import UserError
from prima_jax.models.bert import BertConfig
from prima_jax.models.dinov2 import DinoV2Config
from prima_jax.models.dinov3 import DinoV3Config
from prima_jax.models.llama import LlamaConfig
from prima_jax.models.modernbert import ModernBertConfig
from prima_jax.models.qwen3 import Qwen3Config

REFUSED = [
    (BertConfig, {"hidden_act": "gelu_new", "position_embedding_type": "relative_key", "is_decoder": True, "hidden_size": 10,
                  "num_attention_heads": 3},
     ("gelu_new", "relative_key", "is_decoder", "hidden_size = 10")),
    (DinoV2Config, {"hidden_act": "gelu_new", "patch_size": [14, 14], "hidden_size": 30, "num_attention_heads": 4,
                    "mlp_ratio": 2.5, "image_size": 7, "qkv_bias": 1},
     ("gelu_new", "[14, 14]", "hidden_size = 30", "mlp_ratio = 2.5", "image_size = 7", "qkv_bias = 1")),
    (DinoV3Config, {"hidden_act": "gelu_new", "patch_size": [14, 16], "hidden_size": 30, "num_attention_heads": 4,
                    "rope_parameters": {"rope_type": "yarn", "rope_theta": 100.0}, "num_hidden_layers": "12", "use_gated_mlp": 1},
     ("gelu_new", "[14, 16]", "hidden_size = 30", "yarn", "'12'", "use_gated_mlp = 1")),
    (ModernBertConfig, {"model_type": "modernbert-decoder", "hidden_activation": "relu", "tie_word_embeddings": False,
                        "layer_types": ["full_attention", "chunked_attention"], "num_hidden_layers": 2, "hidden_size": 10,
                        "rope_parameters": {"full_attention": {"rope_type": "linear", "rope_theta": 1.0}}},
     ("modernbert-decoder", "relu", "tie_word_embeddings", "chunked_attention", "hidden_size = 10", "linear")),
    (Qwen3Config, {"rope_scaling": {"type": "yarn", "factor": 4.0}}, ("yarn",)),
    (Qwen3Config, {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}, ("partial_rotary_factor",)),
    (Qwen3Config, {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 2}, ("sliding_window = 64",)),
    (Qwen3Config, {"layer_types": ["full_attention", "sliding_attention"]}, ("sliding_attention",)),
    (Qwen3Config, {"layer_types": ["full_attention"] * 3}, ("for 32 layers",)),
    (Qwen3Config, {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e6}}}, ("expected one set",)),
    (Qwen3Config, {"head_dim": None}, ("head_dim = None",)),
    (LlamaConfig, {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, ("llama3",)),
    (LlamaConfig, {"model_type": "mistral"}, ("'mistral'",)),
    (LlamaConfig, {"hidden_act": "gelu", "num_attention_heads": 4, "num_key_value_heads": 3, "mlp_bias": 1},
     ("'gelu'", "3 key and value heads", "mlp_bias = 1")),
    (LlamaConfig, {"hidden_size": 10, "num_attention_heads": 3}, ("hidden_size = 10",)),
    (LlamaConfig, {"hidden_size": 12, "num_attention_heads": 4}, ("head_dim = 3",)),
    (LlamaConfig, {"num_attention_heads": "4"}, ("num_attention_heads = '4'",)),
    (LlamaConfig, {"num_attention_heads": 0}, ("num_attention_heads = 0",)),
    (LlamaConfig, {"hidden_size": 0, "head_dim": 0}, ("hidden_size = 0", "head_dim = 0")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "words"), REFUSED)
def test_what_is_not_implemented_is_refused(kind, values, words):
    with pytest.raises(UserError) as error:
        kind.from_dict(values)
    for word in words:
        assert word in str(error.value)
