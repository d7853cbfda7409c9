"""Pseudo-perplexity and masked ranks equal plain loops over a model of which all is known."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.corpus.learn.measure import Span, masked_recall, pseudo_perplexity
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


def test_pseudo_perplexity_by_hand():
    losses = []
    for row in range(2):
        for position in np.flatnonzero(WORDS[row]):
            masked = IDS[row].copy()
            masked[position] = MASK
            losses.append(-log_probabilities(masked, position)[IDS[row, position]])
    # float32 sums of a few numbers of size one: 1e-6 relative is ten times what was seen
    assert pseudo_perplexity(MODEL, VARIABLES, TOKENS, MASK) == pytest.approx(np.exp(np.mean(losses)), rel=1e-6)


def test_ranks_by_hand_with_the_whole_term_masked():
    ranks = []
    masked = IDS[0].copy()
    masked[[1, 2]] = MASK  # both tokens of the term, so that neither gives the other away
    for position in (1, 2):
        scores = log_probabilities(masked, position)
        ranks.append(1 + sum(s > scores[IDS[0, position]] for s in scores))
    found = masked_recall(MODEL, VARIABLES, TOKENS, [Span(0, (1, 2))], MASK)
    assert (found["terms"], found["tokens"]) == (1, 2)
    assert found["mean_reciprocal_rank"] == pytest.approx(np.mean([1 / rank for rank in ranks]))
    assert found["top_1"] == np.mean([rank == 1 for rank in ranks])


def test_no_term_is_no_figure():
    assert masked_recall(MODEL, VARIABLES, TOKENS, [], MASK) == {"terms": 0, "tokens": 0}
