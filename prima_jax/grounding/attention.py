"""The attention of Eq. 4 for held-out photographs: what the words of each visible attribute look at."""

from collections.abc import Sequence
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
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.pipeline import Tokenizers, aligned_encoders
from prima_jax.studies.study import Record

__all__ = ["Look", "looks", "others"]


@dataclass(frozen=True)
class Look:
    """What the words on one attribute look at in one photograph."""

    record: int
    """Position of the record."""
    attribute: str
    clause: str
    """The words, e.g. "There is a hypopyon."."""
    attention: np.ndarray
    """Eq. 4, the mean over the clause's words: float32 [K], sums to one."""


def looks(context: Context, fold: Fold, tokenizers: Tokenizers, *, exchanged: bool = False) -> list[Look]:
    """Of all held-out photographs, with the encoders and heads as stage 2 leaves them (the heads have no later use).

    A photograph is read beside its own sentence of visible attributes, as stage 2 reads those of training. `exchanged`: the
    sentence of each looks at another subject's photograph instead, which tells what the words alone know of the place.
    """
    study, records = context.prepared.study, context.prepared.records
    text_variables, aligned = aligned_encoders(context, fold, tokenizers)
    parts = {int(i): clauses(study, records[i].fields, visual_only=True) for i in fold.test}
    spoken = [i for i, said in parts.items() if said]
    if not spoken:
        return []
    texts = text_features.text_tokens(context, text_variables, tokenizers.text, [" ".join(parts[i].values()) for i in spoken])
    attend = jax.jit(partial(_attention, SharedSpace(context.config.align.projection_width)))
    found = []
    shown, size = others(records, spoken) if exchanged else spoken, context.config.features.batch_size
    for start in range(0, len(shown), size):
        images = image_features.encode_records(context, aligned.image_encoder, shown[start : start + size])
        rows = range(start, start + len(images))
        attention = np.asarray(attend(aligned.heads, images, texts.tokens[texts.index[rows]]))
        for row, of_words in zip(rows, attention, strict=True):
            record = spoken[row]
            for name, words in clause_words(tokenizers.text, parts[record], of_words.shape[0] + 1).items():
                if words.any():
                    mean = of_words[words[1:]].mean(axis=0)
                    found.append(Look(record, name, parts[record][name], mean))
    return found


def others(records: Sequence[Record], positions: list[int]) -> list[int]:
    """For each of these records the next one that is of the same view and another subject, or itself if there is none."""
    found = []
    for place, position in enumerate(positions):
        own = records[position]
        following = (positions[(place + step) % len(positions)] for step in range(1, len(positions)))
        fit = (p for p in following if records[p].view == own.view and records[p].subject != own.subject)
        found.append(next(fit, position))
    return found


def _attention(space: SharedSpace, heads: Any, images: jax.Array, texts: jax.Array) -> jax.Array:
    """images [B, 1 + K, d_image], texts [B, 1 + L, d_text] -> Eq. 4 [B, L, K]."""
    apply: Any = space.apply  # which could return mutated variables as well
    p, q = apply({"params": heads}, images[:, None].astype(jnp.float32), texts.astype(jnp.float32))
    return cross_attention(p[:, 0, 1:], q[:, 1:])
