"""BERT (Devlin et al. 2019, arXiv 1810.04805): post-norm encoder, learned absolute positions, token types."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from prima_jax.errors import UserError
from prima_jax.models.config import read_fields, refuse, require
from prima_jax.models.layers import (
    ACTIVATIONS,
    Dense,
    EncoderOutput,
    attention,
    layer_norm,
    maybe_remat,
    project_to_vocabulary,
    split_heads,
)

__all__ = ["Bert", "BertConfig"]


@dataclass(frozen=True)
class BertConfig:
    """Field names and defaults of the checkpoints' config.json (`model_type` "bert"); the defaults are the base size.

    Dropout is not applied.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02
    pad_token_id: int | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "BertConfig":
        """Reads the content of a config.json; raises UserError that lists everything not implemented."""
        problems: list[str] = []
        require(values, problems, model_type="bert", hidden_act="gelu", position_embedding_type="absolute")
        require(values, problems, is_decoder=False, add_cross_attention=False, tie_word_embeddings=True)
        config = read_fields(cls, values, problems)
        if config.hidden_size % config.num_attention_heads:
            problems.append(
                f"hidden_size = {config.hidden_size} (expected a multiple of the {config.num_attention_heads} attention heads)"
            )
        refuse("bert", problems)
        return config

    def to_dict(self, *, with_head: bool = True) -> dict[str, Any]:
        """The content of a config.json that transformers reads."""
        name = "BertForMaskedLM" if with_head else "BertModel"
        return {"model_type": "bert", "architectures": [name], "hidden_act": "gelu", **asdict(self)}

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def kernel_init(self) -> nn.initializers.Initializer:
        return nn.initializers.normal(self.initializer_range)


class Bert(nn.Module):
    """Token ids [B, L] -> hidden states [B, L, d]; with the masked-language head also logits [B, L, vocabulary]."""

    config: BertConfig
    with_head: bool = False
    dtype: Any = jnp.float32
    remat: bool = False

    def setup(self) -> None:
        config = self.config

        def embedding(rows: int) -> nn.Embed:
            return nn.Embed(rows, config.hidden_size, dtype=self.dtype, embedding_init=config.kernel_init)

        self.word_embeddings = embedding(config.vocab_size)
        self.position_embeddings = embedding(config.max_position_embeddings)
        self.token_type_embeddings = embedding(config.type_vocab_size)
        self.embedding_norm = layer_norm(config.layer_norm_eps, self.dtype)
        layer = maybe_remat(BertLayer, self.remat)
        self.layers = [layer(config, self.dtype) for _ in range(config.num_hidden_layers)]
        if self.with_head:
            self.head_dense = Dense(config.hidden_size, True, self.dtype, config.kernel_init)
            self.head_norm = layer_norm(config.layer_norm_eps, self.dtype)
            self.decoder_bias = self.param("decoder_bias", nn.initializers.zeros, (config.vocab_size,))

    def __call__(
        self,
        input_ids: jax.Array,
        attention_mask: jax.Array | None = None,
        *,
        token_type_ids: jax.Array | None = None,
        output_hidden_states: bool = False,
        output_logits: bool = True,
    ) -> EncoderOutput:
        """attention_mask [B, L] is True for tokens, False for padding; None: all are tokens, and all of type 0.

        Without `output_logits` the head, if there is one, is not applied; call `head` on selected positions.
        Raises UserError where a text is longer than the model has positions.
        """
        length = input_ids.shape[1]
        if length > self.config.max_position_embeddings:
            raise UserError(
                f"A text of {length} tokens does not fit into the {self.config.max_position_embeddings} positions of "
                "this BERT; lower the maximal length of texts."
            )
        seen = jnp.ones(input_ids.shape, bool) if attention_mask is None else attention_mask.astype(bool)
        types = jnp.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        x = self.word_embeddings(input_ids) + self.token_type_embeddings(types)
        x = self.embedding_norm(x + self.position_embeddings(jnp.arange(length))[None])
        states = [x]
        for layer in self.layers:
            x = layer(x, seen[:, None, None])
            states.append(x)
        logits = self.head(x) if self.with_head and output_logits else None
        return EncoderOutput(x, tuple(states) if output_hidden_states else None, logits)

    def head(self, hidden: jax.Array) -> jax.Array:
        """The masked-language head on any selection of final hidden states: [..., d] -> logits [..., vocabulary]."""
        hidden = self.head_norm(ACTIVATIONS["gelu"](self.head_dense(hidden)))
        logits = project_to_vocabulary(hidden, self.word_embeddings.embedding)
        return logits + self.decoder_bias.astype(logits.dtype)


class BertLayer(nn.Module):
    """Attention and MLP, each added and then normed."""

    config: BertConfig
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        config = self.config
        attended = BertAttention(config, self.dtype, name="attention")(x, mask)
        x = layer_norm(config.layer_norm_eps, self.dtype, name="attention_norm")(x + attended)
        hidden = Dense(config.intermediate_size, True, self.dtype, config.kernel_init, name="intermediate")(x)
        hidden = ACTIVATIONS["gelu"](hidden)
        output = Dense(config.hidden_size, True, self.dtype, config.kernel_init, name="output")(hidden)
        return layer_norm(config.layer_norm_eps, self.dtype, name="output_norm")(x + output)


class BertAttention(nn.Module):
    """Self-attention over the tokens that are not padding."""

    config: BertConfig
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        config = self.config

        def project(name: str, tokens: jax.Array) -> jax.Array:
            return Dense(config.hidden_size, True, self.dtype, config.kernel_init, name=name)(tokens)

        query, key, value = (split_heads(project(name, x), config.head_size) for name in ("query", "key", "value"))
        return project("output", attention(query, key, value, mask))
