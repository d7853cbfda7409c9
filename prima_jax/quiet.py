"""What every process of ours sets first: libraries that keep to themselves, and a cache of what XLA has compiled."""

import os
from pathlib import Path

from absl import logging

from prima_jax import freed_memory

__all__ = ["quiet"]


def quiet() -> None:
    """Keeps libraries from narrating, and turns on the compilation cache, so that compile time is paid once."""
    freed_memory.keep()
    logging.set_verbosity(logging.ERROR)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import jax

    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "prima_jax" / "xla"
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
