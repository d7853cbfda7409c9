"""For kernels and models: JAX refuses to promote types by itself. Not for training, since optax counts on it."""

from collections.abc import Iterator

import jax
import pytest

__all__ = ["standard_promotion", "strict_promotion"]


@pytest.fixture(autouse=True)
def strict_promotion() -> Iterator[None]:
    """A conftest that imports it has it for all tests of its folder."""
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture
def standard_promotion(strict_promotion: None) -> Iterator[None]:
    """For models in bfloat16 or float64: Flax's norms compute in float32 as well, and leave the rest to JAX."""
    with jax.numpy_dtype_promotion("standard"):
        yield
