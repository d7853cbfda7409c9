"""Batches larger than memory, computed a piece at a time: accumulated gradients, and cached ones for a contrastive loss.

Both give what the whole batch gives, up to rounding.
"""

from collections.abc import Callable
from typing import Any

import jax

__all__ = ["in_pieces", "value_and_gradients"]

Objective = Callable[[Any, Any, Any], tuple[jax.Array, dict[str, jax.Array]]]


def value_and_gradients(objective: Objective, microbatches: int) -> Callable[[Any, Any, Any], Any]:
    """Returns the function (trainable, frozen, batch) -> ((value, parts), gradients).

    objective: a mean over examples, as a function of the same three. The batch's arrays are cut into so many equal parts along
    their first axis; values and gradients are the means over the parts.
    """
    differentiated = jax.value_and_grad(objective, has_aux=True)

    def of_whole(trainable: Any, frozen: Any, batch: Any) -> Any:
        def add(total: Any, part: Any) -> tuple[Any, None]:
            return jax.tree.map(lambda a, b: a + b / microbatches, total, differentiated(trainable, frozen, part)), None

        parts = _cut(batch, microbatches)
        like = jax.eval_shape(differentiated, trainable, frozen, jax.tree.map(lambda part: part[0], parts))
        nothing = jax.tree.map(lambda leaf: jax.numpy.zeros(leaf.shape, leaf.dtype), like)
        return jax.lax.scan(add, nothing, parts)[0]

    return differentiated if microbatches == 1 else of_whole


def in_pieces(encode: Callable[[jax.Array], jax.Array], examples: jax.Array, pieces: int) -> jax.Array:
    """Returns encode(examples), [N, ...], computed in so many pieces, whose insides are computed again for the gradient.

    This is the gradient cache of a contrastive loss, which needs all embeddings at once (Gao et al. 2021, arXiv 2101.06983): the
    embeddings are kept, the loss's gradient on them is taken, and each piece is encoded once more to pass it on.
    """
    if pieces == 1:
        return encode(examples)
    found = jax.lax.map(jax.checkpoint(encode), _cut(examples, pieces))
    return found.reshape(-1, *found.shape[2:])


def _cut(tree: Any, parts: int) -> Any:
    return jax.tree.map(lambda array: array.reshape(parts, -1, *array.shape[1:]), tree)
