"""PRIMA on each class against the rest, as a table."""

from collections.abc import Mapping
from typing import Any

from prima_jax.report.scores import class_order
from prima_jax.report.table import Line, Table, interval_cell

__all__ = ["per_class_table"]


def per_class_table(results: Mapping[str, Any]) -> Table | None:
    """Returns AUROC, sensitivity, specificity and PPV of each class; None where there is no row of PRIMA."""
    found = results["statistics"]["methods"].get("prima", {}).get("one_vs_rest")
    if not found:
        return None
    columns = {"auroc": "AUROC", "sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV"}
    lines = [Line((name, *(interval_cell(found[name][figure]) for figure in columns))) for name in class_order(results)]
    note = (
        "In per cent, with 95% intervals by a bootstrap over subjects. Sensitivity, specificity and PPV (positive predictive "
        "value) are those of the most probable class, without a threshold of its own; PPV holds for the shares of the classes in "
        "this study."
    )
    return Table("PRIMA, each class against the rest", ("Class", *columns.values()), tuple(lines), (note,))
