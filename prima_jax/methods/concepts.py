"""Concepts: what the study asks of every patient, answered from the photograph alone by one classifier for each answer.

A concept is a value that an attribute can take ("The lesion itches.", "The patient is ... in the band 60 to 70."). A record
answers it yes or no, or, where the attribute is missing, not at all. Which concepts a photograph can answer is measured, on
subjects of the training fold whose answers no classifier was fitted to, and the best are kept, as many as are asked for: of a
study with fewer all, also those that no photograph answers better than chance, whose weights the classifier has to learn.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from prima_jax.data.corpus_file import Claim
from prima_jax.data.statements import Statements
from prima_jax.errors import UserError
from prima_jax.studies.study import Study

__all__ = ["Concepts", "ground", "prior"]

HELD_OUT = 0.2
"""Of the subjects, for the accuracy of a concept; the original holds out a tenth of its far more numerous photographs."""
LEAST_ANSWERS = 10
"""Held-out answers of either kind that a concept needs (the original's number); less where an eighth of all are fewer."""


class Concepts(NamedTuple):
    """K grounded concepts: p = sigmoid(features W + b), features [N, d] of length one."""

    sentences: tuple[str, ...]
    names: tuple[str, ...]
    """`attribute=value`, as in `OneHot.columns`."""
    weights: np.ndarray
    """[d, K]."""
    bias: np.ndarray
    """[K]."""
    accuracy: np.ndarray
    """[K]: the mean of both sides' accuracy on held-out subjects of the training fold."""

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Features [N, d] -> [N, K]."""
        return 1 / (1 + np.exp(-(_unit_length(features) @ self.weights + self.bias)))


def ground(
    statements: Statements, features: np.ndarray, answers: np.ndarray, subjects: np.ndarray, *, keep: int, seed: int
) -> Concepts:
    """Fits a classifier for each statement and keeps the `keep` best.

    features [N, d], answers [N, S] of 1, 0 and -1 for not known, subjects [N]. Raises UserError where no statement has enough
    answers.
    """
    features, held_out = _unit_length(features), _held_out(subjects, seed)
    least = max(1, min(LEAST_ANSWERS, int(held_out.sum()) // 8))
    found = {}
    for column in range(answers.shape[1]):
        fitted = _classifier(features, answers[:, column], held_out, least)
        if fitted is not None:
            found[column] = fitted
    if not found:
        raise UserError(
            f"None of the {answers.shape[1]} concepts has {least} held-out answers of yes and of no, which KnoBo needs: leave "
            "the row knobo out of config.table.rows."
        )
    best = sorted(found, key=lambda column: -found[column][2])[:keep]
    weights, bias, accuracy = (np.array([found[column][part] for column in best]) for part in range(3))
    return Concepts(
        tuple(statements.sentences[column] for column in best),
        tuple(statements.names[column] for column in best),
        weights.T,
        bias,
        accuracy,
    )


def prior(names: Sequence[str], study: Study, claims: Sequence[Claim]) -> np.ndarray:
    """What the literature holds against or for each class, given each concept: [K, C] of -1, 0 and 1.

    A claim that an attribute raises a disease speaks for it under the answer yes (and against it under a no), one that it
    lowers it against; more claims of one kind than of the other decide. Of a category, only the values are meant that the
    claim's text names. No claim is read as one about a band of a number.
    """
    table = np.zeros((len(names), len(study.classes)))
    diseases = {words.casefold(): k for k, words in enumerate(study.classes.values())}
    for claim in claims:
        sign = {"raises": 1, "lowers": -1}.get(claim.direction, 0)
        disease = diseases.get(claim.disease.casefold())
        if sign and disease is not None:
            for row, name in enumerate(names):
                table[row, disease] += sign * _bearing(name, study, claim)
    return np.sign(table)


def _bearing(name: str, study: Study, claim: Claim) -> int:
    """Whether a claim is one about this concept: 1, about its contrary: -1, or about another: 0."""
    attribute, value = name.split("=", 1)
    if attribute != claim.attribute:
        return 0
    kind = study.attribute(attribute).kind
    if kind == "yes_no":
        return 1 if value == "yes" else -1
    named = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", claim.text, re.IGNORECASE)
    return int(kind == "category" and named is not None)


def _held_out(subjects: np.ndarray, seed: int) -> np.ndarray:
    """bool [N]: whole subjects, about `HELD_OUT` of them."""
    distinct = np.unique(subjects)
    chosen = np.random.default_rng(seed).permutation(distinct)[: max(1, round(HELD_OUT * len(distinct)))]
    return np.isin(subjects, chosen)


def _classifier(
    features: np.ndarray, answers: np.ndarray, held_out: np.ndarray, least: int
) -> tuple[np.ndarray, float, float] | None:
    """Weights [d], bias, and held-out accuracy; None with too few answers."""
    fitted, left = (answers >= 0) & ~held_out, (answers >= 0) & held_out
    if np.bincount(answers[left], minlength=2).min() < least or len(np.unique(answers[fitted])) < 2:
        return None
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    with threadpool_limits(1):  # sums over threads depend on their number
        model.fit(features[fitted], answers[fitted])
        right = model.predict(features[left]) == answers[left]
    accuracy = np.mean([right[answers[left] == side].mean() for side in (0, 1)])
    return model.coef_[0], float(model.intercept_[0]), float(accuracy)


def _unit_length(features: np.ndarray) -> np.ndarray:
    features = features.astype(np.float64)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
