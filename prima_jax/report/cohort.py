"""Who was studied, as two tables: the counts of each class, and how often each attribute is missing."""

from collections.abc import Mapping
from typing import Any

from prima_jax.report.scores import class_order
from prima_jax.report.table import Line, Table

__all__ = ["class_table", "missing_table"]

_MUCH = 0.1
"""A difference in missingness between two classes that is shown."""


def class_table(results: Mapping[str, Any]) -> Table:
    """Returns cases, units and subjects of each class, of all folds and of each fold's held-out part."""
    cohort = results["cohort"]
    rows = {name: cohort["classes"][name] for name in class_order(results)} | {"All": cohort["all"]}
    lines = [Line((name, *map(_sizes, [counts, *counts["folds"]]))) for name, counts in rows.items()]
    folds = [f"Held out, fold {fold}" for fold in range(len(cohort["all"]["folds"]))]
    note = "Cases / units / subjects, with the folds of the first seed. A subject may have units of several classes."
    return Table("Cases of each class", ("Class", "All", *folds), tuple(lines), (note,))


def missing_table(results: Mapping[str, Any]) -> Table | None:
    """Returns the share of cases without each attribute, by class where that differs much; None if all are always known."""
    missing = {name: one for name, one in results["cohort"]["missing"].items() if one["all"]}
    if not missing:
        return None
    classes = class_order(results)
    lines = []
    for name, one in sorted(missing.items(), key=lambda item: -item[1]["all"]):
        by_class = [one["by_class"][of_class] for of_class in classes]
        known = [share for share in by_class if share is not None]
        differs = max(known) - min(known) >= _MUCH
        lines.append(Line((name, _percent(one["all"]), *(_percent(share) if differs else "" for share in by_class))))
    always = [name for name in results["cohort"]["missing"] if name not in missing]
    notes = [
        f"In per cent of the cases; by class where two classes differ by {100 * _MUCH:.0f} points or more, which may be chance "
        "where a class is small.",
        *([f"Never missing: {', '.join(always)}."] if always else []),
    ]
    return Table("Missing attributes", ("Attribute", "Missing", *classes), tuple(lines), tuple(notes))


def _sizes(counts: Mapping[str, Any]) -> str:
    return " / ".join(f"{counts[noun]:,}" for noun in ("cases", "units", "subjects"))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
