"""Causal decoder: grouped-query attention with rotary positions and gated MLP, each after an RMS norm.

qwen3.py and llama.py read their config.json files; the module is the same for both.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from prima_jax.models.config import read_fields, require, rope_theta
from prima_jax.models.layers import (
    Dense,
    EncoderOutput,
    GatedMLP,
    Rotation,
    attention,
    maybe_remat,
    project_to_vocabulary,
    rotary_embedding,
    rotate,
    split_heads,
)

__all__ = ["Decoder", "DecoderConfig"]


@dataclass(frozen=True)
class DecoderConfig:
    """The fields that both decoders have, and their defaults."""

    model_type: ClassVar[str]
    normed_heads: ClassVar[bool]
    """True: queries and keys of each head are RMS-normalised before the rotary embedding."""

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int = 32
    head_dim: int = 128
    """The size of a head; heads times this need not equal `hidden_size`."""
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10_000.0
    attention_bias: bool = False
    tie_word_embeddings: bool = False
    initializer_range: float = 0.02
    pad_token_id: int | None = None

    @classmethod
    def read(cls, values: Mapping[str, Any], problems: list[str]) -> Self:
        """Reads the content of a config.json; settings that are not implemented are added to `problems`."""
        require(values, problems, model_type=cls.model_type, hidden_act="silu")
        theta = rope_theta(values, problems, default=cls.rope_theta)
        if values.get("num_key_value_heads", 0) is None:
            values = {**values, "num_key_value_heads": values.get("num_attention_heads", cls.num_attention_heads)}
        config = read_fields(cls, values, problems, rope_theta=theta)
        if config.num_attention_heads % config.num_key_value_heads:
            problems.append(
                f"num_attention_heads = {config.num_attention_heads} (expected a multiple of the "
                f"{config.num_key_value_heads} key and value heads)"
            )
        if config.head_dim % 2:
            problems.append(f"head_dim = {config.head_dim} (expected an even number)")
        return config

    def to_dict(self) -> dict[str, Any]:
        """The content of a config.json that transformers reads."""
        name = f"{self.model_type.capitalize()}ForCausalLM"
        return {"model_type": self.model_type, "architectures": [name], "hidden_act": "silu", **asdict(self)}

    @property
    def kernel_init(self) -> nn.initializers.Initializer:
        return nn.initializers.normal(self.initializer_range)

    @property
    def biased_mlp(self) -> bool:
        """True if the linear layers of the MLP have biases."""
        return False


class Decoder(nn.Module):
    """Token ids [B, T] or embeddings [B, T, d] -> hidden states [B, T, d]; a token attends to itself and to earlier tokens."""

    config: Any  # a DecoderConfig
    dtype: Any = jnp.float32
    remat: bool = False

    def setup(self) -> None:
        config = self.config
        self.embed_tokens = nn.Embed(config.vocab_size, config.hidden_size, dtype=self.dtype, embedding_init=config.kernel_init)
        layer = maybe_remat(DecoderLayer, self.remat)
        self.layers = [layer(config, self.dtype) for _ in range(config.num_hidden_layers)]
        self.norm = nn.RMSNorm(config.rms_norm_eps, dtype=self.dtype)
        if not config.tie_word_embeddings:
            self.lm_head = self.param("lm_head", config.kernel_init, (config.vocab_size, config.hidden_size))

    def __call__(
        self,
        input_ids: jax.Array | None = None,
        *,
        inputs_embeds: jax.Array | None = None,
        attention_mask: jax.Array | None = None,
        positions: jax.Array | None = None,
        output_hidden_states: bool = False,
        output_logits: bool = False,
    ) -> EncoderOutput:
        """attention_mask [B, T] is True for tokens that may be attended to; positions [B, T] default to 0 .. T - 1."""
        if inputs_embeds is None and input_ids is not None:
            inputs_embeds = self.embed(input_ids)
        elif inputs_embeds is None or input_ids is not None:
            raise ValueError(f"{type(self).__name__} takes either input_ids or inputs_embeds")
        x = inputs_embeds.astype(self.dtype)
        length = x.shape[1]
        if positions is None:
            positions = jnp.arange(length)[None]
        mask = jnp.asarray(np.tril(np.ones((1, 1, length, length), bool)))
        if attention_mask is not None:
            mask = mask & attention_mask.astype(bool)[:, None, None]
        rotation = rotary_embedding(positions, self.config.rope_theta, self.config.head_dim)
        states = [x]
        for layer in self.layers:
            x = layer(x, mask, rotation)
            states.append(x)
        last = self.norm(x)
        logits = project_to_vocabulary(last, self._output_table()) if output_logits else None
        return EncoderOutput(last, (*states[:-1], last) if output_hidden_states else None, logits)

    def embed(self, input_ids: jax.Array) -> jax.Array:
        """The input embeddings of token ids [...] -> [..., d]."""
        return self.embed_tokens(input_ids)

    def class_logits(self, hidden: jax.Array, class_ids: jax.Array) -> jax.Array:
        """The logits of a few tokens only: hidden [B, d], class_ids [C] -> [B, C], in float32 (section 2.3)."""
        return project_to_vocabulary(hidden.astype(jnp.float32), self._output_table()[class_ids])

    def _output_table(self) -> jax.Array:
        return self.embed_tokens.embedding if self.config.tie_word_embeddings else self.lm_head


class DecoderLayer(nn.Module):
    """Pre-norm attention and gated MLP."""

    config: DecoderConfig
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, rotation: Rotation) -> jax.Array:
        config = self.config
        normed = nn.RMSNorm(config.rms_norm_eps, dtype=self.dtype, name="input_layernorm")(x)
        x = x + DecoderAttention(config, self.dtype, name="self_attn")(normed, mask, rotation)
        normed = nn.RMSNorm(config.rms_norm_eps, dtype=self.dtype, name="post_attention_layernorm")(x)
        mlp = GatedMLP(config.intermediate_size, "silu", config.biased_mlp, self.dtype, config.kernel_init, name="mlp")
        return x + mlp(normed)


class DecoderAttention(nn.Module):
    """Grouped-query attention with rotary positions: several query heads share one head of keys and values."""

    config: DecoderConfig
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, rotation: Rotation) -> jax.Array:
        config, size = self.config, self.config.head_dim

        def project(name: str, features: int, tokens: jax.Array) -> jax.Array:
            return Dense(features, config.attention_bias, self.dtype, config.kernel_init, name=name)(tokens)

        def norm(name: str, heads: jax.Array) -> jax.Array:
            return nn.RMSNorm(config.rms_norm_eps, dtype=self.dtype, name=name)(heads) if config.normed_heads else heads

        query = split_heads(project("q_proj", config.num_attention_heads * size, x), size)
        key = split_heads(project("k_proj", config.num_key_value_heads * size, x), size)
        value = split_heads(project("v_proj", config.num_key_value_heads * size, x), size)
        query, key = rotate(norm("q_norm", query), rotation), rotate(norm("k_norm", key), rotation)
        return project("o_proj", config.hidden_size, attention(query, key, value, mask))
