"""Row 1, DINOv3 + LoRA: the image encoder with a linear head, trained on labels; a case is the mean over its photographs.

The paper names it and gives neither rank nor head. Ours: LoRA of stage 2's rank, LayerNorm and a linear layer over the class
token and the mean patch. Without weights the encoder is trained whole.
"""

import numpy as np

from prima_jax.methods.frozen_encoders import case_mean, photographs
from prima_jax.methods.method import Bench, Method
from prima_jax.stages import refine
from prima_jax.stages.cases import Case

__all__ = ["METHOD"]


def fit(bench: Bench, train: list[Case]) -> refine.Refined:
    """Trains on all photographs of the training fold."""
    context, fold, _ = bench
    return refine.run(context, fold, context.image_encoder.variables, name="image_only")


def predict(bench: Bench, state: refine.Refined, test: list[Case]) -> np.ndarray:
    """[len(test), C]."""
    positions = np.concatenate(photographs(test))
    return case_mean(refine.classify_images(bench.context, state, positions), test)


METHOD = Method("image_only", frozenset({"images"}), fit, predict)
