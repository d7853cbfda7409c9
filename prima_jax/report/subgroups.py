"""PRIMA's figures in subgroups as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from prima_jax.metrics.subgroups import CONFIDENT
from prima_jax.report.scores import class_order
from prima_jax.report.table import Line, Table, interval_cell

__all__ = ["groups_table", "subgroup_table"]


def subgroup_table(results: Mapping[str, Any]) -> Table | None:
    """Returns the groups of each grouping, with their counts; None where there are none, or no row of PRIMA."""
    groupings = results["statistics"]["methods"].get("prima", {}).get("subgroups")
    return groups_table(groupings, results["classes"], class_order(results)) if groupings else None


def groups_table(groupings: Mapping[str, Sequence[Mapping[str, Any]]], names: Sequence[str], order: Sequence[str]) -> Table:
    """Returns the table of groupings.

    names: the classes as the groups' counts have them; order: as the table shows them.
    """
    places, lines = [list(names).index(name) for name in order], []
    for grouping, groups in groupings.items():
        for group in groups:
            figures = [group[score] for score in ("macro_f1", "accuracy", "balanced_accuracy")]
            shown = ["too few" if value is None else f"{100 * value:.1f}" for value in figures]
            counts = [f"{group['cases']:,}", " + ".join(str(group["by_class"][place]) for place in places), f"{group['units']:,}"]
            kept = "-" if group["kept_accuracy"] is None else f"{100 * group['kept']:.0f}: {100 * group['kept_accuracy']:.1f}"
            cells = (f"{grouping}: {group['name']}", *counts, *shown, interval_cell(group["less_others"]), kept)
            lines.append(Line(cells))
    headings = ("Group", "Cases", " + ".join(order), "Units", "Macro F1", "Accuracy", "Balanced acc.", "Less the others'", "Kept")
    notes = (
        "For a first look: no test, no correction, and groups differ in their diagnoses.",
        "Less the others': accuracy less that of all other cases, with a 95% interval by a bootstrap over units.",
        f"Kept: the share of the group among the most confident {CONFIDENT:.0%} of all cases, and the accuracy there: a group "
        "that is kept less is answered less often where the others are left to a person.",
    )
    return Table("PRIMA in subgroups", headings, tuple(lines), notes)
