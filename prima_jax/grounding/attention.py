"""The attention of Eq. 4 for held-out photographs: from the words of each visible attribute to the patches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.data.text import clause_words, clauses
from prima_jax.losses import cross_attention
from prima_jax.models.dual_encoder import SharedSpace
from prima_jax.stages import image_features, text_features
from prima_jax.stages.align import Aligned
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.pipeline import Tokenizers, aligned_encoders
from prima_jax.studies.study import Record

__all__ = ["AttentionMap", "attention_maps", "maps_of", "others"]


@dataclass(frozen=True)
class AttentionMap:
    """The attention of the words on one attribute to the patches of one photograph."""

    record: int
    """Position of the record."""
    attribute: str
    clause: str
    """The words, e.g. "There is a hypopyon."."""
    attention: np.ndarray
    """Eq. 4, the mean over the clause's words: float32 [K], sums to one."""


def attention_maps(context: Context, fold: Fold, tokenizers: Tokenizers, *, exchanged: bool = False) -> list[AttentionMap]:
    """Returns the maps of all held-out photographs, by the encoders and heads that stage 2 trained (its heads have no other use).

    A photograph is paired with its own sentence of visible attributes, as in stage 2. `exchanged`: each sentence is paired with
    another subject's photograph instead, which measures how much of the place the words alone give.
    """
    study, records = context.prepared.study, context.prepared.records
    text_variables, aligned = aligned_encoders(context, fold, tokenizers)
    parts = {int(i): clauses(study, records[i].fields, visual_only=True) for i in fold.test}
    described = [i for i, sentences in parts.items() if sentences]
    pairs = dict(zip(described, others(records, described) if exchanged else described, strict=True))
    return maps_of(context, tokenizers, text_variables, aligned, parts, pairs)


def maps_of(
    context: Context,
    tokenizers: Tokenizers,
    text_variables: dict[str, Any],
    aligned: Aligned,
    parts: Mapping[int, Mapping[str, str]],
    pairs: Mapping[int, int],
) -> list[AttentionMap]:
    """Returns the maps of some records: parts[i]: record i's visible clauses, pairs[i]: whose photograph they meet."""
    described, shown = list(pairs), list(pairs.values())
    if not described:
        return []
    texts = text_features.text_tokens(context, text_variables, tokenizers.text, [" ".join(parts[i].values()) for i in described])
    attend = jax.jit(partial(_attention, SharedSpace(context.config.align.projection_width)))
    maps, size = [], context.config.features.batch_size
    for start in range(0, len(shown), size):
        images = image_features.encode_records(context, aligned.image_encoder, shown[start : start + size])
        rows = range(start, start + len(images))
        attention = np.asarray(attend(aligned.heads, images, texts.tokens[texts.index[rows]]))
        for row, of_words in zip(rows, attention, strict=True):
            record = described[row]
            for name, words in clause_words(tokenizers.text, parts[record], of_words.shape[0] + 1).items():
                if words.any():
                    mean = of_words[words[1:]].mean(axis=0)
                    maps.append(AttentionMap(record, name, parts[record][name], mean))
    return maps


def others(records: Sequence[Record], positions: list[int]) -> list[int]:
    """Returns for each of these records the next one of the same image type and another subject, or itself if there is none."""
    partners = []
    for place, position in enumerate(positions):
        own = records[position]
        following = (positions[(place + step) % len(positions)] for step in range(1, len(positions)))
        fit = (p for p in following if records[p].image_type == own.image_type and records[p].subject != own.subject)
        partners.append(next(fit, position))
    return partners


def _attention(space: SharedSpace, heads: Any, images: jax.Array, texts: jax.Array) -> jax.Array:
    """images [B, 1 + K, d_image], texts [B, 1 + L, d_text] -> Eq. 4 [B, L, K]."""
    apply: Any = space.apply  # its declared type allows for mutated variables as well
    p, q = apply({"params": heads}, images[:, None].astype(jnp.float32), texts.astype(jnp.float32))
    return cross_attention(p[:, 0, 1:], q[:, 1:])
