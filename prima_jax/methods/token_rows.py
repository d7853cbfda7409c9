"""What the tokens of an image encoder say, alone and beside the metadata, to a logistic regression.

The frozen encoder is as published. Without weights it is as drawn at random, which the rows' titles say: such a row tells what
pictures give away to features that have learnt nothing. Two rows look at PRIMA's own encoder, after stage 2 and after stage 2b:
a stage whose tokens say less than those that it began with has done harm, which the table's page says.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler

from prima_jax.methods import plain
from prima_jax.methods.frozen_encoders import case_mean, photographs
from prima_jax.methods.metadata_rows import labels, one_hot_columns
from prima_jax.methods.method import EQUAL_CLASSES, UNWEIGHTED, Bench, Method, fitted_in_seconds
from prima_jax.stages import pipeline
from prima_jax.stages.cases import Case
from prima_jax.stages.frozen_tokens import class_and_mean_tokens, frozen_tokens

__all__ = ["METHODS"]

INVERSE_PENALTY = 0.01
METADATA_WEIGHT = 3.0
"""What standardised columns of the metadata are multiplied by, so that the penalty weighs less on them than on tokens."""
CHOSEN = "chosen on held-out folds of PAD-UFES-20"
TAUGHT = f"{EQUAL_CLASSES}; the training cases' metadata and labels are part of what its encoder is taught"


Tokens = Callable[[Bench], np.ndarray]
"""The class token and the mean patch token of every record, float32 [R, 2d]."""


class Photographs(NamedTuple):
    """The training fold's: class tokens [P, d], labels [P]."""

    tokens: np.ndarray
    labels: np.ndarray


def class_tokens(bench: Bench, cases: list[Case]) -> np.ndarray:
    """Of the cases' photographs, one case after the other: float32 [photographs, d]."""
    tokens = frozen_tokens(bench.context)
    return tokens[np.concatenate(photographs(cases)), : tokens.shape[1] // 2]


def fit_photographs(bench: Bench, train: list[Case]) -> Photographs:
    """Nearest neighbours are photographs, each with the label of its case."""
    counts = [len(positions) for positions in photographs(train)]
    return Photographs(class_tokens(bench, train), np.repeat(labels(train), counts))


def nearest_neighbours(bench: Bench, state: Photographs, test: list[Case]) -> np.ndarray:
    """A case is the mean over the votes for its photographs: [len(test), C]."""
    classes = len(bench.context.prepared.study.classes)
    return case_mean(plain.nearest_neighbours(*state, class_tokens(bench, test), classes), test)


def first_tokens(bench: Bench) -> np.ndarray:
    """By the image encoder as it starts out."""
    return frozen_tokens(bench.context)


def aligned_tokens(bench: Bench) -> np.ndarray:
    """By PRIMA's image encoder after stage 2."""
    _, aligned = pipeline.aligned_encoders(*bench)
    return class_and_mean_tokens(bench.context, aligned.image_encoder)


def refined_tokens(bench: Bench) -> np.ndarray:
    """By PRIMA's image encoder after stage 2b, as stage 3 reads it."""
    return class_and_mean_tokens(bench.context, pipeline.train_encoders(*bench).image)


def logistic(
    bench: Bench, train: list[Case], test: list[Case], *, tokens: Tokens = first_tokens, metadata: bool = False
) -> np.ndarray:
    """Logistic regression on the tokens, and on the one-hot columns of Eq. 6 without the label: [len(test), C]."""
    by_record = tokens(bench)
    columns, asked = standardised(case_tokens(by_record, train), case_tokens(by_record, test))
    if metadata:
        one_hot = one_hot_columns(bench, train)
        beside = standardised(one_hot(train), one_hot(test))
        columns, asked = (
            np.concatenate([part, METADATA_WEIGHT * more], axis=1) for part, more in zip((columns, asked), beside, strict=True)
        )
    classes = len(bench.context.prepared.study.classes)
    return plain.logistic_regression(columns, labels(train), asked, classes, inverse_penalty=INVERSE_PENALTY)


def case_tokens(by_record: np.ndarray, cases: list[Case]) -> np.ndarray:
    """The mean over each case's photographs: [R, 2d] -> [len(cases), 2d]."""
    return case_mean(by_record[np.concatenate(photographs(cases))], cases)


def standardised(train: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns with mean 0 and deviation 1 over the training cases; one that is constant there is only moved."""
    if not train.shape[1]:
        return train, asked
    scaler = StandardScaler().fit(train.astype(np.float64))
    return scaler.transform(train), scaler.transform(asked)


METHODS = (
    Method("nearest_neighbours", frozenset({"images"}), fit_photographs, nearest_neighbours, note=UNWEIGHTED),
    fitted_in_seconds("frozen_tokens", {"images"}, logistic, f"{EQUAL_CLASSES}; C was {CHOSEN}"),
    fitted_in_seconds("aligned_tokens", {"images"}, partial(logistic, tokens=aligned_tokens), TAUGHT, reads_corpus=True),
    fitted_in_seconds(
        "aligned_tokens_metadata",
        {"images", "metadata"},
        partial(logistic, tokens=aligned_tokens, metadata=True),
        TAUGHT,
        reads_corpus=True,
    ),
    fitted_in_seconds("refined_tokens", {"images"}, partial(logistic, tokens=refined_tokens), TAUGHT, reads_corpus=True),
    fitted_in_seconds(
        "frozen_tokens_metadata",
        {"images", "metadata"},
        partial(logistic, metadata=True),
        f"{EQUAL_CLASSES}; C and the weight of the metadata were {CHOSEN}",
    ),
)
