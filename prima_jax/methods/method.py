"""What a row of a table is: a method that is fitted on a fold's training cases and gives the others probabilities."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.pipeline import Tokenizers

__all__ = ["EQUAL_CLASSES", "UNWEIGHTED", "Bench", "Method", "fitted_in_seconds"]

EQUAL_CLASSES = "classes weigh the same in its training, whatever the other rows do"
UNWEIGHTED = "cases weigh the same in its training, whatever the other rows do"


class Bench(NamedTuple):
    """Where a method works: the experiment, one of its folds, and that fold's tokenizers.

    The records of the fold's held-out cases are there as well. No `fit` may look at their labels, photographs or metadata,
    which tests/methods/test_methods.py checks.
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
    sees: frozenset[str]
    """Out of "images" and "metadata": what reaches its probabilities at test time."""
    fit: Callable[[Bench, list[Case]], Any]
    predict: Callable[[Bench, Any, list[Case]], np.ndarray]
    reads_corpus: bool = False
    """Whether its text encoder is trained on the corpus of stage 1."""
    batches: Literal["photographs", "cases"] = "cases"
    """What its batches are counted in."""
    note: str = ""
    """What a reader of its row has to know, if anything; stands under the table."""


def fitted_in_seconds(
    name: str,
    sees: set[str],
    probabilities: Callable[[Bench, list[Case], list[Case]], np.ndarray],
    note: str = "",
    *,
    reads_corpus: bool = False,
) -> Method:
    """A method whose state is its training cases: `probabilities(bench, train, test)` fits scikit-learn's model and asks it."""

    def fit(bench: Bench, train: list[Case]) -> list[Case]:
        return train

    return Method(name, frozenset(sees), fit, probabilities, reads_corpus, note=note)
