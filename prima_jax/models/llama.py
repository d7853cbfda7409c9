"""Llama (Touvron et al. 2023, arXiv 2302.13971): the decoder of decoder.py without norms on queries and keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from prima_jax.models.config import refuse
from prima_jax.models.decoder import Decoder, DecoderConfig

__all__ = ["Llama", "LlamaConfig"]


@dataclass(frozen=True)
class LlamaConfig(DecoderConfig):
    """Field names and defaults of the checkpoints' config.json (`model_type` "llama"). Dropout is not applied.

    Where a config.json does not give `head_dim`, it is `hidden_size` over the heads.
    """

    model_type: ClassVar[str] = "llama"
    normed_heads: ClassVar[bool] = False

    mlp_bias: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "LlamaConfig":
        """Reads the content of a config.json; raises UserError that lists everything not implemented."""
        problems: list[str] = []
        config = cls.read(_with_defaults(values, problems), problems)
        refuse("llama", problems)
        return config

    @property
    def biased_mlp(self) -> bool:
        return self.mlp_bias


class Llama(Decoder):
    """decoder.Decoder with a LlamaConfig."""

    config: LlamaConfig


def _with_defaults(values: Mapping[str, Any], problems: list[str]) -> Mapping[str, Any]:
    """Returns the config with its derived fields: as many key heads as heads, and the size of a head."""
    heads = values.get("num_attention_heads", LlamaConfig.num_attention_heads)
    given = {"num_key_value_heads": heads, **{name: value for name, value in values.items() if value is not None}}
    width = values.get("hidden_size", LlamaConfig.hidden_size)
    if "head_dim" in given or not (_is_size(heads) and _is_size(width)):
        return given
    if width % heads:
        problems.append(f"hidden_size = {width} (expected a multiple of the {heads} attention heads)")
    return {**given, "head_dim": max(1, width // heads)}


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
