"""Qwen3 (Yang et al. 2025, arXiv 2505.09388): the decoder of decoder.py with RMS norm on queries and keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from prima_jax.models.config import FULL, read_words, refuse
from prima_jax.models.decoder import Decoder, DecoderConfig

__all__ = ["Qwen3", "Qwen3Config"]


@dataclass(frozen=True)
class Qwen3Config(DecoderConfig):
    """Field names and defaults of the checkpoints' config.json (`model_type` "qwen3"). Dropout is not applied."""

    model_type: ClassVar[str] = "qwen3"
    normed_heads: ClassVar[bool] = True

    vocab_size: int = 151936
    intermediate_size: int = 22016

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Qwen3Config":
        """Reads the content of a config.json; raises UserError that lists everything not implemented."""
        problems: list[str] = []
        config = cls.read(values, problems)
        problems += _sliding_layers(values, read_words(values, "layer_types", problems), config.num_hidden_layers)
        refuse("qwen3", problems)
        return config


class Qwen3(Decoder):
    """decoder.Decoder with a Qwen3Config."""

    config: Qwen3Config


def _sliding_layers(values: Mapping[str, Any], kinds: tuple[str, ...], layers: int) -> list[str]:
    """Returns the settings of sliding windows, none of which is implemented."""
    if values.get("layer_types") is not None:
        if set(kinds) != {FULL} or len(kinds) != layers:
            return [f"layer_types = {list(kinds)} for {layers} layers (implemented: {FULL!r} for each)"]
        return []
    window = values.get("sliding_window", 4096) if values.get("use_sliding_window") else None
    full = values.get("max_window_layers", 28)
    if window is not None and not (isinstance(full, int) and full >= layers):
        return [f"sliding_window = {window} (implemented: none)"]
    return []
