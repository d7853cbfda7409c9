import dataclasses

import numpy as np
import pytest

from prima_jax.metrics.auc import macro_auc
from prima_jax.metrics.intervals import (
    METRICS,
    Interval,
    bootstrap_interval,
    difference_intervals,
    draw_units,
    intervals,
    mean_difference_interval,
)
from prima_jax.metrics.metrics import scores
from tests.metrics.cohorts import three_classes

COHORTS = 2000


def cohort(units: int = 80, seed: int = 0, **changes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return three_classes(**changes).draw(units, np.random.default_rng(seed))


def widths(found: dict[str, Interval | None]) -> dict[str, float]:
    return {m: interval.high - interval.low for m, interval in found.items()}


def test_the_figures_are_those_of_all_cases():
    labels, probabilities, units = cohort()
    found = intervals(labels, probabilities, units, replicates=200)
    expected = {**scores(labels, probabilities, "abc"), "macro_auc": macro_auc(labels, probabilities)}
    for metric in METRICS:
        assert found[metric].estimate == pytest.approx(expected[metric], rel=1e-12)
        assert found[metric].low < expected[metric] < found[metric].high


def test_with_folds_the_figures_are_the_means_of_the_tables():
    labels, probabilities, units = cohort(150)
    folds = units % 3
    found = intervals(labels, probabilities, units, folds=folds, replicates=200)
    by_fold = [scores(labels[folds == k], probabilities[folds == k], "abc") for k in range(3)]
    for metric in ("macro_f1", "accuracy", "balanced_accuracy"):
        assert found[metric].estimate == pytest.approx(np.mean([f[metric] for f in by_fold]), rel=1e-12)
    areas = [macro_auc(labels[folds == k], probabilities[folds == k]) for k in range(3)]
    assert found["macro_auc"].estimate == pytest.approx(np.mean(areas), rel=1e-12)


def test_draws_are_what_drawing_units_one_by_one_gives():
    # The vectorised counts against the plain way: cases of the drawn units, copied as often as drawn, scored anew.
    labels, probabilities, units = cohort(40)
    strata = np.zeros(40, int)
    drawn = draw_units(strata, 60, seed=3)

    def plain(weights: np.ndarray) -> float:
        rows = np.concatenate([np.flatnonzero(units == u) for u in np.repeat(np.arange(40), weights)])
        return macro_f1(labels[rows], probabilities[rows].argmax(axis=1))

    def macro_f1(true: np.ndarray, taken: np.ndarray) -> float:
        return float(np.mean([2 * np.sum((true == c) & (taken == c)) / np.sum((true == c) * 1 + (taken == c)) for c in range(3)]))

    by_hand = np.array([plain(weights) for weights in drawn])
    left_out = np.array([plain(1 - np.eye(40, dtype=int)[u]) for u in range(40)])
    expected = bootstrap_interval(scores(labels, probabilities, "abc")["macro_f1"], by_hand, left_out, strata)
    found = intervals(labels, probabilities, units, replicates=60, seed=3)["macro_f1"]
    assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(expected), rel=1e-9)


def test_units_are_drawn_within_their_strata():
    strata = np.repeat([0, 1, 2], [5, 20, 1])
    drawn = draw_units(strata, 500, seed=0)
    assert all((drawn[:, strata == s].sum(axis=1) == np.sum(strata == s)).all() for s in range(3))
    # A unit of n is drawn once on average, with variance 1 - 1 / n; four standard errors of 500 draws.
    assert drawn[:, strata == 1].mean(axis=0) == pytest.approx(np.ones(20), abs=4 / np.sqrt(500))
    assert drawn[:, strata == 1].var() == pytest.approx(1 - 1 / 20, rel=0.1)


def test_accuracy_of_single_cases_has_the_known_interval():
    # 400 independent cases, three of four right. The bootstrap's interval is the binomial's, whose error is
    # sqrt(0.75 * 0.25 / 400) = 0.02165; an end of it has a Monte-Carlo error of 2.7 % of that with 2,000 draws (the 2.5 %
    # quantile of a normal), and accuracies lie 1/400 = 11.5 % of it apart: together within 20 %.
    labels, probabilities = np.zeros(400, int), np.eye(2)[np.repeat([0, 0, 0, 1], 100)]
    found = intervals(labels, probabilities, np.arange(400))["accuracy"]
    error = np.sqrt(0.75 * 0.25 / 400)
    assert (found.low, found.high) == pytest.approx((0.75 - 1.96 * error, 0.75 + 1.96 * error), abs=0.2 * error)


def test_copies_of_a_case_in_its_unit_tell_nothing_new():
    labels, probabilities, units = cohort(most_cases=1)
    once = intervals(labels, probabilities, units, replicates=500)
    thrice = intervals(np.tile(labels, 3), np.tile(probabilities, (3, 1)), np.tile(units, 3), replicates=500)
    for metric in METRICS:
        assert dataclasses.astuple(thrice[metric]) == pytest.approx(dataclasses.astuple(once[metric]), rel=1e-9)
    # Drawing cases instead would take them for news, and be too sure by about the square root of three.
    by_case = intervals(np.tile(labels, 3), np.tile(probabilities, (3, 1)), np.arange(3 * len(labels)), replicates=500)
    assert widths(by_case)["accuracy"] < 0.75 * widths(once)["accuracy"]


def test_neither_the_order_of_cases_nor_the_names_of_units_matter():
    labels, probabilities, units = cohort()
    order = np.random.default_rng(1).permutation(len(labels))
    names = np.array([f"unit {u:03d}" for u in units])
    found = intervals(labels, probabilities, units, replicates=200)
    moved = intervals(labels[order], probabilities[order], names[order], replicates=200)
    for metric in METRICS:
        assert dataclasses.astuple(moved[metric]) == pytest.approx(dataclasses.astuple(found[metric]), rel=1e-9)


def test_the_same_seed_gives_the_same_interval_and_more_units_a_narrower_one():
    few, many = cohort(60), cohort(600)
    assert intervals(*few, replicates=200) == intervals(*few, replicates=200)
    assert intervals(*few, replicates=200) != intervals(*few, replicates=200, seed=1)
    narrow, wide = widths(intervals(*many, replicates=500)), widths(intervals(*few, replicates=500))
    assert all(narrow[m] < wide[m] / 2 for m in METRICS)


def test_a_higher_level_gives_a_wider_interval():
    surer, found = (intervals(*cohort(), replicates=1000, level=level) for level in (0.99, 0.9))
    assert all(surer[m].low < found[m].low and found[m].high < surer[m].high for m in METRICS)


def test_differences_turn_with_the_methods_and_pairing_narrows_them():
    labels, first, units = cohort(150)
    second = first.copy()
    second[:12] = np.roll(second[:12], 1, axis=1)
    found = difference_intervals(labels, first, second, units, replicates=1000)
    exchanged = difference_intervals(labels, second, first, units, replicates=1000)
    for metric in METRICS:
        assert exchanged[metric].estimate == -found[metric].estimate
        # BCa's ends are quantiles of the same draws with turned signs, read between the same neighbours.
        assert (exchanged[metric].low, exchanged[metric].high) == pytest.approx((-found[metric].high, -found[metric].low))
    alone = widths(intervals(labels, first, units, replicates=1000))
    assert all(widths(found)[m] < alone[m] for m in METRICS)


def test_a_missing_class_has_no_area_but_the_other_figures():
    labels, probabilities, units = cohort()
    two = labels < 2
    found = intervals(labels[two], probabilities[two], units[two], replicates=100)
    assert found["macro_auc"] is None
    assert found["macro_f1"] is not None


def test_a_class_that_most_draws_miss_has_no_area_unless_it_is_a_stratum():
    labels, probabilities, units = cohort(60)
    rare = (labels != 2) | (units == units[labels == 2][0])
    labels, probabilities, units = labels[rare], probabilities[rare], units[rare]
    # One unit of the class: 37 % of the draws go without it.
    assert intervals(labels, probabilities, units, replicates=200)["macro_auc"] is None
    assert intervals(labels, probabilities, units, strata=labels, replicates=200)["macro_auc"] is not None


def test_a_unit_in_two_folds_is_refused():
    with pytest.raises(ValueError, match="one fold and one stratum"):
        intervals(np.array([0, 1]), np.eye(2), np.array(["u", "u"]), folds=np.array([0, 1]))


def test_arrays_that_do_not_fit_are_refused():
    labels, probabilities, units = cohort()
    for wrong in ((labels[1:], probabilities, units), (labels, probabilities, units[1:]), (labels, probabilities[:, 0], units)):
        with pytest.raises(ValueError, match="expected labels"):
            intervals(*wrong)
    with pytest.raises(ValueError, match="the same cases"):
        difference_intervals(labels, probabilities, probabilities[:, :2], units)


@pytest.mark.slow
def test_intervals_cover_the_truth():
    """95 % +- 1.5 points of the cohorts' intervals hold the population's true score.

    With 2,000 cohorts the Monte-Carlo error of a coverage of 95 % is sqrt(0.95 * 0.05 / 2000) = 0.49 points, so 1.5 is
    three of these. Of 200 units about 24 are of the rarest class.
    """
    population, generator = three_classes(), np.random.default_rng(11)
    truth, held = population.truth(), dict.fromkeys(METRICS, 0)
    for seed in range(COHORTS):
        found = intervals(*population.draw(200, generator), replicates=1000, seed=seed)
        for metric, interval in found.items():
            held[metric] += interval is not None and interval.low <= truth[metric] <= interval.high
    assert {m: count / COHORTS for m, count in held.items()} == pytest.approx(dict.fromkeys(METRICS, 0.95), abs=0.015)


def test_the_truth_of_the_simulated_cohorts_is_what_a_large_one_shows():
    # 30,000 units, 3,600 of the rarest class: a share of these within 1 / sqrt(3600) = 1.7 points, at two errors.
    population = three_classes()
    labels, probabilities, _ = population.draw(30_000, np.random.default_rng(0))
    found = {**scores(labels, probabilities, "abc"), "macro_auc": macro_auc(labels, probabilities)}
    for metric, value in population.truth().items():
        assert found[metric] == pytest.approx(value, abs=0.017)


def test_a_difference_of_means_draws_units_that_may_stand_on_both_sides():
    """Against a plain bootstrap by loops over the same draws."""
    generator = np.random.default_rng(4)
    units, chosen = np.repeat(np.arange(30), 3), generator.random(90) < 0.4
    values = generator.normal(size=90) + 0.5 * chosen
    found = mean_difference_interval(values, chosen, units, replicates=500, seed=1)
    weights = draw_units(np.zeros(30, int), 500, 1)
    drawn = []
    for row in weights:
        picked = np.concatenate([np.repeat(np.flatnonzero(units == unit), times) for unit, times in enumerate(row)])
        drawn.append(values[picked][chosen[picked]].mean() - values[picked][~chosen[picked]].mean())
    left_out = [values[(units != u) & chosen].mean() - values[(units != u) & ~chosen].mean() for u in range(30)]
    estimate = values[chosen].mean() - values[~chosen].mean()
    expected = bootstrap_interval(estimate, np.array(drawn), np.array(left_out), np.zeros(30, int))
    assert (found.estimate, found.low, found.high) == pytest.approx((expected.estimate, expected.low, expected.high), abs=1e-12)
    assert mean_difference_interval(values[:3], chosen[:3], units[:3]) is None
