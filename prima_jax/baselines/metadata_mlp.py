"""Row 2, DINOv3 + metadata via MLP: the image encoder's class token and a frozen text encoder's, joined by an MLP.

The paper says that visual features are combined with vanilla Clinical ModernBERT embeddings by an MLP, and gives neither
pooling nor depth. Ours: z = [LayerNorm(cls(image)); LayerNorm(e)], logits = W2 GELU(W1 z). e is the mean over the words of the
case's sentence, all that is known, from the encoder that has not read the corpus (`pooling = "class"` takes the class token,
which masked-language training has no use for): computed once, and standardised over the training cases, since embeddings that
no label has trained differ little from one sentence to another. The image encoder is adapted
by LoRA (trained whole without weights) together with the MLP, on photographs; a case is the mean over its photographs. There
is no dropout, as nowhere in this project.
"""

from typing import NamedTuple

import numpy as np

from prima_jax.baselines import fusion
from prima_jax.baselines.backbones import text_tokens
from prima_jax.baselines.method import Bench
from prima_jax.models.fusion import MetadataMLP
from prima_jax.stages.cases import Case
from prima_jax.stages.features import TextTokens

__all__ = ["METHOD"]

NAME = "metadata_mlp"


class State(NamedTuple):
    """The trained model, the sentences' tokens, and the training cases' mean embedding and its standard deviation, each [d]."""

    fused: fusion.Fused
    texts: TextTokens
    mean: np.ndarray
    sd: np.ndarray


def fit(bench: Bench, train: list[Case]) -> State:
    """Trains image encoder and MLP on the photographs of the training cases."""
    texts = text_tokens(bench)
    found = embeddings(texts, train, _pooling(bench))
    mean, sd = found.mean(axis=0), np.maximum(found.std(axis=0), 1e-6)
    return State(fusion.fit(bench, train, NAME, _head(bench), (found - mean) / sd), texts, mean, sd)


def predict(bench: Bench, state: State, test: list[Case]) -> np.ndarray:
    """[len(test), C]."""
    vectors = (embeddings(state.texts, test, _pooling(bench)) - state.mean) / state.sd
    return fusion.predict(bench, state.fused, test, NAME, _head(bench), vectors)


def embeddings(texts: TextTokens, cases: list[Case], pooling: str) -> np.ndarray:
    """Each case's sentence, by its class token or as the mean over its words (zero for none): float32 [len(cases), d]."""
    rows = texts.index[[case.row for case in cases], 0]
    if pooling == "class":
        return texts.tokens[rows, 0].astype(np.float32)
    words = texts.words[rows, :, None]
    sums = np.where(words, texts.tokens[rows, 1:], 0).sum(axis=1, dtype=np.float32)
    return sums / np.maximum(words.sum(axis=1), 1).astype(np.float32)


def _pooling(bench: Bench) -> str:
    return str(bench.context.config.baselines[NAME].pooling)


def _head(bench: Bench) -> MetadataMLP:
    context = bench.context
    return MetadataMLP(len(context.prepared.study.classes), context.config.baselines[NAME].width)


METHOD = fusion.method(NAME, fit, predict)
