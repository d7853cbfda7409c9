"""What the class token of a frozen image encoder says, by nearest neighbours and by a linear classifier.

The encoder is as published. Without weights it is as drawn at random, which the rows' titles say: such a row tells what
pictures give away to features that have learnt nothing. A case is the mean over its photographs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from prima_jax.baselines import plain
from prima_jax.baselines.backbones import case_mean, class_tokens, photographs
from prima_jax.baselines.method import EQUAL_CLASSES, UNWEIGHTED, Bench, Method
from prima_jax.stages.cases import Case

__all__ = ["METHODS"]

INVERSE_PENALTIES = (0.0001, 0.001, 0.01, 0.1, 1.0)
INNER_FOLDS = 3
Classifier = Callable[["Photographs", np.ndarray, int], np.ndarray]


class Photographs(NamedTuple):
    """The training fold's: class tokens [P, d], labels [P], subjects [P]."""

    tokens: np.ndarray
    labels: np.ndarray
    subjects: np.ndarray


def nearest_neighbours(train: Photographs, asked: np.ndarray, classes: int) -> np.ndarray:
    """[len(asked), classes]."""
    return plain.nearest_neighbours(train.tokens, train.labels, asked, classes)


def linear_probe(train: Photographs, asked: np.ndarray, classes: int) -> np.ndarray:
    """Logistic regression on standardised tokens, whose penalty is chosen within the training fold: [len(asked), classes]."""
    mean, sd = train.tokens.mean(axis=0), np.maximum(train.tokens.std(axis=0), 1e-6)
    standard = train._replace(tokens=(train.tokens - mean) / sd)
    penalty = best_inverse_penalty(standard, classes)
    return plain.logistic_regression(standard.tokens, train.labels, (asked - mean) / sd, classes, inverse_penalty=penalty)


def best_inverse_penalty(train: Photographs, classes: int) -> float:
    """The one with the best mean recall over inner folds that share no subject; the strongest penalty of equals."""
    splits = list(_inner_folds(train))
    recalls = []
    for penalty in INVERSE_PENALTIES:
        found = np.zeros((len(train.labels), classes))
        for fitted, left in splits:
            found[left] = plain.logistic_regression(
                train.tokens[fitted], train.labels[fitted], train.tokens[left], classes, inverse_penalty=penalty
            )
        right = found.argmax(axis=1) == train.labels
        recalls.append(np.mean([right[train.labels == label].mean() for label in np.unique(train.labels)]))
    return INVERSE_PENALTIES[int(np.argmax(recalls))]


def _inner_folds(train: Photographs) -> list[tuple[np.ndarray, np.ndarray]]:
    folds = min(INNER_FOLDS, len(np.unique(train.subjects)))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    return list(splitter.split(train.tokens, train.labels, train.subjects))


def _row(name: str, classify: Classifier, note: str = "") -> Method:
    def fit(bench: Bench, train: list[Case]) -> Photographs:
        counts = [len(p) for p in photographs(train)]
        labels = np.repeat(np.array([case.label for case in train]), counts)
        return Photographs(class_tokens(bench, train), labels, np.repeat([case.subject for case in train], counts))

    def predict(bench: Bench, state: Photographs, test: list[Case]) -> np.ndarray:
        return case_mean(classify(state, class_tokens(bench, test), len(bench.context.prepared.study.classes)), test)

    return Method(name, frozenset({"images"}), fit, predict, note=note)


METHODS = (
    _row("nearest_neighbours", nearest_neighbours, note=UNWEIGHTED),
    _row("linear_probe", linear_probe, note=EQUAL_CLASSES),
)
