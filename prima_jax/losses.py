"""Equations 1-7 of the paper: the four alignment losses and their sum, pure and jittable.

N is the number of patients ("units": a lesion, an eye) in the batch, D the width of the shared space, K the number of
patch tokens, L the number of text tokens, C the width of a metadata vector. Everything is computed in float32 (float64
where the inputs are float64), whatever the inputs' type. Inputs of a wrong rank, shape or type raise AssertionError
while tracing, and nothing of that is compiled.

With `axis_name` every device passes its own share of the batch; the other devices' tokens are gathered, so that the
mean over the axis of the value, and of its gradient, equals that of one device with the whole batch.
"""

from typing import Literal

import chex
import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "alignment_loss",
    "cross_attention",
    "gather",
    "global_semantic_loss",
    "image_consistency_loss",
    "local_semantic_loss",
    "own_columns",
    "similarity",
    "soft_semantic_loss",
    "soft_targets",
]

Array = jax.Array
PATIENTS_PER_CHUNK = 64  # patients whose local loss is computed at a time, to bound the memory
_LARGEST_SCORE = 1e20  # keeps Eq. 4 and the targets of Eq. 6 finite where q . p or <y_i, y_j> would overflow float32
_AXES = {"p_cls": "N2D", "p_seq": "N2KD", "q_cls": "ND", "q_seq": "NLD", "q_mask": "NL", "y": "NC"}


def similarity(a: Array, b: Array, temperature: float | Array) -> Array:
    """Eq. 1 for every pair of rows: the cosine of a [..., N, D] and b [..., M, D] over tau, as [..., N, M].

    Two vectors [D] give a scalar. A zero vector has similarity 0 with everything, and gradient 0.
    """
    _check_widths(a, b)
    chex.assert_rank(temperature, 0)
    return _dot(_unit(_accurate(a)), _unit(_accurate(b))) / temperature


def image_consistency_loss(
    p_cls: Array,
    *,
    temperature: float | Array,
    anchors: Literal["printed", "both"] = "printed",
    axis_name: str | None = None,
) -> Array:
    """Eq. 2, L_img: InfoNCE between the two views of a patient, against all other views of the batch. p_cls [N, 2, D] -> scalar.

    `anchors="printed"` takes view 1 as the only anchor, as the paper does; "both" averages over both views as anchors.
    """
    _check(p_cls=p_cls)
    first, second = p_cls[:, 0], p_cls[:, 1]
    loss = _view_contrast(first, second, temperature, axis_name)
    if anchors == "printed":
        return loss
    if anchors == "both":
        return (loss + _view_contrast(second, first, temperature, axis_name)) / 2
    raise ValueError(f'anchors is "printed" or "both", not {anchors!r}')


def global_semantic_loss(p_cls: Array, q_cls: Array, *, temperature: float | Array, axis_name: str | None = None) -> Array:
    """Eq. 3, L_glo: symmetric InfoNCE between the image's and the text's class tokens.

    p_cls [N, 2, D], q_cls [N, D] -> scalar.
    """
    _check(p_cls=p_cls, q_cls=q_cls)
    own = own_columns(p_cls.shape[0], axis_name)
    own_pairs = [_take(log_p, own) for log_p in _log_softmaxes(p_cls, q_cls, temperature, axis_name)]
    return -jnp.mean(jnp.stack(own_pairs))


def cross_attention(p_seq: Array, q_seq: Array) -> Array:
    """Eq. 4, alpha: the attention of each text token to each patch.

    p_seq [..., K, D], q_seq [..., L, D] -> [..., L, K]; every row sums to one.
    """
    _check_widths(p_seq, q_seq)
    p, q = _accurate(p_seq), _accurate(q_seq)
    p_scale, q_scale = _scale(p), _scale(q)
    magnitude = jnp.minimum(q_scale * jnp.swapaxes(p_scale, -1, -2) / jnp.sqrt(p.shape[-1]), _LARGEST_SCORE)
    return jax.nn.softmax(_dot(q / q_scale, p / p_scale) * magnitude, axis=-1)


def local_semantic_loss(
    p_seq: Array,
    q_seq: Array,
    q_mask: Array,
    *,
    temperature: float | Array,
    negatives: Literal["printed", "symmetric"] = "printed",
    pooling: Literal["attention", "mean"] = "attention",
    axis_name: str | None = None,
) -> Array:
    """Eqs. 4-5, L_loc: contrasts each text token with its attended image feature against those of the patient's other tokens.

    p_seq [N, 2, K, D], q_seq [N, L, D], q_mask [N, L] (True: a word) -> scalar. Masked tokens are neither anchors nor
    negatives; a patient without a word adds 0. A patient's tokens are contrasted with each other only, so `axis_name`
    changes nothing; it is accepted so that all four losses are called alike.

    `negatives="printed"`: both denominators run over phat^m against q^l, which makes the two terms of Eq. 5 equal;
    "symmetric" contrasts phat^l with every q^m in the second term. `pooling="mean"` is the ablation L_loc_dir, in
    which phat is the mean patch for every token; with printed negatives it is the constant log L.
    """
    del axis_name
    _check(p_seq=p_seq, q_seq=q_seq, q_mask=q_mask)

    def patient(p: Array, q: Array, mask: Array) -> Array:
        return _token_contrast(p, q, mask, temperature, negatives, pooling)

    if p_seq.shape[0] <= PATIENTS_PER_CHUNK:
        per_patient = patient(p_seq, q_seq, q_mask)
    else:  # recomputed in the backward pass, so that no array beside the gradient itself grows with N L K or N L D
        recomputed = jax.checkpoint(lambda arrays: patient(*arrays), prevent_cse=False)
        per_patient = jax.lax.map(recomputed, (p_seq, q_seq, q_mask), batch_size=PATIENTS_PER_CHUNK)
    return -jnp.mean(per_patient) / 4


def soft_targets(y: Array, *, label_temperature: float | Array) -> Array:
    """The targets of Eq. 6: s_ij = softmax_j(<y_i, y_j> / tau_label). y [N, C] -> [N, N], rows sum to one."""
    _check(y=y)
    y = _accurate(y)
    # Scaled by a power of two, which rounds nothing, so that no inner product overflows.
    unit = jax.lax.reduce_precision(jnp.max(_scale(y)), exponent_bits=8, mantissa_bits=0)
    scores = _dot(y / unit, y / unit) * jnp.minimum(unit * unit, _LARGEST_SCORE)
    return jax.nn.softmax(scores / label_temperature, axis=-1)


def soft_semantic_loss(
    p_cls: Array,
    q_cls: Array,
    y: Array,
    *,
    temperature: float | Array,
    label_temperature: float | Array,
    normalizer: Literal["printed", "batch"] = "printed",
    axis_name: str | None = None,
) -> Array:
    """Eq. 6, L_soft: InfoNCE with soft targets from the similarity of the patients' metadata.

    p_cls [N, 2, D], q_cls [N, D], y [N, C] (one-hot metadata, label columns times 3) -> scalar.
    `normalizer="printed"` divides by 4 N^2 as the paper does; "batch" by 4 N, so that the loss does not shrink with N.
    """
    _check(p_cls=p_cls, q_cls=q_cls, y=y)
    share = p_cls.shape[0]
    own = own_columns(share, axis_name)
    targets = soft_targets(gather(y, axis_name), label_temperature=label_temperature)  # [N, N]
    batch = targets.shape[0]
    # s_ij of this device's images i to all texts j, and of all images i to its texts j; the same in both views
    weights = [targets[own], targets[:, own].T] * 2
    log_ps = _log_softmaxes(p_cls, q_cls, temperature, axis_name)
    total = jnp.sum(jnp.stack([jnp.sum(s * log_p) for s, log_p in zip(weights, log_ps, strict=True)]))
    if normalizer == "printed":
        return -total / (4 * share * batch)
    if normalizer == "batch":
        return -total / (4 * share)
    raise ValueError(f'normalizer is "printed" or "batch", not {normalizer!r}')


def alignment_loss(
    p_cls: Array,
    p_seq: Array,
    q_cls: Array,
    q_seq: Array,
    q_mask: Array,
    y: Array,
    *,
    temperature: float | Array,
    label_temperature: float | Array,
    weights: tuple[float, float, float, float] = (0.2, 0.3, 0.2, 0.3),
    axis_name: str | None = None,
    anchors: Literal["printed", "both"] = "printed",
    negatives: Literal["printed", "symmetric"] = "printed",
    pooling: Literal["attention", "mean"] = "attention",
    normalizer: Literal["printed", "batch"] = "printed",
) -> tuple[Array, dict[str, Array]]:
    """Eq. 7: the weighted sum of L_img, L_glo, L_loc and L_soft, and the four terms by name, unweighted.

    p_cls [N, 2, D], p_seq [N, 2, K, D], q_cls [N, D], q_seq [N, L, D], q_mask [N, L], y [N, C].
    """
    _check(p_cls=p_cls, p_seq=p_seq, q_cls=q_cls, q_seq=q_seq, q_mask=q_mask, y=y)
    parts = {
        "image": image_consistency_loss(p_cls, temperature=temperature, anchors=anchors, axis_name=axis_name),
        "global": global_semantic_loss(p_cls, q_cls, temperature=temperature, axis_name=axis_name),
        "local": local_semantic_loss(
            p_seq, q_seq, q_mask, temperature=temperature, negatives=negatives, pooling=pooling, axis_name=axis_name
        ),
        "soft": soft_semantic_loss(
            p_cls,
            q_cls,
            y,
            temperature=temperature,
            label_temperature=label_temperature,
            normalizer=normalizer,
            axis_name=axis_name,
        ),
    }
    loss = jnp.sum(jnp.stack([weight * part for weight, part in zip(weights, parts.values(), strict=True)]))
    return loss, parts


def _view_contrast(anchor: Array, other: Array, temperature: float | Array, axis_name: str | None) -> Array:
    own = own_columns(anchor.shape[0], axis_name)
    across = similarity(anchor, gather(other, axis_name), temperature)
    within = similarity(anchor, gather(anchor, axis_name), temperature)
    within = jnp.where(jax.nn.one_hot(own, within.shape[1], dtype=bool), -jnp.inf, within)  # k != i
    log_probability = _take(across, own) - jax.nn.logsumexp(jnp.concatenate([across, within], axis=1), axis=1)
    return -jnp.mean(log_probability)


def _token_contrast(p_seq: Array, q_seq: Array, mask: Array, temperature: float | Array, negatives: str, pooling: str) -> Array:
    """The sum over l and j of Eq. 5, over L: p_seq [..., 2, K, D], q_seq [..., L, D], mask [..., L] -> [...]."""
    p, q = _accurate(p_seq), _accurate(q_seq)[..., None, :, :]  # [..., 2, K, D], [..., 1, L, D]
    p_hat = _attended_features(p, q, pooling)  # [..., 2, L, D]
    scores = similarity(q, p_hat, temperature)  # [..., 2, L, M]: q^l against phat^m
    valid = mask[..., None, :]  # [..., 1, L]
    first = _diagonal_log_softmax(scores, valid)
    if negatives == "printed":
        both = 2 * first
    elif negatives == "symmetric":
        both = first + _diagonal_log_softmax(jnp.swapaxes(scores, -1, -2), valid)
    else:
        raise ValueError(f'negatives is "printed" or "symmetric", not {negatives!r}')
    words = jnp.maximum(jnp.sum(valid, axis=-1, dtype=both.dtype), 1)  # [..., 1]
    return jnp.sum(jnp.sum(jnp.where(valid, both, 0), axis=-1) / words, axis=-1)


def _attended_features(p: Array, q: Array, pooling: str) -> Array:
    if pooling == "attention":
        return jnp.einsum("...lk,...kd->...ld", cross_attention(p, q), p, precision="highest")
    if pooling == "mean":
        mean = jnp.mean(p, axis=-2, keepdims=True)
        return jnp.broadcast_to(mean, (*p.shape[:-2], q.shape[-2], p.shape[-1]))
    raise ValueError(f'pooling is "attention" or "mean", not {pooling!r}')


def _diagonal_log_softmax(scores: Array, valid: Array) -> Array:
    """log softmax over the valid last entries, on the diagonal: [..., L, L] -> [..., L]; 0 where nothing is valid."""
    candidates = jnp.where(valid[..., None, :], scores, -jnp.inf)
    # A row in which nothing is valid would be -inf minus -inf: it is replaced before, so that its gradient is 0 too.
    candidates = jnp.where(jnp.any(valid, axis=-1)[..., None, None], candidates, 0)
    diagonal = jnp.diagonal(scores, axis1=-2, axis2=-1)
    return diagonal - jax.nn.logsumexp(candidates, axis=-1)


def _log_softmaxes(p_cls: Array, q_cls: Array, temperature: float | Array, axis_name: str | None) -> list[Array]:
    """The four log-softmaxes of Eqs. 3 and 6, each [own share, N]: image to text and text to image in view 1, then in view 2."""
    all_p, all_q = gather(p_cls, axis_name), gather(q_cls, axis_name)
    pairs = [(a, b) for view in range(2) for a, b in ((p_cls[:, view], all_q), (q_cls, all_p[:, view]))]
    return [jax.nn.log_softmax(similarity(a, b, temperature), axis=-1) for a, b in pairs]


def _take(matrix: Array, columns: Array) -> Array:
    return jnp.take_along_axis(matrix, columns[:, None], axis=1)[:, 0]


def _dot(a: Array, b: Array) -> Array:
    return jnp.einsum("...d,...d->...", a, b, precision="highest") if a.ndim == b.ndim == 1 else _pairs(a, b)


def _pairs(a: Array, b: Array) -> Array:
    return jnp.einsum("...nd,...md->...nm", a, b, precision="highest")


def _accurate(x: Array) -> Array:
    return x.astype(np.promote_types(x.dtype, np.float32))


def _scale(x: Array) -> Array:
    """The largest absolute entry of each row, 1 for a zero row; a constant, since it cancels wherever it is used."""
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=-1, keepdims=True))
    return jnp.where(largest > 0, largest, 1)


def _unit(x: Array) -> Array:
    """Rows of length one; scaled first, so that no square over- or underflows. A zero row stays zero."""
    x = x / _scale(x)
    squared = jnp.sum(x * x, axis=-1, keepdims=True)
    return jnp.where(squared > 0, x / jnp.sqrt(jnp.where(squared > 0, squared, 1)), 0)


def gather(x: Array, axis_name: str | None) -> Array:
    """Returns the rows of all devices, in their order: [N / devices, ...] -> [N, ...]."""
    return x if axis_name is None else jax.lax.all_gather(x, axis_name, tiled=True)


def own_columns(share: int, axis_name: str | None) -> Array:
    """Returns the positions of this device's rows in the gathered batch: [share]."""
    first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * share
    return first + jnp.arange(share)


def _check(**arrays: Array) -> None:
    """Raises AssertionError, while tracing only, with all shapes if ranks, shapes or dtypes of the arguments do not fit."""
    shapes = ", ".join(f"{name} [{', '.join(_AXES[name])}] is {x.dtype} {list(x.shape)}" for name, x in arrays.items())
    sizes = {"2": 2}
    for name, x in arrays.items():
        chex.assert_rank(x, len(_AXES[name]), custom_message=shapes)
        chex.assert_type(x, bool if name == "q_mask" else float, custom_message=shapes)
        sizes = dict(zip(_AXES[name], x.shape, strict=True)) | sizes
    for name, x in arrays.items():
        chex.assert_shape(x, tuple(sizes[axis] for axis in _AXES[name]), custom_message=shapes)


def _check_widths(a: Array, b: Array) -> None:
    shapes = f"{a.dtype} {list(a.shape)} and {b.dtype} {list(b.shape)}"
    chex.assert_type([a, b], float, custom_message=shapes)
    chex.assert_equal_shape_suffix([a, b], 1, custom_message=shapes)
