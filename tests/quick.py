"""Compiled quickly: for tests whose time nearly all goes there, and which show nothing that hangs on how well it is done."""

from collections.abc import Iterator

import jax
import pytest

ENVIRONMENT = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "none",
    "XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false",
}
"""For a process of its own, which sees one device. XLA's other caches put the folder of the compilation cache into each
program's key, so that nothing would be found in a copy of it; they are of use on a GPU alone."""


@pytest.fixture(scope="module", autouse=True)
def compiled_quickly() -> Iterator[None]:
    """For this process. A conftest that imports it has it for all tests of its folder."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()  # JAX would take what was compiled quickly for what was not
