"""What the tests of the losses share: random patients, temperatures, and every option of every term."""

import numpy as np

from prima_jax import losses

__all__ = ["FLOAT32", "OPTIONS", "TAU", "TAU_LABEL", "alignment", "tokens"]

TAU, TAU_LABEL = 0.2, 0.7
# float32 cosines carry about 1e-7, divided by tau = 0.2 and summed over at most 2N = 16 exponentials: below 5e-6.
FLOAT32 = {"rtol": 5e-6, "atol": 5e-6}
OPTIONS = [
    {"anchors": "printed", "negatives": "printed", "pooling": "attention", "normalizer": "printed"},
    {"anchors": "both", "negatives": "symmetric", "pooling": "attention", "normalizer": "batch"},
    {"anchors": "printed", "negatives": "printed", "pooling": "mean", "normalizer": "batch"},
    {"anchors": "both", "negatives": "symmetric", "pooling": "mean", "normalizer": "printed"},
]
"""Each option belongs to one term, so that four programs hold every option of L_img and L_soft and every pair of L_loc's."""


def tokens(n=8, k=5, length=4, d=6, columns=7, seed=0, dtype=np.float32):
    """p_cls, p_seq, q_cls, q_seq, q_mask, y of n patients; one patient has no word at all."""
    r = np.random.default_rng(seed)
    mask = r.random((n, length)) < 0.7
    mask[0] = False
    mask[1] = True
    y = (r.random((n, columns)) < 0.4) * np.array([1] * (columns - 2) + [3, 3])
    arrays = (r.normal(size=s) for s in ((n, 2, d), (n, 2, k, d), (n, d), (n, length, d)))
    return (*(a.astype(dtype) for a in arrays), mask, y.astype(dtype))


def alignment(*arrays, **options):
    return losses.alignment_loss(*arrays, temperature=TAU, label_temperature=TAU_LABEL, **options)
