"""An attribute that tokens hold is read, one that they do not hold is not, and what is rare or unknown is left out."""

from types import SimpleNamespace

import numpy as np
import pytest

from prima_jax.metrics.subgroups import UNKNOWN
from prima_jax.stages.context import Fold
from scripts.attribute_probes import probed

NUMBER = 400


@pytest.fixture
def run():
    records = [SimpleNamespace(subject=f"s{n // 2}") for n in range(NUMBER)]
    halves = np.arange(NUMBER).reshape(2, -1)
    folds = [Fold(k, halves[1 - k], halves[k]) for k in (0, 1)]
    return SimpleNamespace(folds=folds, context=SimpleNamespace(prepared=SimpleNamespace(records=records)))


def accuracy(probe):
    labels, probabilities, _ = probe
    return np.mean(probabilities.argmax(axis=1) == labels)


def test_what_tokens_hold_is_read_and_what_they_do_not_is_chance(run):
    generator = np.random.default_rng(0)
    names = np.array(["left", "right"])[generator.integers(2, size=NUMBER)]
    held = np.where(names == "left", 1.0, -1.0)[:, None] * np.ones((1, 6)) + generator.normal(size=(NUMBER, 6))
    assert accuracy(probed(run, names, [held, held])) > 0.95
    noise = generator.normal(size=(NUMBER, 6))
    assert abs(accuracy(probed(run, names, [noise, noise])) - 0.5) < 4 * (0.25 / NUMBER) ** 0.5


def test_each_fold_reads_its_own_tokens(run):
    names = np.array(["left", "right"] * (NUMBER // 2))
    held = np.where(names == "left", 1.0, -1.0)[:, None] * np.ones((1, 4))
    assert accuracy(probed(run, names, [held, np.zeros_like(held)])) == pytest.approx(0.75)


def test_unknown_and_rare_values_are_left_out(run):
    names = np.array(["left", "right"] * (NUMBER // 2), dtype="<U16")
    names[::5], names[1::100] = UNKNOWN, "rare"
    labels, probabilities, subjects = probed(run, names, [np.zeros((NUMBER, 2))] * 2)
    assert probabilities.shape[1] == 2 and len(labels) == len(subjects) == np.isin(names, ["left", "right"]).sum()
    assert probed(run, np.array(["one"] * NUMBER), [np.zeros((NUMBER, 2))] * 2) is None
