"""Compiled quickly: for tests whose time nearly all goes there, and which show nothing that hangs on how well it is done."""

from collections.abc import Iterator

import jax
import pytest

ENVIRONMENT = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
"""For a process of its own."""


@pytest.fixture(scope="module", autouse=True)
def compiled_quickly() -> Iterator[None]:
    """For this process. A conftest that imports it has it for all tests of its folder."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
