"""The progress bar of everything that takes long, and the time that is left."""

import sys
from typing import Any

from tqdm import tqdm

__all__ = ["count_first", "progress_bar", "said_of_time_left"]


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


def count_first(bar: Any, number: int = 1) -> None:
    """Counts the first step, or the `number` of the first batch, without its time: it compiles, and would foretell hours."""
    bar.unpause()
    bar.n += number
    bar.initial = bar.last_print_n = bar.n


def said_of_time_left(seconds: float, pieces: int) -> str:
    """Returns ", about 12:34 left" for so many more pieces of work that take as long as the last one, in seconds."""
    return f", about {tqdm.format_interval(seconds * pieces)} left"
