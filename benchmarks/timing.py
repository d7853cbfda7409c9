"""Calls that are timed beside each other in one run; without torch, so that it can be used where there is none."""

import statistics
import time
from collections.abc import Callable

import jax
import numpy as np

from benchmarks.recipe_steps import Step
from prima_jax.training.parallel import Parallel

__all__ = ["call_of", "milliseconds"]


def call_of(step: Step, parallel: Parallel) -> Callable[[], None]:
    """Returns a call that takes one optimiser step on the devices and waits for it."""
    mapped = parallel.map_step(step.function)
    state, frozen = parallel.replicate(step.state), parallel.replicate(step.frozen)
    batch = parallel.share({name: np.asarray(rows) for name, rows in step.batch.items()})

    def call() -> None:
        nonlocal state
        state, metrics = mapped(state, frozen, batch)
        jax.block_until_ready((state, metrics))

    return call


def milliseconds(calls: list[Callable[[], None]], rounds: int) -> list[float]:
    """The median of each call over rounds in which they alternate, after one that does not count."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for call, taken in zip(calls, times, strict=True):
            started = time.perf_counter()
            call()
            if turn:
                taken.append(1e3 * (time.perf_counter() - started))
    return [statistics.median(taken) for taken in times]
