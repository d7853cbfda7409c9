"""Cohorts drawn from a population whose true scores are known by construction.

A case shows one of a few patterns (a vector of class probabilities), drawn given its class. Cases of a unit share their
class, and each of them, with probability `resemblance`, shows the pattern that the unit has in common; else one of its
own. The pattern of a single case has the same distribution either way, so the true scores do not depend on it.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Population:
    shares: np.ndarray
    """Of the classes among units, `[C]`."""
    patterns: np.ndarray
    """Class probabilities that a method may give, `[M, C]`."""
    chances: np.ndarray
    """Of each pattern given the class, `[C, M]`."""
    resemblance: float = 0.6
    most_cases: int = 4
    """A unit has 1 to so many cases, each number as likely, whatever its class."""

    def draw(self, units: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels `[N]`, probabilities `[N, C]` and units `[N]` of a cohort."""
        unit_labels = generator.choice(len(self.shares), units, p=self.shares)
        common = self._shown(unit_labels, generator)
        positions = np.repeat(np.arange(units), generator.integers(1, self.most_cases + 1, units))
        labels = unit_labels[positions]
        resembles = generator.random(len(labels)) < self.resemblance
        shown = np.where(resembles, common[positions], self._shown(labels, generator))
        return labels, self.patterns[shown], positions

    def truth(self) -> dict[str, float]:
        """The scores of infinitely many cases, from the joint distribution of class and pattern, in plain sums."""
        joint = self.shares[:, None] * self.chances
        classes = len(self.shares)
        taken = self.patterns.argmax(axis=1)
        counts = np.array([[joint[c, taken == k].sum() for k in range(classes)] for c in range(classes)])
        recall = [counts[c, c] / counts[c].sum() for c in range(classes)]
        f1 = [2 * counts[c, c] / (counts[c].sum() + counts[:, c].sum()) for c in range(classes)]
        return {
            "macro_f1": float(np.mean(f1)),
            "accuracy": float(np.trace(counts)),
            "balanced_accuracy": float(np.mean(recall)),
            "macro_auc": float(np.mean([self._area(joint, c) for c in range(classes)])),
        }

    def _shown(self, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """A pattern for each label."""
        steps = self.chances.cumsum(axis=1)[labels]
        return np.minimum((generator.random(len(labels))[:, None] > steps).sum(axis=1), len(self.patterns) - 1)

    def _area(self, joint: np.ndarray, c: int) -> float:
        """P(score of a case of the class > score of another) + half P(equal)."""
        score = self.patterns[:, c]
        inside, outside = joint[c] / joint[c].sum(), np.delete(joint, c, axis=0).sum(axis=0)
        larger = (score[:, None] > score) + (score[:, None] == score) / 2
        return float(inside @ larger @ outside / outside.sum())


def three_classes(**changes) -> Population:
    """One common class, one less common, one rare; three patterns for each, sure to unsure."""
    sure, unsure, torn = (0.8, 0.15, 0.05), (0.5, 0.3, 0.2), (0.4, 0.35, 0.25)
    patterns = np.array([np.roll(p, c) for p in (sure, unsure, torn) for c in range(3)])
    right, wrong, wronger = (0.40, 0.25, 0.12), (0.03, 0.06, 0.06), (0.02, 0.02, 0.04)
    chances = np.array(
        [np.array([np.roll((r, w, x), c) for r, w, x in zip(right, wrong, wronger, strict=True)]).ravel() for c in range(3)]
    )
    shares = np.array([0.6, 0.28, 0.12])
    return Population(**{"shares": shares, "patterns": patterns, "chances": chances, **changes})
