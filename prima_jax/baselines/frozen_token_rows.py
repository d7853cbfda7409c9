"""What the tokens of a frozen image encoder say, alone and beside the metadata, without training a neural network.

The encoder is as published. Without weights it is as drawn at random, which the rows' titles say: such a row tells what
pictures give away to features that have learnt nothing.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler

from prima_jax.baselines import plain
from prima_jax.baselines.backbones import case_mean, frozen_tokens, photographs
from prima_jax.baselines.metadata_rows import labels, one_hot_parts
from prima_jax.baselines.method import EQUAL_CLASSES, UNWEIGHTED, Bench, Method, fitted_in_seconds
from prima_jax.stages.cases import Case

__all__ = ["METHODS"]

INVERSE_PENALTY = 0.01
METADATA_WEIGHT = 3.0
"""What standardised columns of the metadata are multiplied by, so that the penalty weighs less on them than on tokens."""
CHOSEN = "chosen on held-out folds of PAD-UFES-20"


class Photographs(NamedTuple):
    """The training fold's: class tokens [P, d], labels [P]."""

    tokens: np.ndarray
    labels: np.ndarray


def class_tokens(bench: Bench, cases: list[Case]) -> np.ndarray:
    """Of the cases' photographs, one case after the other: float32 [photographs, d]."""
    tokens = frozen_tokens(bench)
    return tokens[np.concatenate(photographs(cases)), : tokens.shape[1] // 2]


def fit_photographs(bench: Bench, train: list[Case]) -> Photographs:
    """Nearest neighbours are photographs, each with the label of its case."""
    counts = [len(positions) for positions in photographs(train)]
    return Photographs(class_tokens(bench, train), np.repeat(labels(train), counts))


def nearest_neighbours(bench: Bench, state: Photographs, test: list[Case]) -> np.ndarray:
    """A case is the mean over the votes for its photographs: [len(test), C]."""
    classes = len(bench.context.prepared.study.classes)
    return case_mean(plain.nearest_neighbours(*state, class_tokens(bench, test), classes), test)


def logistic(bench: Bench, train: list[Case], test: list[Case], *, metadata: bool) -> np.ndarray:
    """Logistic regression on the tokens, and on the one-hot columns of Eq. 6 without the label: [len(test), C]."""
    columns, asked = standardised(case_tokens(bench, train), case_tokens(bench, test))
    if metadata:
        beside = standardised(*one_hot_parts(bench, train, test))
        columns, asked = (
            np.concatenate([tokens, METADATA_WEIGHT * more], axis=1)
            for tokens, more in zip((columns, asked), beside, strict=True)
        )
    classes = len(bench.context.prepared.study.classes)
    return plain.logistic_regression(columns, labels(train), asked, classes, inverse_penalty=INVERSE_PENALTY)


def case_tokens(bench: Bench, cases: list[Case]) -> np.ndarray:
    """The class token and the mean patch token, each the mean over the case's photographs: [len(cases), 2d]."""
    return case_mean(frozen_tokens(bench)[np.concatenate(photographs(cases))], cases)


def standardised(train: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns with mean 0 and deviation 1 over the training cases; one that is constant there is only moved."""
    if not train.shape[1]:
        return train, asked
    scaler = StandardScaler().fit(train.astype(np.float64))
    return scaler.transform(train), scaler.transform(asked)


METHODS = (
    Method("nearest_neighbours", frozenset({"images"}), fit_photographs, nearest_neighbours, note=UNWEIGHTED),
    fitted_in_seconds("frozen_tokens", {"images"}, partial(logistic, metadata=False), f"{EQUAL_CLASSES}; C was {CHOSEN}"),
    fitted_in_seconds(
        "frozen_tokens_metadata",
        {"images", "metadata"},
        partial(logistic, metadata=True),
        f"{EQUAL_CLASSES}; C and the weight of the metadata were {CHOSEN}",
    ),
)
