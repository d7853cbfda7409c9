"""Prediction sets with a promise: each class is in the set of 1 - error rate of the cases that have it.

Class-conditional conformal prediction (Vovk et al. 2003, Mondrian; Sadinle et al. 2019, doi 10.1080/01621459.2017.1395341)
from the held-out predictions of cross-validation: a case's score under fold k's model is compared with those of the cases
that fold k held out (Barber et al. 2021, CV+, doi 10.1214/20-AOS1965). A subject counts once, however many cases it has (Lee
et al. 2023, arXiv 2306.06342).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prima_jax.metrics.calibration import apply_temperature, fit_temperature

__all__ = ["HeldOut", "coverage", "smallest_error_rate"]


@dataclass(frozen=True)
class HeldOut:
    """The scores of held-out cases, 1 - probability of their class: arrays [N], classes and folds as positions."""

    scores: np.ndarray
    labels: np.ndarray
    folds: np.ndarray
    weights: np.ndarray
    """One over the number of its subject's cases of its class."""
    classes: int
    number_of_folds: int

    @classmethod
    def of(
        cls, labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray, subjects: Sequence[str] | np.ndarray
    ) -> "HeldOut":
        """labels [N], probabilities [N, C], folds [N] from 0, subjects [N]: held-out cases, each by its own fold's model."""
        labels, folds = np.asarray(labels), np.asarray(folds)
        _, whose, counts = np.unique(
            np.array([f"{label} {subject}" for label, subject in zip(labels, subjects, strict=True)]),
            return_inverse=True,
            return_counts=True,
        )
        scores = 1.0 - np.asarray(probabilities, float)[np.arange(len(labels)), labels]
        return cls(scores, labels, folds, 1.0 / counts[whose], probabilities.shape[1], int(folds.max()) + 1)

    @property
    def subjects(self) -> np.ndarray:
        """How many subjects of each class there are, one whose other cases are left out in part: [C]."""
        return np.bincount(self.labels, self.weights, self.classes)

    def p_values(self, by_fold: np.ndarray) -> np.ndarray:
        """The p-value of each class for new cases, [N, C], from every fold's probabilities of them, [N, K, C].

        That of the true class is at most e for a share of about e of its cases.
        """
        found = np.ones((len(by_fold), self.classes))
        for label in range(self.classes):
            for fold in range(self.number_of_folds):
                of_fold = (self.labels == label) & (self.folds == fold)
                order = np.argsort(self.scores[of_fold])
                scores, weights = self.scores[of_fold][order], self.weights[of_fold][order]
                above = np.append(np.cumsum(weights[::-1])[::-1], 0.0)  # the weight of the scores from each on
                found[:, label] += above[np.searchsorted(scores, 1.0 - by_fold[:, fold, label], side="left")]
        return np.minimum(found / (self.subjects + 1), 1.0)

    def only(self, chosen: np.ndarray) -> "HeldOut":
        """The same of the chosen cases alone, a mask [N]."""
        return HeldOut(
            self.scores[chosen], self.labels[chosen], self.folds[chosen], self.weights[chosen], self.classes, self.number_of_folds
        )


def smallest_error_rate(subjects: np.ndarray) -> np.ndarray:
    """The least error rate that so many subjects of a class can support: 1 / (n + 1). Below, its set would hold every case."""
    return 1.0 / (np.asarray(subjects) + 1.0)


def coverage(labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """The p-values of held-out cases, [N, C]; temperature and scores that a fold's cases are measured with are the other folds'.

    So no case has a part in its own threshold: the share of a class's cases whose p-value is above e is the coverage at the error
    rate e. Arguments as of `HeldOut.of`, probabilities as they come out of the models.
    """
    labels, folds, found = np.asarray(labels), np.asarray(folds), np.empty_like(probabilities, dtype=float)
    for fold in np.unique(folds):
        here = folds == fold
        calibrated = apply_temperature(probabilities, fit_temperature(labels[~here], probabilities[~here]))
        others = HeldOut.of(labels, calibrated, folds, subjects).only(~here)
        found[here] = others.p_values(np.repeat(calibrated[here][:, None], others.number_of_folds, axis=1))
    return found
