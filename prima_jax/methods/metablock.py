"""MetaBlock: metadata decide, channel by channel, what of an image's feature map comes through.

Pacheco and Krohling, "An attention-based mechanism to combine images and metadata in deep learning models applied to skin
cancer classification", IEEE JBHI 25(9), 2021; https://github.com/paaatcha/MetaBlock. There V' = sigmoid(tanh(V f(m)) + g(m))
stands between a convolutional network and its linear classifier: m are one-hot columns, f and g a linear layer with BatchNorm,
V 64 groups of pooled features, trained with SGD and class weights.

Our adaptation: V are the tokens of DINOv3, each of its d features a channel; LayerNorm for BatchNorm, which depends on the
batch; LayerNorm and a linear layer over class token and mean patch, as in the image-only row; numbers as one-hot bins, nothing
for what is missing; AdamW with a cosine, to the last epoch. Left out: the schedule and the stopping by validation loss.
"""

from prima_jax.methods import fusion
from prima_jax.methods.metadata_rows import one_hot_columns
from prima_jax.methods.method import Bench
from prima_jax.methods.networks.fusion import MetaBlock
from prima_jax.stages.align import pad_columns
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context

__all__ = ["METHOD"]


def _head(context: Context) -> MetaBlock:
    return MetaBlock(len(context.prepared.study.classes))


def _columns(bench: Bench, train: list[Case]) -> fusion.Vectors:
    columns = one_hot_columns(bench, train)
    return lambda cases: pad_columns(columns(cases))


METHOD = fusion.method("metablock", _head, _columns)
