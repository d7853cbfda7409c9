"""What every process of ours sets first: quiet libraries, a cache of what XLA has compiled, its share of a GPU's memory."""

import os
from pathlib import Path

from absl import logging

from prima_jax import freed_memory

__all__ = ["leave_device_memory", "quiet", "share_device_memory"]

_MOST = 0.92
"""Of a GPU's memory; JAX alone takes 0.75. What is left is CUDA's own, in each process."""
_FRACTION, _OLD_FRACTION = "XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"
"""Two names of one setting, which jaxlib refuses together."""
_PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"
_ours: set[str] = set()
"""Which of them stand in the environment because of this file, and not of the user."""


def quiet(with_jax: bool = True) -> None:
    """Keeps libraries from narrating, and turns on the compilation cache, so that compile time is paid once.

    Imports JAX, which takes seconds; a process that has no use for it leaves it out.
    """
    freed_memory.keep()
    logging.set_verbosity(logging.ERROR)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if not with_jax:
        return
    share_device_memory(1)
    import jax

    # Small programs are many: a run that goes on where it was stopped would compile them all again.
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "prima_jax" / "xla"
    jax.config.update("jax_compilation_cache_dir", str(cache))


def leave_device_memory() -> None:
    """Before JAX has looked for devices: takes no more of a GPU's memory than what is computed here needs."""
    _set(_PREALLOCATE, "false")


def share_device_memory(processes: int) -> None:
    """Lets each of so many processes that this one starts, or this one alone before JAX has looked for devices, take its share
    of a GPU's memory at once. What the user has set stays.
    """
    if not os.environ.get(_OLD_FRACTION):
        _set(_FRACTION, f"{_MOST / processes:.3f}")
    if _PREALLOCATE in _ours:
        _ours.remove(_PREALLOCATE)
        del os.environ[_PREALLOCATE]


def _set(name: str, value: str) -> None:
    if name in _ours or not os.environ.get(name):
        os.environ[name] = value
        _ours.add(name)
