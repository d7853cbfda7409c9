"""Retrieval against loops, closed forms and chance."""

import numpy as np
import pytest

from prima_jax.metrics.retrieval import alignment_and_uniformity, retrieval


def loop_rank(queries, candidates, n, orders):
    """The mean rank of a query's own candidate over orders that break ties."""
    cosine = [float(np.round(q @ c / np.linalg.norm(q) / np.linalg.norm(c), 6)) for q, c in ((queries[n], c) for c in candidates)]
    return [1 + sorted(order, key=lambda m: -cosine[m]).index(n) for order in orders]


def test_ranks_and_recall_are_those_of_sorted_candidates_with_ties_in_any_order():
    generator = np.random.default_rng(0)
    queries, candidates = generator.normal(size=(2, 6, 3))
    candidates[4] = 2 * candidates[1]  # a cosine does not see lengths: these two are one direction
    candidates[5] = candidates[1]
    found = retrieval(queries, candidates, np.zeros(6))
    orders = [generator.permutation(6).tolist() for _ in range(4000)]
    for n in range(6):
        ranks = loop_rank(queries, candidates, n, orders)
        assert found.ranks[n] == pytest.approx(np.mean(ranks), abs=4 * np.std(ranks) / 4000**0.5 + 1e-9)
        for k in (1, 2, 5):
            share = np.mean([rank <= k for rank in ranks])
            assert found.recall(k)[n] == pytest.approx(share, abs=4 * (0.25 / 4000) ** 0.5)


def test_perfect_pairs_are_first_and_one_point_is_chance():
    vectors = np.random.default_rng(1).normal(size=(40, 8))
    perfect = retrieval(vectors, 3 * vectors, np.arange(40))
    assert (perfect.ranks == 1).all() and (perfect.recall(1) == 1).all() and (perfect.percentiles == 0).all()
    assert np.isnan(perfect.same_group).all()  # nobody else is in a query's group
    collapsed = retrieval(vectors, np.ones((40, 8)), np.arange(40))
    assert (collapsed.percentiles == 0.5).all() and np.allclose(collapsed.recall(5), 5 / 40)


def test_a_space_that_knows_the_group_alone_finds_the_own_no_better_than_others_of_the_group():
    groups = np.repeat([0, 1], 10)
    vectors = np.eye(2)[groups]
    found = retrieval(vectors, vectors, groups)
    # ten of twenty are equally near: ranks 1 to 10, so 4.5 of the 19 others are before the own one
    assert np.allclose(found.percentiles, 4.5 / 19)
    assert np.allclose(found.same_group, 4.5 / 19)


def test_the_others_of_a_group_are_ranked_as_a_loop_ranks_them():
    generator = np.random.default_rng(2)
    queries, candidates, groups = *generator.normal(size=(2, 9, 4)), np.array([0, 0, 0, 1, 1, 1, 1, 2, 2])
    cosines = (queries / np.linalg.norm(queries, axis=1)[:, None]) @ (candidates / np.linalg.norm(candidates, axis=1)[:, None]).T
    for n, value in enumerate(retrieval(queries, candidates, groups).same_group):
        others = [m for m in range(9) if groups[m] == groups[n] and m != n]
        assert value == pytest.approx(
            np.mean([np.mean([cosines[n, k] > cosines[n, m] for k in range(9) if k != m]) for m in others])
        )


def test_one_pair_is_refused():
    with pytest.raises(ValueError, match="one pair"):
        retrieval(np.ones((1, 2)), np.ones((1, 2)), np.zeros(1))


def test_alignment_and_uniformity_have_their_closed_forms():
    square = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    alignment, uniformity = alignment_and_uniformity(square, 5 * np.roll(square, 1, axis=0))
    assert alignment == pytest.approx(2)  # a quarter turn
    # of six pairs four are a quarter turn apart (d^2 = 2) and two opposite (d^2 = 4)
    assert uniformity == pytest.approx(np.log((4 * np.exp(-4) + 2 * np.exp(-8)) / 6))
    assert alignment_and_uniformity(np.ones((3, 2)), np.ones((3, 2))) == pytest.approx((0, 0))
