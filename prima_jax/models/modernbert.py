"""ModernBERT (Warner et al. 2024, arXiv 2412.13663): pre-norm encoder, RoPE, gated MLP, mostly local attention."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from prima_jax.models.config import FULL, SLIDING, read_fields, read_words, refuse, require, rope_theta
from prima_jax.models.layers import (
    ACTIVATIONS,
    Dense,
    EncoderOutput,
    Rotation,
    attention,
    layer_norm,
    maybe_remat,
    project_to_vocabulary,
    rotary_embedding,
    rotate,
    split_heads,
)

__all__ = ["ModernBert", "ModernBertConfig"]


@dataclass(frozen=True)
class ModernBertConfig:
    """Field names and defaults of the checkpoints' config.json (`model_type` "modernbert"): the base size.

    Dropout is not applied.
    """

    vocab_size: int = 50368
    hidden_size: int = 768
    intermediate_size: int = 1152
    num_hidden_layers: int = 22
    num_attention_heads: int = 12
    global_attn_every_n_layers: int = 3
    layer_types: tuple[str, ...] = ()
    """ "full_attention" or "sliding_attention" for each layer; empty: full in every n-th, beginning with the first."""
    local_attention: int = 128
    """Width of the sliding window: half of it on each side, inclusive."""
    global_rope_theta: float = 160_000.0
    local_rope_theta: float = 10_000.0
    norm_eps: float = 1e-5
    norm_bias: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    classifier_bias: bool = False
    decoder_bias: bool = True
    initializer_range: float = 0.02
    pad_token_id: int | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ModernBertConfig":
        """Reads the content of a config.json; raises UserError that lists everything not implemented."""
        problems: list[str] = []
        require(values, problems, model_type="modernbert", hidden_activation="gelu", classifier_activation="gelu")
        require(values, problems, tie_word_embeddings=True)
        config = read_fields(
            cls,
            values,
            problems,
            layer_types=read_words(values, "layer_types", problems),
            global_rope_theta=rope_theta(
                values, problems, default=cls.global_rope_theta, legacy="global_rope_theta", layer_type=FULL
            ),
            local_rope_theta=rope_theta(
                values, problems, default=cls.local_rope_theta, legacy="local_rope_theta", layer_type=SLIDING
            ),
        )
        unknown = sorted(set(config.attention_types) - {FULL, SLIDING})
        if unknown or len(config.attention_types) != config.num_hidden_layers:
            problems.append(f"layer_types = {list(config.layer_types)} for {config.num_hidden_layers} layers")
        if config.hidden_size % (2 * config.num_attention_heads):
            problems.append(
                f"hidden_size = {config.hidden_size} (expected an even multiple of the "
                f"{config.num_attention_heads} attention heads)"
            )
        refuse("modernbert", problems)
        return config

    def to_dict(self, *, with_head: bool = True) -> dict[str, Any]:
        """The content of a config.json that transformers reads."""
        name = "ModernBertForMaskedLM" if with_head else "ModernBertModel"
        return {
            "model_type": "modernbert",
            "architectures": [name],
            **asdict(self),
            "layer_types": list(self.attention_types),
        }

    @property
    def attention_types(self) -> tuple[str, ...]:
        """The attention type of each layer."""
        every = self.global_attn_every_n_layers
        return self.layer_types or tuple(SLIDING if i % every else FULL for i in range(self.num_hidden_layers))

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def inner_init(self) -> nn.initializers.Initializer:
        return nn.initializers.truncated_normal(self.initializer_range)

    @property
    def output_init(self) -> nn.initializers.Initializer:
        """Initializer of the projections onto the residual stream: its deviation shrinks with the model's depth."""
        return nn.initializers.truncated_normal(self.initializer_range / (2 * max(1, self.num_hidden_layers)) ** 0.5)


class ModernBert(nn.Module):
    """Token ids [B, L] -> hidden states [B, L, d]; with the masked-language head also logits [B, L, vocabulary]."""

    config: ModernBertConfig
    with_head: bool = False
    dtype: Any = jnp.float32
    remat: bool = False

    def setup(self) -> None:
        config = self.config
        self.tok_embeddings = nn.Embed(config.vocab_size, config.hidden_size, dtype=self.dtype, embedding_init=config.inner_init)
        self.embedding_norm = layer_norm(config.norm_eps, self.dtype, use_bias=config.norm_bias)
        layer = maybe_remat(ModernBertLayer, self.remat)
        self.layers = [layer(config, self.dtype, first=i == 0) for i in range(config.num_hidden_layers)]
        self.final_norm = layer_norm(config.norm_eps, self.dtype, use_bias=config.norm_bias)
        if self.with_head:
            self.head_dense = Dense(config.hidden_size, config.classifier_bias, self.dtype, config.output_init)
            self.head_norm = layer_norm(config.norm_eps, self.dtype, use_bias=config.norm_bias)
            if config.decoder_bias:
                self.decoder_bias = self.param("decoder_bias", nn.initializers.zeros, (config.vocab_size,))

    def __call__(
        self,
        input_ids: jax.Array,
        attention_mask: jax.Array | None = None,
        *,
        output_hidden_states: bool = False,
        output_logits: bool = True,
    ) -> EncoderOutput:
        """attention_mask [B, L] is True for tokens, False for padding; None: all are tokens.

        Without `output_logits` the head, if there is one, is not applied; call `head` on selected positions.
        """
        config, length = self.config, input_ids.shape[1]
        seen = jnp.ones(input_ids.shape, bool) if attention_mask is None else attention_mask.astype(bool)
        positions = np.arange(length)
        near = np.abs(positions[:, None] - positions) <= config.local_attention // 2
        masks = {FULL: seen[:, None, None], SLIDING: seen[:, None, None] & near}
        rotations = {
            FULL: rotary_embedding(jnp.asarray(positions)[None], config.global_rope_theta, config.head_size),
            SLIDING: rotary_embedding(jnp.asarray(positions)[None], config.local_rope_theta, config.head_size),
        }
        x = self.embedding_norm(self.tok_embeddings(input_ids))
        states = [x]
        for layer, kind in zip(self.layers, config.attention_types, strict=True):
            x = layer(x, masks[kind], rotations[kind])
            states.append(x)
        last = self.final_norm(x)
        logits = self.head(last) if self.with_head and output_logits else None
        return EncoderOutput(last, (*states[:-1], last) if output_hidden_states else None, logits)

    def head(self, hidden: jax.Array) -> jax.Array:
        """The masked-language head on any selection of final hidden states: [..., d] -> logits [..., vocabulary]."""
        hidden = self.head_norm(ACTIVATIONS["gelu"](self.head_dense(hidden)))
        logits = project_to_vocabulary(hidden, self.tok_embeddings.embedding)
        return logits + self.decoder_bias.astype(logits.dtype) if self.config.decoder_bias else logits


class ModernBertLayer(nn.Module):
    """Pre-norm attention and gated MLP; the first layer's attention has no norm: the embeddings have just had one."""

    config: ModernBertConfig
    dtype: Any
    first: bool

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, rotation: Rotation) -> jax.Array:
        normed = x if self.first else self._norm("attn_norm", x)
        x = x + ModernBertAttention(self.config, self.dtype, name="attn")(normed, mask, rotation)
        return x + ModernBertMLP(self.config, self.dtype, name="mlp")(self._norm("mlp_norm", x))

    def _norm(self, name: str, x: jax.Array) -> jax.Array:
        return layer_norm(self.config.norm_eps, self.dtype, use_bias=self.config.norm_bias, name=name)(x)


class ModernBertAttention(nn.Module):
    """Self-attention over the tokens that the mask allows; one matrix for queries, keys and values."""

    config: ModernBertConfig
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, rotation: Rotation) -> jax.Array:
        config, width = self.config, self.config.hidden_size
        qkv = Dense(3 * width, config.attention_bias, self.dtype, config.inner_init, name="Wqkv")(x)
        query, key, value = (split_heads(part, config.head_size) for part in jnp.split(qkv, 3, axis=-1))
        mixed = attention(rotate(query, rotation), rotate(key, rotation), value, mask)
        return Dense(width, config.attention_bias, self.dtype, config.output_init, name="Wo")(mixed)


class ModernBertMLP(nn.Module):
    """Wo(gelu(first half of Wi(x)) * second half)."""

    config: ModernBertConfig
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        config = self.config
        hidden = Dense(2 * config.intermediate_size, config.mlp_bias, self.dtype, config.inner_init, name="Wi")(x)
        value, gate = jnp.split(hidden, 2, axis=-1)
        hidden = ACTIVATIONS["gelu"](value) * gate
        return Dense(config.hidden_size, config.mlp_bias, self.dtype, config.output_init, name="Wo")(hidden)
