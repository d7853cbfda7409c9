"""What a row of a table is: a method that is fitted on a fold's training cases and gives the others probabilities."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.pipeline import Tokenizers

__all__ = ["Bench", "Method"]


class Bench(NamedTuple):
    """Where a method works: the experiment, one of its folds, and that fold's tokenizers.

    The records of the fold's held-out cases are there as well. No `fit` may look at their labels, photographs or metadata,
    which tests/baselines/test_methods.py checks.
    """

    context: Context
    fold: Fold
    tokenizers: Tokenizers


@dataclass(frozen=True)
class Method:
    """`state = fit(bench, train)`, then `predict(bench, state, test)` gives probabilities [len(test), C].

    Both are deterministic, and a `fit` that was stopped goes on from its checkpoint: it trains by `stages.context.Stage`.
    """

    name: str
    """Its key in results, and the section of config.baselines that holds its settings, if it has any."""
    title: str
    """Its name in tables. An adaptation of ours says so: no row is called by a published method's name alone."""
    sees: frozenset[str]
    """Out of "images" and "metadata": what reaches its probabilities at test time."""
    fit: Callable[[Bench, list[Case]], Any]
    predict: Callable[[Bench, Any, list[Case]], np.ndarray]
    title_without_weights: str = ""
    """Its name in tables of runs whose image encoder has no published weights, where that is another one."""
