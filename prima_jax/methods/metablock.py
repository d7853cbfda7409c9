"""MetaBlock: metadata decide, channel by channel, what of an image's feature map comes through.

Pacheco and Krohling, "An attention-based mechanism to combine images and metadata in deep learning models applied to skin
cancer classification", IEEE JBHI 25(9), 2021; https://github.com/paaatcha/MetaBlock. There V' = sigmoid(tanh(V f(m)) + g(m))
stands between a convolutional network and its linear classifier: m are one-hot columns, f and g a linear layer with BatchNorm,
V 64 groups of pooled features, trained with SGD and class weights.

Our adaptation: V are the tokens of DINOv3, each of its d features a channel; LayerNorm for BatchNorm, which depends on the
batch; LayerNorm and a linear layer over class token and mean patch, as in the image-only row; numbers as one-hot bins, nothing
for what is missing; AdamW with a cosine, to the last epoch. Left out: the schedule and the stopping by validation loss.
"""

from typing import NamedTuple

import numpy as np

from prima_jax.data.metadata import OneHot
from prima_jax.methods import fusion
from prima_jax.methods.metadata_rows import one_hot_columns
from prima_jax.methods.method import Bench
from prima_jax.methods.networks.fusion import MetaBlock
from prima_jax.stages.align import pad_columns
from prima_jax.stages.cases import Case

__all__ = ["METHOD"]

NAME = "metablock"


class State(NamedTuple):
    """The trained model, and what its columns mean."""

    fused: fusion.Fused
    one_hot: OneHot


def fit(bench: Bench, train: list[Case]) -> State:
    """Trains image encoder, block and classifier on the photographs of the training cases."""
    one_hot, columns = one_hot_columns(bench, train)
    return State(fusion.fit(bench, train, NAME, _head(bench), pad_columns(columns)), one_hot)


def predict(bench: Bench, state: State, test: list[Case]) -> np.ndarray:
    """[len(test), C]."""
    columns = state.one_hot.encode([bench.context.prepared.records[case.row] for case in test])
    return fusion.predict(bench, state.fused, test, NAME, _head(bench), pad_columns(columns))


def _head(bench: Bench) -> MetaBlock:
    return MetaBlock(len(bench.context.prepared.study.classes))


METHOD = fusion.method(NAME, fit, predict)
