"""Every test sees eight virtual CPU devices; a test that wants fewer says so. What XLA compiles is kept for the next call.

No test may show a patient's value (canaries.py).
"""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.canaries import CANARY, canaries_in, canaries_watched

LONGEST = ("test_kill.py", "test_full_size.py", "experiment/test_run.py", "corpus/learn/test_learn.py")
"""The files that take longest, which begin first, so that no process is left alone with one of them."""
MAPS = Path("/proc/self/maps")

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Half of the tests' time is XLA's compiling: a call after the first reads it from pytest's cache (--cache-clear)."""
    if hasattr(config, "cache"):  # not with -p no:cacheprovider
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(config.cache.mkdir("compiled")))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES", "none")  # of use on a GPU alone


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))


@pytest.fixture(scope="module", autouse=True)
def compiled_programs_are_dropped() -> Iterator[None]:
    """Each compiled program holds several memory maps, and Linux allows a process 65,530: past that XLA crashes it."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > 30_000:
        import jax  # not before XLA_FLAGS is set

        jax.clear_caches()


@pytest.fixture(scope="session", autouse=True)
def no_report_holds_a_canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with canaries_watched():
        yield
    assert not canaries_in(tmp_path_factory.getbasetemp())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What was printed or logged, and no test has read."""
    report = yield
    if any(CANARY in text for _, text in report.sections):
        report.outcome, report.longrepr = "failed", "a patient's value was printed or logged"
    return report
