"""PRIMA itself, and its ablations, as rows of a table: stages 1 to 3 as the config has them."""

from typing import Any

import numpy as np

from prima_jax.methods.method import Bench, Method
from prima_jax.stages import diagnose, pipeline
from prima_jax.stages.cases import Case

__all__ = ["METHOD"]


def fit(bench: Bench, train: list[Case]) -> Any:
    """All stages; what another row has trained with the same settings is read back."""
    context, fold, tokenizers = bench
    encoders = pipeline.train_encoders(context, fold, tokenizers)
    images, texts = pipeline.frozen_features(context, fold, tokenizers, encoders)
    return diagnose.run(context, fold, tokenizers.llm, train, images, texts), images, texts


def predict(bench: Bench, state: Any, test: list[Case]) -> np.ndarray:
    """[len(test), C]."""
    model, images, texts = state
    return diagnose.predict(bench.context, model, test, images, texts)


METHOD = Method("prima", frozenset({"images", "metadata"}), fit, predict, reads_corpus=True)
