"""What a training step carries from one step to the next: only what is trained, and its optimiser's state."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

__all__ = ["TrainState", "create"]


@struct.dataclass
class TrainState:
    """Frozen weights live elsewhere and are passed beside this."""

    trainable: Any
    optimizer_state: optax.OptState


def create(trainable: Any, optimizer: optax.GradientTransformation) -> TrainState:
    """A state before the first step. Copies `trainable`, since a step donates its state's memory."""
    trainable = jax.tree.map(jnp.array, trainable)
    return TrainState(trainable, optimizer.init(trainable))
