"""Shapley values by sampling orders: what each player adds to a game's value, on average over the orders in which they come.

Castro et al. 2009 (doi 10.1016/j.cor.2008.04.004), in pairs of an order and its reverse (Mitchell et al. 2022,
arXiv 2104.12199).
"""

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["Subset", "shapley"]

Subset = frozenset[int]


def shapley(
    players: int, values: Callable[[Sequence[Subset]], np.ndarray], *, pairs: int = 8, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Returns each player's value and its standard error over the pairs of orders: [players] twice.

    values: gives the values of many subsets of 0 to players - 1, asked for once, none twice. A game's values sum to that of all
    players less that of none, whatever `pairs` is. The error is NaN of a single pair.
    """
    generator = np.random.default_rng(seed)
    orders = [order for _ in range(pairs) for order in _both_ways(generator.permutation(players))]
    prefixes = [[frozenset(order[:length].tolist()) for length in range(players + 1)] for order in orders]
    distinct = list(dict.fromkeys(subset for of_order in prefixes for subset in of_order))
    worth = dict(zip(distinct, np.asarray(values(distinct), float), strict=True))
    gains = np.zeros((len(orders), players))
    for row, (order, of_order) in enumerate(zip(orders, prefixes, strict=True)):
        gains[row, order] = np.diff([worth[subset] for subset in of_order])
    of_pairs = gains.reshape(pairs, 2, players).mean(axis=1)
    errors = of_pairs.std(axis=0, ddof=1) / np.sqrt(pairs) if pairs > 1 else np.full(players, np.nan)
    return of_pairs.mean(axis=0), errors


def _both_ways(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return order, order[::-1]
