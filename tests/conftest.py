"""Every test sees eight virtual CPU devices; a test that wants fewer says so."""

import os
from collections.abc import Iterator

import pytest

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module", autouse=True)
def compiled_programs_are_dropped() -> Iterator[None]:
    """Each compiled program holds several memory maps, and Linux allows a process 65,530: past that XLA crashes it."""
    yield
    import jax  # not before XLA_FLAGS is set

    jax.clear_caches()
