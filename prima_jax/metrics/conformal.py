"""Prediction sets with a promise: each class is in the set of 1 - error rate of the cases that have it.

Class-conditional conformal prediction (Vovk et al. 2003, Mondrian; Sadinle et al. 2019, doi 10.1080/01621459.2017.1395341)
from the held-out predictions of cross-validation. A new case is answered by the mean of the folds' models, and its score compared
with those that single models gave the cases they had not seen, as MAPIE does by default (`agg_scores="mean"`). Since the mean
errs less than one model, sets cover more than they promise rather than less (docs/results/new_eyes.md has by how much). A subject
counts once, however many cases it has (Lee et al. 2023, arXiv 2306.06342).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prima_jax.metrics.calibration import apply_temperature, fit_temperature

__all__ = ["HeldOut", "held_out_p_values", "smallest_error_rate"]


@dataclass(frozen=True)
class HeldOut:
    """The scores of held-out cases, 1 - probability of their class: arrays [N], classes as positions."""

    scores: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    """One over the number of its subject's cases of its class."""
    classes: int

    @classmethod
    def of(cls, labels: np.ndarray, probabilities: np.ndarray, subjects: Sequence[str] | np.ndarray) -> "HeldOut":
        """labels [N], probabilities [N, C] and subjects [N] of held-out cases, each by the one model that had not seen it."""
        labels = np.asarray(labels)
        pairs = [f"{label} {subject}" for label, subject in zip(labels, subjects, strict=True)]
        _, whose, counts = np.unique(np.array(pairs), return_inverse=True, return_counts=True)
        scores = 1.0 - np.asarray(probabilities, float)[np.arange(len(labels)), labels]
        return cls(scores, labels, 1.0 / counts[whose], probabilities.shape[1])

    @property
    def subjects(self) -> np.ndarray:
        """How many subjects of each class there are, one whose other cases are left out in part: [C]."""
        return np.bincount(self.labels, self.weights, self.classes)

    def p_values(self, probabilities: np.ndarray) -> np.ndarray:
        """The p-value of each class for new cases, from their probabilities by the mean of all models: both [N, C].

        It is the share of held-out subjects of that class whose own score was as bad or worse.
        """
        found = np.ones((len(probabilities), self.classes))
        for label in range(self.classes):
            order = np.argsort(self.scores[self.labels == label])
            scores, weights = (values[self.labels == label][order] for values in (self.scores, self.weights))
            above = np.append(np.cumsum(weights[::-1])[::-1], 0.0)  # the weight of the scores from each on
            found[:, label] += above[np.searchsorted(scores, 1.0 - probabilities[:, label], side="left")]
        return np.minimum(found / (self.subjects + 1), 1.0)

    def only(self, chosen: np.ndarray) -> "HeldOut":
        """The same of the chosen cases alone, a mask [N]."""
        return HeldOut(self.scores[chosen], self.labels[chosen], self.weights[chosen], self.classes)


def smallest_error_rate(subjects: np.ndarray) -> np.ndarray:
    """The least error rate that so many subjects of a class can support: 1 / (n + 1). Below, its set would hold every case."""
    return 1.0 / (np.asarray(subjects) + 1.0)


def held_out_p_values(labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """The p-values of held-out cases, [N, C]; temperature and scores that a fold's cases are measured with are the other folds'.

    So no case has a part in its own threshold: the share of a class's cases whose p-value is above e is the coverage at the error
    rate e. Each is answered by its own fold's model alone; probabilities as that gives them.
    """
    labels, folds, found = np.asarray(labels), np.asarray(folds), np.empty_like(probabilities, dtype=float)
    for fold in np.unique(folds):
        here = folds == fold
        calibrated = apply_temperature(probabilities, fit_temperature(labels[~here], probabilities[~here]))
        found[here] = HeldOut.of(labels, calibrated, subjects).only(~here).p_values(calibrated[here])
    return found
