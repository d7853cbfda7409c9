"""Retrieval in a shared space: whether what belongs together is found among what does not."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

__all__ = ["Retrieval", "alignment_and_uniformity", "retrieval"]


@dataclass(frozen=True)
class Retrieval:
    """N queries, each with one right answer among N candidates. Ties are broken at random, and figures are means over that."""

    better: np.ndarray
    """How many candidates are nearer to a query than its own: int [N]."""
    equal: np.ndarray
    """How many are as near, its own among them: int [N]."""
    same_group: np.ndarray
    """The mean percentile of the other candidates of the query's group, float [N]; NaN where there is none."""

    @property
    def ranks(self) -> np.ndarray:
        """The rank of each query's own candidate, 1 is the best: float [N]."""
        return self.better + (self.equal + 1) / 2

    @property
    def percentiles(self) -> np.ndarray:
        """The share of the other candidates that are nearer than the own one, float [N]: 0 is the best, chance is 1/2."""
        return (self.ranks - 1) / (len(self.ranks) - 1)

    def recall(self, k: int) -> np.ndarray:
        """The probability that a query's own candidate is among the k nearest: float [N]; chance is k / N."""
        return np.clip((k - self.better) / self.equal, 0.0, 1.0)


def retrieval(queries: np.ndarray, candidates: np.ndarray, groups: np.ndarray) -> Retrieval:
    """Ranks candidates [N, D] by their cosine with each of queries [N, D]; the n-th candidate is the n-th query's own.

    groups: of each pair, [N]. Raises ValueError for fewer than two pairs.
    """
    if len(queries) < 2:
        raise ValueError("one pair alone can be neither found nor missed")
    # Rounded, so that equal candidates are equal whatever order a product was summed in.
    cosines = np.round(_unit_length(queries) @ _unit_length(candidates).T, 6)
    # average ranks, from 1 for the nearest: ties share the mean of theirs
    ranks = rankdata(-cosines, axis=1)
    others = (groups[:, None] == groups[None, :]) & ~np.eye(len(groups), dtype=bool)
    counts = others.sum(axis=1)
    sums = np.sum((ranks - 1) / (len(ranks) - 1), axis=1, where=others)
    own = np.diagonal(cosines)[:, None]
    same = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return Retrieval((cosines > own).sum(axis=1), (cosines == own).sum(axis=1), same)


def alignment_and_uniformity(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Wang & Isola 2020 (arXiv 2005.10242) of pairs [N, D] on the unit sphere: the mean squared distance within a pair, and the
    logarithm of the mean of exp(-2 d^2) over pairs of different ones, the mean over both sides. 0 and 0 where all are one point.
    """
    first, second = _unit_length(first), _unit_length(second)
    alignment = float(np.mean(np.sum((first - second) ** 2, axis=1)))
    return alignment, float(np.mean([_uniformity(side) for side in (first, second)]))


def _uniformity(vectors: np.ndarray) -> float:
    squared = np.maximum(2 - 2 * vectors @ vectors.T, 0)[np.triu_indices(len(vectors), 1)]
    return float(np.log(np.mean(np.exp(-2 * squared))))


def _unit_length(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
