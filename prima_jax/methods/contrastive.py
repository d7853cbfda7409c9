"""The contrastive losses of MedBLIP and MLRG, pure and jittable, in float32 or better.

As in prima_jax/losses.py: with `axis_name` every device passes its own share of the batch, and the mean of the value over
the axis, and of its gradient, is that of one device with the whole batch.
"""

import jax
import jax.numpy as jnp
import optax

from prima_jax.losses import cross_attention, gather, own_columns, similarity

__all__ = ["image_text_loss", "query_text_loss", "token_loss", "view_loss"]

Array = jax.Array
_NEVER = -1e9  # a logit that no softmax sees; finite, so that a row in which nothing is seen has no NaN in its gradient


def query_text_loss(
    queries: Array, texts: Array, *, temperature: float | Array, smoothing: float, axis_name: str | None = None
) -> Array:
    """ITC of BLIP-2 and MedBLIP: s_ij = max_m cos(z_im, t_j) / tau, and 1/2 [CE(s, diagonal) + CE(s^T, diagonal)].

    queries z [N, M, D], texts t [N, D] -> scalar; the targets are smoothed, 1 - smoothing + smoothing / N for one's own.
    """
    all_queries, all_texts = gather(queries, axis_name), gather(texts, axis_name)
    to_texts = similarity(queries, all_texts, temperature).max(axis=1)  # [own share, N]
    to_images = similarity(all_queries, texts, temperature).max(axis=1).T
    own = jax.nn.one_hot(own_columns(len(texts), axis_name), len(all_texts), dtype=to_texts.dtype)
    targets = optax.smooth_labels(own, smoothing)
    first, second = (optax.softmax_cross_entropy(s, targets).mean() for s in (to_texts, to_images))
    return (first + second) / 2


def view_loss(images: Array, units: Array, present: Array, *, temperature: float | Array, axis_name: str | None = None) -> Array:
    """MLRG (a): a softmax over all other photographs, whose target is uniform over the others of the same unit.

    images [M, D], units int [M], present bool [M] -> scalar. Photographs without another of their unit are dropped, as
    anchors and as candidates; 0 where none is left.
    """
    all_images, all_units, all_present = (gather(x, axis_name) for x in (images, units, present))
    itself = jax.nn.one_hot(own_columns(len(images), axis_name), len(all_images), dtype=bool)
    same = _same(units, present, all_units, all_present) & ~itself
    anchors = same.any(axis=1)
    candidates = gather(anchors, axis_name)[None] & ~itself
    scores = jnp.where(candidates, similarity(images, all_images, temperature), _NEVER)
    return _mean(_uniform_cross_entropy(scores, same), anchors, axis_name)


def image_text_loss(
    images: Array, texts: Array, units: Array, present: Array, *, temperature: float | Array, axis_name: str | None = None
) -> Array:
    """MLRG (b): InfoNCE from images to texts and back, with targets uniform over the rows of the same unit.

    images and texts [M, D], row by row; units int [M]; present bool [M] -> scalar.
    """
    all_images, all_texts, all_units, all_present = (gather(x, axis_name) for x in (images, texts, units, present))
    same = _same(units, present, all_units, all_present)
    ways = similarity(images, all_texts, temperature), similarity(texts, all_images, temperature)
    seen = [jnp.where(all_present[None], way, _NEVER) for way in ways]
    first, second = (_mean(_uniform_cross_entropy(scores, same), present, axis_name) for scores in seen)
    return (first + second) / 2


def token_loss(patches: Array, tokens: Array, mask: Array, *, temperature: float | Array, axis_name: str | None = None) -> Array:
    """MLRG (c): each text token and what it attends to among the patches find each other within the report, both ways.

    patches [M, K, D], tokens [M, L, D], mask bool [M, L] (True: a word of a report that counts) -> the mean over words.
    """
    attended = jnp.einsum("mlk,mkd->mld", cross_attention(patches, tokens), patches, precision="highest")
    scores = similarity(tokens, attended, temperature)  # [M, L, L]
    itself = jnp.broadcast_to(jnp.eye(tokens.shape[1], dtype=bool), scores.shape)
    ways = scores, jnp.swapaxes(scores, 1, 2)
    seen = [jnp.where(mask[:, None], way, _NEVER) for way in ways]
    first, second = (_mean(_uniform_cross_entropy(way, itself), mask, axis_name) for way in seen)
    return (first + second) / 2


def _uniform_cross_entropy(scores: Array, targets: Array) -> Array:
    """Cross-entropy of softmax(scores) with a target that is uniform where `targets` is True: [..., N] -> [...]."""
    share = targets / jnp.maximum(targets.sum(axis=-1, keepdims=True), 1)
    return -jnp.where(targets, share * jax.nn.log_softmax(scores, axis=-1), 0).sum(axis=-1)


def _mean(values: Array, counted: Array, axis_name: str | None) -> Array:
    """The mean of those counted on all devices together, written so that the mean over the axis is just that."""
    count = counted.sum().astype(values.dtype)
    count = count if axis_name is None else jax.lax.pmean(count, axis_name)
    return jnp.where(counted, values, 0).sum() / jnp.where(count > 0, count, 1)


def _same(units: Array, present: Array, all_units: Array, all_present: Array) -> Array:
    return (units[:, None] == all_units[None]) & present[:, None] & all_present[None]
