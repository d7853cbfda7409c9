import numpy as np
import pytest

from prima_jax.metrics.conformal import HeldOut, held_out_p_values, smallest_error_rate


def cohort(subjects: int, seed: int, *, repeats: bool = False) -> tuple[np.ndarray, ...]:
    """Labels, probabilities, folds and subjects, three classes; `repeats`: subjects have one to four cases, all alike."""
    generator = np.random.default_rng(seed)
    labels = np.arange(subjects) % 3
    logits = 1.5 * np.eye(3)[labels] + generator.normal(size=(subjects, 3))
    counts = generator.integers(1, 5, subjects) if repeats else np.ones(subjects, int)
    of_case = np.repeat(np.arange(subjects), counts)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    folds = generator.permutation(subjects) % 5
    return labels[of_case], probabilities[of_case], folds[of_case], of_case


def test_p_values_are_those_of_a_loop():
    labels, probabilities, _, subjects = cohort(60, 0, repeats=True)
    new = np.random.default_rng(1).dirichlet(np.ones(3), 7)
    found = HeldOut.of(labels, probabilities, subjects).p_values(new)
    for case in range(7):
        for label in range(3):
            total, people = 0.0, set(subjects[labels == label])
            for person in people:
                own = [n for n in range(len(labels)) if labels[n] == label and subjects[n] == person]
                least = [1 - probabilities[n, label] >= 1 - new[case, label] for n in own]
                total += sum(least) / len(own)
            assert found[case, label] == pytest.approx((1 + total) / (1 + len(people)))


def test_each_class_is_covered_as_promised_on_new_cases():
    """300 subjects of each class and 3,000 new ones: the standard deviation of a class's coverage is at most
    sqrt(0.8 * 0.2 * (1/300 + 1/1000)) = 2.6 points, so that 8 points are three of them."""
    labels, probabilities, _, subjects = cohort(900, 0)
    held_out = HeldOut.of(labels, probabilities, subjects)
    labels, probabilities, _, _ = cohort(3000, 1)
    p = held_out.p_values(probabilities)
    for rate in (0.1, 0.2):
        for label in range(3):
            covered = (p[labels == label, label] > rate).mean()
            assert covered == pytest.approx(1 - rate, abs=0.08)


def test_coverage_of_held_out_cases_leaves_their_own_fold_out():
    labels, probabilities, folds, subjects = cohort(90, 0)
    found, here = held_out_p_values(labels, probabilities, folds, subjects), folds == 2
    one = np.flatnonzero(here)[0]
    changed = probabilities.copy()
    changed[np.setdiff1d(np.flatnonzero(here), [one])] = 1 / 3
    again = held_out_p_values(labels, changed, folds, subjects)
    assert again[one] == pytest.approx(found[one])
    assert not np.allclose(again[~here], found[~here])


def test_a_subject_counts_once_however_many_cases_it_has():
    labels, probabilities, _, subjects = cohort(60, 0)
    new = np.random.default_rng(1).dirichlet(np.ones(3), 9)
    once = HeldOut.of(labels, probabilities, subjects).p_values(new)
    often = [np.concatenate([array, *[array[:10]] * 5]) for array in (labels, probabilities, subjects)]
    assert HeldOut.of(*often).p_values(new) == pytest.approx(once)


def test_an_error_rate_below_what_the_subjects_support_keeps_every_class():
    labels, probabilities, _, subjects = cohort(12, 0)
    held_out = HeldOut.of(labels, probabilities, subjects)
    assert smallest_error_rate(held_out.subjects) == pytest.approx([1 / 5] * 3)
    worst = np.zeros((1, 3))
    assert held_out.p_values(worst).min() == pytest.approx(1 / 5)
