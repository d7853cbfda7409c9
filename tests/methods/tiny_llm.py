"""A Qwen3 of one layer with random weights, without a study."""

from typing import Any

import numpy as np

from prima_jax.models import pretrained

__all__ = ["CLASS_IDS", "WIDTH", "tiny_llm"]

WIDTH = 16
CLASS_IDS = np.array([3, 7, 11], np.int32)


def tiny_llm() -> tuple[Any, dict[str, Any]]:
    """Module and variables."""
    module = pretrained.build(
        {
            "model_type": "qwen3",
            "hidden_size": WIDTH,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "vocab_size": 40,
            "tie_word_embeddings": True,
            "initializer_range": 0.2,
        },
        dtype=np.float32,
        remat=False,
    )
    return module, pretrained.init_random(module, 0)
