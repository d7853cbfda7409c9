"""A least-squares problem small enough to check by hand, with frozen weights beside the trained ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from prima_jax.training.loop import Objective
from prima_jax.training.optimizer import adamw

WIDTH = 4


class Batches:
    """Endless seeded batches with a position, as grain's iterators; `before` is called with the number of each."""

    def __init__(self, size: int = 8, before: Callable[[int], None] = lambda _: None) -> None:
        self.size, self.number, self.before = size, 0, before

    def __next__(self) -> dict[str, np.ndarray]:
        self.number += 1
        self.before(self.number)
        return batch(self.number, self.size)

    def get_state(self) -> dict[str, Any]:
        return {"number": self.number}

    def set_state(self, state: dict[str, Any]) -> None:
        self.number = state["number"]


def batch(number: int, size: int = 8) -> dict[str, np.ndarray]:
    x = np.random.default_rng(number).standard_normal((size, WIDTH), np.float32)
    return {"x": x, "y": np.sin(3 * x.sum(axis=1))}


def loss(trainable: Any, frozen: Any, batch: dict[str, jax.Array]) -> Any:
    hidden = jax.numpy.tanh(batch["x"] @ (frozen["w"] + trainable["w"]))
    errors = (hidden @ trainable["v"] - batch["y"]) ** 2
    return errors.mean(), {"worst": errors.mean()}


def trees() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What is trained and what is frozen."""
    rng = np.random.default_rng(0)
    trainable = {"w": np.zeros((WIDTH, WIDTH), np.float32), "v": rng.standard_normal(WIDTH).astype(np.float32)}
    return trainable, {"w": rng.standard_normal((WIDTH, WIDTH)).astype(np.float32)}


def optimizer(steps: int = 20, learning_rate: float = 0.05) -> optax.GradientTransformation:
    return adamw(learning_rate=learning_rate, weight_decay=0.1, steps=steps, warmup_fraction=0.1)


def objective(steps: int = 20, loss: Any = loss, **batches: Any) -> Objective:
    trainable, frozen = trees()
    return Objective("toy", loss, trainable, frozen, optimizer(steps), steps, Batches(**batches))


def history(folder: Path) -> bytes:
    return (folder / "history.jsonl").read_bytes()
