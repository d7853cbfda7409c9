"""The encoders that baselines hold frozen, the same for all of them, and what these say of every record, computed once.

Published weights are taken as they are. A run without weights has nothing published: there the text encoder is what
masked-language training on the fold's own training sentences makes of it, without the corpus, and the image encoder is
what the image-only row trained on the fold's labels.
"""

from typing import Any

import numpy as np

from prima_jax.methods.method import Bench, Method
from prima_jax.stages import image_features, knowledge, pipeline, refine
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.text_features import TextTokens

__all__ = [
    "case_mean",
    "image_encoder",
    "image_tokens",
    "photographs",
    "pooled",
    "row_bench",
    "sentence_vectors",
    "text_encoder",
    "text_tokens",
]


_SENTENCES_AT_ONCE = 256


def row_bench(context: Context, fold: Fold, method: Method) -> Bench:
    """Where a method works. But for PRIMA's rows the tokenizers have not read the corpus either."""
    return Bench(context, fold, pipeline.make_tokenizers(context if method.reads_corpus else _without_corpus(context), fold))


def image_encoder(bench: Bench) -> dict[str, Any]:
    """The variables of the frozen image encoder."""
    context, fold, _ = bench
    if context.config.models.image.weights:
        return context.image_encoder.variables
    return refine.run(context, fold, context.image_encoder.variables, name="image_only")[0]


def image_tokens(bench: Bench) -> np.ndarray:
    """Its tokens of every record and stored view, [R, V, 1 + K, d], view 0 the whole photograph: a read-only memory map."""
    context, fold, _ = bench
    whose = None if context.config.models.image.weights else fold.index  # published, it is the same in every fold
    folder, seed = context.place("frozen_features", whose), context.seed("features", whose)
    return image_features.image_tokens(context, image_encoder(bench), folder, seed=seed)


def text_encoder(bench: Bench) -> dict[str, Any]:
    """The variables of the frozen text encoder, which has not read the corpus: that of the ablation without knowledge."""
    context = _without_corpus(bench.context)
    texts = pipeline.training_sentences(context, bench.fold) if context.config.knowledge.include_sentences else []
    if not texts:
        return bench.context.text_encoder.variables
    return knowledge.run(context, bench.fold, bench.tokenizers.text, texts)


def text_tokens(bench: Bench) -> TextTokens:
    """Its tokens of every record's sentence: index [R, V'], version 0 says all that is known."""
    return pipeline.record_texts(bench.context, pipeline.Encoders(text_encoder(bench), {}), bench.tokenizers)


def sentence_vectors(texts: TextTokens, train: list[Case], *, pooling: str = "words") -> np.ndarray:
    """Each distinct sentence as a vector, standardised over what is known of the training cases: float32 [S + 1, d].

    Standardised, since embeddings that no label has trained differ little from one sentence to another.
    """
    vectors = pooled(texts, pooling)
    known = vectors[texts.index[[case.row for case in train], 0]]
    return (vectors - known.mean(axis=0)) / np.maximum(known.std(axis=0), 1e-6)


def pooled(texts: TextTokens, pooling: str) -> np.ndarray:
    """Sentences by their "class" token, or as the mean over their "words" (zero for none): float32 [S + 1, d]."""
    if pooling == "class":
        return np.asarray(texts.tokens[:, 0], np.float32)
    found = np.zeros((len(texts.tokens), texts.tokens.shape[-1]), np.float32)
    for start in range(0, len(found), _SENTENCES_AT_ONCE):
        part = slice(start, start + _SENTENCES_AT_ONCE)
        words = texts.words[part, :, None]
        sums = np.where(words, texts.tokens[part, 1:], 0).sum(axis=1, dtype=np.float32)
        found[part] = sums / np.maximum(words.sum(axis=1), 1).astype(np.float32)
    return found


def photographs(cases: list[Case]) -> list[list[int]]:
    """The positions of each case's photographs."""
    return [[p for slot in case.slots for p in slot] for case in cases]


def case_mean(by_photograph: np.ndarray, cases: list[Case]) -> np.ndarray:
    """The mean over each case's photographs, which stand one case after the other: [photographs, C] -> [cases, C]."""
    ends = np.cumsum([len(p) for p in photographs(cases)])[:-1]
    return np.stack([part.mean(axis=0) for part in np.split(by_photograph, ends)])


def _without_corpus(context: Context) -> Context:
    config = context.config.copy_and_resolve_references()
    with config.unlocked():
        config.knowledge.corpus = ""
    return context.reconfigured(config)
