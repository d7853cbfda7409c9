"""What a run needed and with what: packages and memory, noted when a fold ends, since the next may run another day."""

import hashlib
import importlib.metadata
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jax

import prima_jax

__all__ = ["measured", "measured_in_all", "peak_device_memory_bytes", "peak_memory_bytes", "sources", "versions"]

_PACKAGES = (
    "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "transformers", "numpy", "scikit-learn",
)  # fmt: skip


def measured() -> dict[str, Any]:
    """{"versions", "peak_memory_bytes", "peak_device_memory_bytes"} of this process so far."""
    return {
        "versions": versions(),
        "peak_memory_bytes": peak_memory_bytes(),
        "peak_device_memory_bytes": peak_device_memory_bytes(),
    }


def measured_in_all(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same of a whole run: the largest peaks, and of each package every version that a fold was run with."""
    packages = dict.fromkeys(name for fold in folds for name in fold["versions"])
    peaks = [fold["peak_device_memory_bytes"] for fold in folds if fold["peak_device_memory_bytes"] is not None]
    return {
        "versions": {name: " and ".join(dict.fromkeys(f["versions"].get(name, "not noted") for f in folds)) for name in packages},
        "peak_memory_bytes": max(fold["peak_memory_bytes"] for fold in folds),
        "peak_device_memory_bytes": max(peaks, default=None),
    }


def versions() -> dict[str, str]:
    """The versions of Python, of this package and of those that bear on the numbers."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "prima_jax": f"{prima_jax.__version__} ({sources()})", **packages}


@cache
def sources() -> str:
    """A hash of this package's files, since between two releases one version stands for many codes."""
    digest, folder = hashlib.sha256(), Path(prima_jax.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def peak_memory_bytes() -> int:
    """The most memory that this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # macOS counts bytes, Linux KiB


def peak_device_memory_bytes() -> int | None:
    """The most memory that one device of this process has held so far, in bytes; None where devices do not tell (CPUs)."""
    peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in jax.local_devices()]
    return max((peak for peak in peaks if peak is not None), default=None)
