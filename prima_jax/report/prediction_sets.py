"""How often PRIMA's prediction sets hold the diagnosis, as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from prima_jax.report.table import Line, Table

__all__ = ["prediction_sets_table", "sets_table"]

_HEADINGS = ("Group", "Error rate, %", "Cases", "Covered, %", "Classes in the set", "Exactly one, %", "None, %")


_HELD_OUT = (
    "A prediction set holds each class that cannot be ruled out at the error rate, which is promised for each class apart "
    "(class-conditional conformal prediction, a subject counted once). Measured on held-out cases, each by its one model; "
    "temperature and scores that a fold's cases are measured with are the other folds'."
)


def prediction_sets_table(results: Mapping[str, Any]) -> Table | None:
    """Returns coverage and size of the sets, of all cases, each class and each subgroup; None without PRIMA."""
    found = results["statistics"]["methods"].get("prima", {}).get("prediction_sets")
    return sets_table(found, _HELD_OUT) if found else None


def sets_table(found: Sequence[Mapping[str, Any]], *notes: str) -> Table:
    """Returns the table of what `experiment.statistics.prediction_sets` has found."""
    lines = [
        Line(
            (
                one["group"],
                f"{100 * one['error_rate']:g}",
                str(one["cases"]),
                f"{100 * one['covered']:.1f}",
                f"{one['size']:.2f}",
                f"{100 * one['single']:.1f}",
                f"{100 * one['empty']:.1f}",
            )
        )
        for one in found
    ]
    return Table("Prediction sets of PRIMA", _HEADINGS, tuple(lines), notes)
