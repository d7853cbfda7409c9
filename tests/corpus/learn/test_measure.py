"""Pseudo-perplexity and masked ranks equal plain loops over a model of which all is known."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.corpus.learn.measure import PERPLEXITY, Figure, Span, difference, intervals, losses, reciprocal_ranks
from prima_jax.data.text import Tokens

VOCABULARY, MASK = 7, 6
IDS = np.array([[0, 2, 3, 4, 1], [0, 5, 2, 1, 1]], np.int32)
WORDS = np.array([[0, 1, 1, 1, 0], [0, 1, 1, 0, 0]], bool)
TOKENS = Tokens(IDS, np.ones(IDS.shape, bool), WORDS, 0)
TABLE = np.random.default_rng(0).standard_normal((VOCABULARY, VOCABULARY)).astype(np.float32)


class Neighbours:
    """Guesses each token from the tokens beside it."""

    def apply(self, variables, ids, mask):
        table = variables["params"]["table"]
        left, right = jnp.roll(ids, 1, axis=1), jnp.roll(ids, -1, axis=1)
        return SimpleNamespace(logits=table[left] + table[right] + table[ids])


MODEL, VARIABLES = Neighbours(), {"params": {"table": TABLE}}


def log_probabilities(ids, position):
    ids = list(ids)
    length, table = len(ids), TABLE.astype(np.float64)
    logits = table[ids[position - 1]] + table[ids[(position + 1) % length]] + table[ids[position]]
    return logits - np.log(np.exp(logits).sum())


def test_losses_by_hand():
    sums = []
    for row in range(2):
        sums.append(0.0)
        for position in np.flatnonzero(WORDS[row]):
            masked = IDS[row].copy()
            masked[position] = MASK
            sums[-1] -= log_probabilities(masked, position)[IDS[row, position]]
    found = losses(MODEL, VARIABLES, TOKENS, MASK)
    assert found.counts.tolist() == [3, 2]
    # float32 sums of a few numbers of size one: 1e-6 relative is ten times what was seen
    assert found.sums == pytest.approx(sums, rel=1e-6)


def test_ranks_by_hand_with_the_whole_term_masked():
    ranks = []
    masked = IDS[0].copy()
    masked[[1, 2]] = MASK  # both tokens of the term, so that neither gives the other away
    for position in (1, 2):
        scores = log_probabilities(masked, position)
        ranks.append(1 + sum(s > scores[IDS[0, position]] for s in scores))
    found = reciprocal_ranks(MODEL, VARIABLES, TOKENS, [Span(0, (1, 2))], MASK)
    assert found.counts.tolist() == [2, 0]
    assert found.sums == pytest.approx([sum(1 / rank for rank in ranks), 0])


def test_figures_are_means_over_all_tokens_and_a_difference_is_paired():
    first = {PERPLEXITY: Figure(np.array([2.0, 6, 1, 3]), np.array([2, 3, 1, 2])), "factor": Figure(np.zeros(4), np.zeros(4))}
    found = intervals(first, ["A", "A", "B", "C"])
    assert found["factor"] is None  # no term, no figure
    assert found[PERPLEXITY].estimate == pytest.approx(np.exp(12 / 8))
    assert found[PERPLEXITY].low < found[PERPLEXITY].estimate < found[PERPLEXITY].high
    same = difference(first, first, ["A", "A", "B", "C"])[PERPLEXITY]
    assert (same.estimate, same.low, same.high) == (0, 0, 0)
    assert intervals(first, ["A"] * 4)[PERPLEXITY] is None  # one article tells nothing of others
