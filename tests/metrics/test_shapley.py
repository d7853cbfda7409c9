from collections.abc import Sequence
from itertools import combinations
from math import factorial

import numpy as np
import pytest

from prima_jax.metrics.shapley import Subset, shapley

PLAYERS = 5
WORTH = {
    frozenset(chosen): float(value)
    for value, chosen in zip(
        np.random.default_rng(0).normal(size=2**PLAYERS),
        (chosen for size in range(PLAYERS + 1) for chosen in combinations(range(PLAYERS), size)),
        strict=True,
    )
}


def worth(subsets: Sequence[Subset]) -> np.ndarray:
    assert len(set(subsets)) == len(subsets)
    return np.array([WORTH[subset] for subset in subsets])


def exact(player: int) -> float:
    """The definition: the mean gain over all subsets of the others, each weighted by the orders that it comes of."""
    total = 0.0
    for subset in WORTH:
        if player not in subset:
            weight = factorial(len(subset)) * factorial(PLAYERS - len(subset) - 1) / factorial(PLAYERS)
            total += weight * (WORTH[subset | {player}] - WORTH[subset])
    return total


def test_many_orders_come_near_the_definition():
    found, errors = shapley(PLAYERS, worth, pairs=2000)
    expected = [exact(player) for player in range(PLAYERS)]
    assert (np.abs(found - expected) < 4 * errors).all() and errors.max() < 0.03
    assert sum(expected) == pytest.approx(WORTH[frozenset(range(PLAYERS))] - WORTH[frozenset()])


def test_the_values_sum_to_the_game_however_few_the_orders():
    found, _ = shapley(PLAYERS, worth, pairs=1)
    assert found.sum() == pytest.approx(WORTH[frozenset(range(PLAYERS))] - WORTH[frozenset()])


def test_a_game_of_pairs_is_exact_in_one_pair_of_orders():
    """Where only pairs of players gain from one another, an order and its reverse see each pair once from either side."""
    generator = np.random.default_rng(1)
    own, together = generator.normal(size=4), np.triu(generator.normal(size=(4, 4)), 1)

    def value(subsets: Sequence[Subset]) -> np.ndarray:
        inside = np.array([[player in subset for player in range(4)] for subset in subsets], float)
        return inside @ own + np.einsum("sa,ab,sb->s", inside, together, inside)

    found, _ = shapley(4, value, pairs=1)
    assert found == pytest.approx(own + (together + together.T).sum(axis=1) / 2)
