"""The progress bar of everything that takes long."""

import sys
from typing import Any

from tqdm import tqdm

__all__ = ["progress_bar"]


def progress_bar(total: int, description: str, unit: str, *, done: int = 0) -> Any:
    """Returns a tqdm bar on stderr that clears itself at its end; in a log it writes at most every 20 s."""
    return tqdm(
        total=total,
        initial=done,
        desc=description,
        unit=unit,
        file=sys.stderr,
        mininterval=0.5 if sys.stderr.isatty() else 20.0,
        delay=2.0,  # none for shorter work
        leave=False,
    )
