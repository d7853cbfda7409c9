"""Ranks passages anew by what a text encoder makes of them, and fuses that order with BM25's.

The encoder is one of stage 1's kind (Clinical ModernBERT), as a folder with its tokenizer; `config.retrieve.rerank` names it.
A text's vector is the mean of its tokens' last states. Fused by reciprocal ranks (Cormack et al. 2009) with the k of MedRAG
(Xiong et al. 2024, arXiv:2402.13178).
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prima_jax.corpus.claims import Passage
from prima_jax.data.text import load_tokenizer, tokenize
from prima_jax.errors import UserError
from prima_jax.models import pretrained
from prima_jax.models.bert import Bert
from prima_jax.models.modernbert import ModernBert

__all__ = ["CANDIDATES", "Reranker", "fuse", "mean_pooled"]

CANDIDATES = 100
"""Passages of a topic that are ranked anew: BM25's best."""
K = 100
"""The larger, the less the first ranks count."""
ROWS = 32
"""Texts in a batch."""
STEP = 64
"""Batches are as long as a multiple of this, so that few programs are compiled."""
LONGEST = 512
"""Tokens; longer texts lose their end. Five sentences and a title have some 200."""


class Reranker:
    """Puts the candidates of a topic into another order; no text is embedded twice."""

    def __init__(self, weights: str | Path) -> None:
        """Raises UserError: no such folder, no text encoder or no tokenizer in it."""
        self._module, self._variables = pretrained.from_pretrained(weights)
        if not isinstance(self._module, ModernBert | Bert):
            raise UserError(f"config.retrieve.rerank = {str(weights)!r} is no text encoder; name a ModernBERT or a BERT.")
        self._tokenizer = load_tokenizer(weights)
        self._longest = min(LONGEST, getattr(self._module.config, "max_position_embeddings", LONGEST))
        self._vectors: dict[str, np.ndarray] = {}

    def ranked(self, query: str, passages: Sequence[Passage]) -> list[Passage]:
        """`passages`, the best of BM25 first, in the fused order."""
        if len(passages) < 2:
            return list(passages)
        vectors = self.vectors([query, *(f"{passage.title} {passage.text}" for passage in passages)])
        cosines = vectors[1:] @ vectors[0]
        return [passages[position] for position in fuse(cosines)]

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """float32 `[N, d]`, of length 1."""
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._embed(new), strict=True))
        return np.stack([self._vectors[text] for text in texts])

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        """Texts of about one length share a batch; every batch has as many rows, and so no more programs than lengths."""
        tokens = tokenize(self._tokenizer, texts, self._longest)
        lengths = tokens.mask.sum(axis=1)
        order = np.argsort(lengths, kind="stable")
        found = np.zeros((len(texts), self._module.config.hidden_size), np.float32)  # type: ignore[attr-defined]
        for start in range(0, len(texts), ROWS):
            rows = order[start : start + ROWS]
            shape = (ROWS, min(self._longest, -(-int(lengths[rows].max()) // STEP) * STEP))
            ids, mask = np.full(shape, self._tokenizer.pad_token_id, np.int32), np.zeros(shape, bool)
            width = min(shape[1], tokens.ids.shape[1])
            ids[: len(rows), :width], mask[: len(rows), :width] = tokens.ids[rows, :width], tokens.mask[rows, :width]
            found[rows] = np.asarray(_vectors(self._module, self._variables, ids, mask))[: len(rows)]
        return found


def fuse(cosines: np.ndarray) -> list[int]:
    """The order of the sums of 1 / (K + rank), over the order given and that by cosine; on a tie the order given stands."""
    ranks = np.empty(len(cosines), np.int64)
    ranks[np.argsort(-cosines, kind="stable")] = np.arange(1, len(cosines) + 1)
    scores = 1 / (K + np.arange(1, len(cosines) + 1)) + 1 / (K + ranks)
    return np.argsort(-scores, kind="stable").tolist()


def mean_pooled(states: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean over each row's tokens that are not padding, of length 1: `[B, L, d]`, `[B, L]` -> float32 `[B, d]`."""
    weights = mask.astype(jnp.float32)[..., None]
    total = (states.astype(jnp.float32) * weights).sum(axis=1)
    mean = total / jnp.maximum(weights.sum(axis=1), 1)  # the rows that fill a batch have no token
    return mean / jnp.maximum(jnp.linalg.norm(mean, axis=-1, keepdims=True), 1e-12)


@partial(jax.jit, static_argnums=0)
def _vectors(module: Any, variables: dict[str, Any], ids: jax.Array, mask: jax.Array) -> jax.Array:
    return mean_pooled(module.apply(variables, ids, mask).last_hidden_state, mask)
