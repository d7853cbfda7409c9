"""The one loop that runs every stage: step, log, checkpoint, resume, stop when asked to."""

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import optax

from prima_jax import runtime
from prima_jax.errors import UserError
from prima_jax.hosts import any_of, as_first, is_first, several
from prima_jax.progress import count_first, progress_bar
from prima_jax.training.checkpoint import Progress
from prima_jax.training.made_with import joined, made_with
from prima_jax.training.microbatches import value_and_gradients
from prima_jax.training.parallel import AXIS, Parallel
from prima_jax.training.state import TrainState, create

__all__ = ["BatchIterator", "Loss", "Objective", "Stopped", "Trained", "make_step", "stop_requests", "train"]

Loss = Callable[[Any, Any, dict[str, jax.Array]], tuple[jax.Array, dict[str, jax.Array]]]
"""loss(trainable, frozen, batch) -> (loss, parts), inside the named axis `data`."""

_FLUSH_EVERY = 50  # steps between two readings of the losses; reading waits for the devices
_ASK_EVERY = 10  # steps between two questions among several processes whether to save, for the same reason


class BatchIterator(Protocol):
    """What grain's iterators are: endless batches with a position that can be saved."""

    def __next__(self) -> dict[str, Any]: ...
    def get_state(self) -> dict[str, Any]: ...
    def set_state(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Objective:
    """What a stage minimises, over what, for how long."""

    name: str
    loss: Loss
    trainable: Any
    frozen: Any
    optimizer: optax.GradientTransformation
    steps: int
    batches: BatchIterator = field(repr=False)


class Trained(NamedTuple):
    """What a stage leaves: the trained tree, on the host; over all its starts the seconds it took and what it was made with."""

    tree: Any
    seconds: float
    made_with: dict[str, str]


class Stopped(BaseException):
    """The run was asked to stop (SIGTERM) and has saved where it stands."""


def make_step(
    loss: Loss, optimizer: optax.GradientTransformation, microbatches: int = 1
) -> Callable[[TrainState, Any, Any], Any]:
    """One optimiser step for one device: step(state, frozen, batch) -> (state, metrics).

    microbatches: pieces that gradients are accumulated over (training/microbatches.py), of a loss that is a mean over examples.

    The mean of the loss is taken inside the differentiated function and that of the gradients outside, which gives
    the gradient of the mean under pmap and shard_map alike.
    """

    def objective(trainable: Any, frozen: Any, batch: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        value, parts = loss(trainable, frozen, batch)
        return jax.lax.pmean(value, AXIS), parts

    differentiated = value_and_gradients(objective, microbatches)

    def step(state: TrainState, frozen: Any, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        (value, parts), gradients = differentiated(state.trainable, frozen, batch)
        gradients, parts = jax.lax.pmean((gradients, parts), AXIS)
        updates, optimizer_state = optimizer.update(gradients, state.optimizer_state, state.trainable)
        metrics = {"loss": value, **parts, "gradient_norm": optax.tree.norm(gradients)}
        return TrainState(optax.apply_updates(state.trainable, updates), optimizer_state), metrics

    return step


def train(
    objective: Objective,
    folder: Path,
    *,
    parallel: Parallel,
    checkpoint_seconds: float = 60.0,
    mapped_step: Callable[..., Any] | None = None,
) -> Trained:
    """Runs an objective to its last step, from its newest checkpoint if there is one.

    `folder` gets `history.jsonl` (a line a step: step, loss, its parts, gradient_norm). `mapped_step` is a compiled
    step of an earlier fold, where the same one serves again.
    """
    runtime.trim_heap()
    step_function = mapped_step or parallel.map_step(make_step(objective.loss, objective.optimizer))
    frozen = parallel.replicate(objective.frozen)
    state = parallel.replicate(create(objective.trainable, objective.optimizer))
    with Progress(folder / "checkpoint") as progress, stop_requests() as stop_requested:
        done, started, made = as_first(lambda: progress.latest() or 0), time.monotonic(), made_with()
        if done:
            state, position = progress.restore(done, state)
            objective.batches.set_state(position["batches"])
            started -= position["seconds"]
            made = joined([position.get("made_with", {}), made])
        history = _History(folder / "history.jsonl", done)
        saved = time.monotonic()
        with progress_bar(objective.steps, objective.name, "step", done=done) as bar:
            for number in range(done + 1, objective.steps + 1):
                batch = parallel.share(next(objective.batches))
                state, metrics = step_function(state, frozen, batch)
                history.add(number, metrics)
                if number == done + 1:
                    jax.block_until_ready(metrics)
                    count_first(bar)
                else:
                    bar.update()
                if number % _FLUSH_EVERY == 0 or number == objective.steps:
                    bar.set_postfix(loss=f"{history.flush():.4f}", refresh=False)
                stop, save = _wished(number, stop_requested(), time.monotonic() - saved > checkpoint_seconds)
                if stop or save:
                    history.flush()
                    seconds = time.monotonic() - started
                    data = {"batches": objective.batches.get_state(), "seconds": seconds, "made_with": made}
                    progress.save(number, state, data)
                    saved = time.monotonic()
                if stop:
                    raise Stopped
    return Trained(jax.device_get(state.trainable), time.monotonic() - started, made)


def _wished(number: int, stop: bool, save: bool) -> tuple[bool, ...]:
    """Whether to stop and whether to save, at the same step in all processes: SIGTERM may reach one alone, and clocks differ."""
    return any_of(stop, save) if number % _ASK_EVERY == 0 or not several() else (False, False)


class _History:
    """Losses on disk, a line a step; lines after the checkpoint that a run goes on from are dropped."""

    def __init__(self, path: Path, done: int) -> None:
        self._path = path
        self._waiting: list[tuple[int, dict[str, jax.Array]]] = []
        if not is_first():
            return
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        with path.open("ab") as file:
            file.truncate(sum(map(len, lines[:done])))  # in place: were it written anew, a kill could leave it empty

    def add(self, step: int, metrics: dict[str, jax.Array]) -> None:
        self._waiting.append((step, metrics))

    def flush(self) -> float:
        """Writes what is waiting; returns the newest loss. Raises UserError once a loss or a gradient is not a number."""
        rows = [{"step": s, **{k: float(v) for k, v in m.items()}} for s, m in jax.device_get(self._waiting)]
        self._waiting.clear()
        for row in rows:
            broken = next((name for name in ("loss", "gradient_norm") if not math.isfinite(row[name])), None)
            if broken:
                raise UserError(
                    f"The {broken} in {self._path.parent} is {row[broken]} at step {row['step']}: "
                    "lower the learning rate or raise the temperature of this stage."
                )
        if is_first():
            with self._path.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)
        return rows[-1]["loss"] if rows else math.nan


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM has come since the context began."""
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        asked = True

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGTERM, before)
