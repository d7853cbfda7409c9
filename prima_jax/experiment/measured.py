"""What a run needed and with what: packages and memory, noted when a fold ends, since the next may run another day."""

import importlib.metadata
import platform
import re
import resource
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from prima_jax.training.made_with import joined, made_with

__all__ = ["measured", "measured_in_all", "peak_device_memory_bytes", "peak_memory_bytes", "versions"]

_PACKAGES = (
    "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "transformers", "numpy", "scikit-learn",
)  # fmt: skip


def measured(read_back: Iterable[Mapping[str, str]] = ()) -> dict[str, Any]:
    """{"versions", "peak_memory_bytes", "peak_device_memory_bytes"} of this process so far; read_back: what the stages that it
    did not train itself were made with.
    """
    return {
        "versions": {**versions(), **joined([*read_back, made_with()])},
        "peak_memory_bytes": peak_memory_bytes(),
        "peak_device_memory_bytes": peak_device_memory_bytes(),
    }


def measured_in_all(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same of a whole run: the largest peaks, and of each package every version that a fold was run with."""
    peaks = [fold["peak_device_memory_bytes"] for fold in folds if fold["peak_device_memory_bytes"] is not None]
    return {
        "versions": joined(fold["versions"] for fold in folds),
        "peak_memory_bytes": max(fold["peak_memory_bytes"] for fold in folds),
        "peak_device_memory_bytes": max(peaks, default=None),
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that bear on the numbers, and what else they were made with."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **made_with(), **packages}


def peak_memory_bytes() -> int:
    """The most memory that this process has held so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, whose getrusage holds the peak of the process that started this one as well
        peaks = re.findall(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE)
        if peaks:
            return 1024 * int(peaks[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # macOS counts bytes, Linux KiB


def peak_device_memory_bytes() -> int | None:
    """The most memory that one device of this process has held so far, in bytes; None where devices do not tell (CPUs)."""
    peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in jax.local_devices()]
    return max((peak for peak in peaks if peak is not None), default=None)
