"""Random configurations of the architectures, tiny but of every kind, from a seed: nobody picks them by hand.

`case(architecture, seed, number)` is a function of its arguments, so that any slice of the grid is the same grid.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["ARCHITECTURES", "LONG", "Case", "case"]

LONG = (1024, 2048, 4096, 8192)
"""Lengths of the few long texts, which have one layer and one or two heads of 8: attention over them is large enough."""
EPSILONS = (1e-12, 1e-6, 1e-5, 1e-3)


@dataclass(frozen=True)
class Case:
    """A config that transformers builds, and the inputs of both models."""

    architecture: str
    number: int
    config: dict[str, Any]
    """Fields of a config.json, without `model_type`."""
    inputs: dict[str, np.ndarray]
    """pixel_values [B, H, W, C]; or input_ids [B, T], mostly attention_mask [B, T] and, for BERT, token_type_ids [B, T]."""


def case(architecture: str, seed: int, number: int) -> Case:
    """The `number`-th configuration of an architecture."""
    rng = np.random.default_rng([seed, zlib.crc32(architecture.encode()), number])
    return Case(architecture, number, *ARCHITECTURES[architecture](rng))


def _dinov3(rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Patches of 2 to 32 pixels, images of 1 to 6 of them a side, 0 to 4 registers, 1 to 12 layers."""
    heads, size = _integer(rng, 1, 4), 4 * _integer(rng, 1, 4)
    patch, channels = _choice(rng, 2, 4, 7, 8, 14, 16, 32), _choice(rng, 1, 3, 3, 3)
    rows, columns = rng.integers(1, 7, 2)
    biases = {f"{name}_bias": _flag(rng) for name in ("query", "key", "value", "proj", "mlp")}
    config = {
        "hidden_size": _width(heads, size),
        "num_attention_heads": heads,
        "num_hidden_layers": _depth(rng, 12),
        "intermediate_size": _integer(rng, 8, 48),
        "patch_size": patch,
        "num_channels": channels,
        "image_size": int(patch * rows),
        "num_register_tokens": _integer(rng, 0, 4),
        "use_gated_mlp": _flag(rng),
        "hidden_act": _choice(rng, "gelu", "silu"),
        "layerscale_value": _logarithmic(rng, 1e-2, 2.0),
        "layer_norm_eps": _choice(rng, *EPSILONS),
        "rope_theta": _logarithmic(rng, 2.0, 1e4),
        **biases,
    }
    images = rng.standard_normal((_integer(rng, 1, 3), patch * rows, patch * columns, channels))
    return config, {"pixel_values": images.astype(np.float32)}


def _dinov2(rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The same as DINOv3's, with positions learnt on 1 to 6 patches a side, which is the images' own grid for one in six."""
    heads, size = _integer(rng, 1, 4), _integer(rng, 2, 16)
    patch, channels = _choice(rng, 2, 4, 7, 8, 14, 16, 32), _choice(rng, 1, 3, 3, 3)
    learnt = _integer(rng, 1, 6)
    rows, columns = (learnt, learnt) if rng.random() < 1 / 6 else rng.integers(1, 7, 2)
    config = {
        "hidden_size": _width(heads, size),
        "num_attention_heads": heads,
        "num_hidden_layers": _depth(rng, 12),
        "mlp_ratio": _integer(rng, 1, 4),
        "patch_size": patch,
        "num_channels": channels,
        "image_size": patch * learnt + _integer(rng, 0, patch - 1),
        "use_swiglu_ffn": _flag(rng),
        "hidden_act": _choice(rng, "gelu", "silu"),
        "layerscale_value": _logarithmic(rng, 1e-2, 2.0),
        "layer_norm_eps": _choice(rng, *EPSILONS),
        "qkv_bias": _flag(rng),
        "use_mask_token": _flag(rng),
    }
    images = rng.standard_normal((_integer(rng, 1, 3), patch * rows, patch * columns, channels))
    return config, {"pixel_values": images.astype(np.float32)}


def _dinov2_with_registers(rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The same with 0 to 4 registers; its mask token is no choice."""
    config, inputs = _dinov2(rng)
    del config["use_mask_token"]
    return config | {"num_register_tokens": _integer(rng, 0, 4)}, inputs


def _modernbert(rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Up to 22 layers, windows of 2 to 32 tokens on texts mostly longer, layer types by the rule or by name."""
    long = rng.random() < 0.03
    layers, heads = (1, _integer(rng, 1, 2)) if long else (_depth(rng, 22), _integer(rng, 1, 4))
    config = {
        **_text(rng, heads, 8 if long else 2 * _integer(rng, 2, 8)),
        "num_hidden_layers": layers,
        "local_attention": 2 * _integer(rng, 1, 64 if long else 16),
        "norm_eps": _choice(rng, *EPSILONS),
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": _logarithmic(rng, 1e3, 1e6)},
            "sliding_attention": {"rope_type": "default", "rope_theta": _logarithmic(rng, 1e2, 1e5)},
        },
        **dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1),
        **{f"{name}_bias": _flag(rng) for name in ("attention", "mlp", "norm", "classifier", "decoder")},
    }
    if _flag(rng):
        config["layer_types"] = [_choice(rng, "full_attention", "sliding_attention") for _ in range(layers)]
    else:
        config["global_attn_every_n_layers"] = _integer(rng, 1, 5)
    return config, _tokens(rng, config["vocab_size"], long)


def _bert(rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Up to 8,192 positions and 12 layers, one to three token types, given or left out."""
    long = rng.random() < 0.03
    layers, heads = (1, _integer(rng, 1, 2)) if long else (_depth(rng, 12), _integer(rng, 1, 4))
    config = {**_text(rng, heads, 8 if long else _integer(rng, 3, 16)), "num_hidden_layers": layers}
    inputs = _tokens(rng, config["vocab_size"], long)
    length = inputs["input_ids"].shape[1]
    config |= {
        "max_position_embeddings": int(_logarithmic(rng, length, 8193)),
        "type_vocab_size": _integer(rng, 1, 3),
        "layer_norm_eps": _choice(rng, *EPSILONS),
    }
    if _flag(rng):
        inputs["token_type_ids"] = rng.integers(0, config["type_vocab_size"], inputs["input_ids"].shape).astype(np.int32)
    return config, inputs


def _qwen3(rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """1, 2 or 4 query heads for each key head, a width that need not be heads times their size, up to 16 layers."""
    long = rng.random() < 0.03
    key_heads, ratio = (1, 1) if long else (_integer(rng, 1, 3), _choice(rng, 1, 2, 4))
    config = {
        **_text(rng, key_heads * ratio, 1),
        "hidden_size": _integer(rng, 8, 64),
        "head_dim": 8 if long else 2 * _integer(rng, 2, 8),
        "num_key_value_heads": key_heads,
        "num_hidden_layers": 1 if long else _depth(rng, 16),
        "rms_norm_eps": _choice(rng, *EPSILONS),
        "tie_word_embeddings": _flag(rng),
        "attention_bias": _flag(rng),
        "rope_parameters": {"rope_type": "default", "rope_theta": _logarithmic(rng, 1e3, 1e7)},
    }
    return config, _tokens(rng, config["vocab_size"], long)


def _llama(rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The same as _qwen3, with biases in the MLP as well; transformers wants a width that the heads divide, and half of the
    configurations leave a head's size to follow from it."""
    config, inputs = _qwen3(rng)
    size = config.pop("head_dim") if _flag(rng) else _integer(rng, 2, 8)
    return config | {"hidden_size": _width(config["num_attention_heads"], size), "mlp_bias": _flag(rng)}, inputs


ARCHITECTURES: dict[str, Callable[[np.random.Generator], tuple[dict[str, Any], dict[str, np.ndarray]]]] = {
    "dinov2": _dinov2,
    "dinov2_with_registers": _dinov2_with_registers,
    "dinov3": _dinov3,
    "modernbert": _modernbert,
    "bert": _bert,
    "qwen3": _qwen3,
    "llama": _llama,
    "bert_bare": _bert,  # other ones, since the name is part of the seed; built without the head
}


def _text(rng: np.random.Generator, heads: int, size: int) -> dict[str, Any]:
    """The sizes that every text model has."""
    return {
        "hidden_size": _width(heads, size),
        "num_attention_heads": heads,
        "intermediate_size": _integer(rng, 8, 48),
        "vocab_size": _integer(rng, 8, 80),
        "pad_token_id": 0,
    }


def _width(heads: int, size: int) -> int:
    """heads * size or its multiple of 8 or more: a norm over fewer numbers is hardly more than their signs."""
    return heads * size * -(-8 // (heads * size))


def _tokens(rng: np.random.Generator, vocabulary: int, long: bool) -> dict[str, np.ndarray]:
    """One to four texts of any lengths, padded on the right to the longest; without a mask where none is padded or by chance."""
    length = _choice(rng, *LONG) if long else int(_logarithmic(rng, 2, 100))
    batch = 1 if long else _integer(rng, 1, 4)
    lengths = rng.integers(1, length + 1, batch)
    lengths[rng.integers(batch)] = length
    mask = np.arange(length) < lengths[:, None]
    given = {"input_ids": (rng.integers(1, vocabulary, mask.shape) * mask).astype(np.int32)}
    return given if mask.all() and _flag(rng) else given | {"attention_mask": mask}


def _depth(rng: np.random.Generator, most: int) -> int:
    """Layers from 1 to `most`, few more often than many, since compiling them takes the time; `most` for one in twenty."""
    return most if rng.random() < 0.05 else int((most + 1) ** (rng.random() ** 2))


def _logarithmic(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _integer(rng: np.random.Generator, low: int, high: int) -> int:
    """Draws from `low` to `high`, both included."""
    return int(rng.integers(low, high + 1))


def _choice(rng: np.random.Generator, *values: Any) -> Any:
    return values[rng.integers(len(values))]


def _flag(rng: np.random.Generator) -> bool:
    return bool(rng.random() < 0.5)
