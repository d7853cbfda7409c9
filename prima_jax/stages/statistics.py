"""Mean and deviation of what the frozen encoders give, over the training cases: where the standardising projectors start."""

from collections.abc import Iterator, Sequence

import numpy as np

from prima_jax.stages.cases import Case
from prima_jax.stages.text_features import TextTokens

__all__ = ["standardisation"]

_AT_ONCE = 256
_CONSTANT = 2**-10
"""A dimension whose deviation is no larger a part of its size is constant but for rounding (half precision has 11 bits): it is
moved and not scaled. MiniLM's last LayerNorm has three such dimensions."""
_LEAST = 1e-6
"""The same where the mean is zero."""


def standardisation(images: np.ndarray, texts: TextTokens, cases: Sequence[Case]) -> dict[str, np.ndarray]:
    """Returns the parameters NAME_mean and NAME_scale, [d], of models.diagnoser.Projector for its four kinds of tokens.

    images [R, V, 1 + K, d]: whole photographs alone (view 0) are counted; texts: sentences that say all that is known, and of
    their tokens words alone.
    """
    photographs = np.unique([p for case in cases for slot in case.slots for p in slot])
    sentences = texts.index[[case.row for case in cases], 0]

    def image_tokens(part: slice) -> Iterator[np.ndarray]:
        for start in range(0, len(photographs), _AT_ONCE):
            yield images[photographs[start : start + _AT_ONCE], 0, part]

    def text_words() -> Iterator[np.ndarray]:
        for start in range(0, len(sentences), _AT_ONCE):
            chosen = sentences[start : start + _AT_ONCE]
            yield texts.tokens[chosen, 1:][texts.words[chosen]]

    parts = {
        "image_global": image_tokens(slice(0, 1)),
        "image_local": image_tokens(slice(1, None)),
        "text_global": iter([texts.tokens[sentences, :1]]),
        "text_local": text_words(),
    }
    found = {}
    for name, tokens in parts.items():
        mean, deviation = _moments(tokens)
        found[f"{name}_mean"] = mean.astype(np.float32)
        constant = deviation <= _CONSTANT * np.abs(mean) + _LEAST
        found[f"{name}_scale"] = (1 / np.where(constant, 1.0, deviation)).astype(np.float32)
    return found


def _moments(parts: Iterator[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over all but the last axis of all parts, [d], in float64."""
    count, total, squares = 0, np.zeros(1), np.zeros(1)
    for part in parts:
        rows = part.reshape(-1, part.shape[-1]).astype(np.float64)
        count, total, squares = count + len(rows), total + rows.sum(axis=0), squares + (rows**2).sum(axis=0)
    mean = total / max(count, 1)
    return mean, np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
