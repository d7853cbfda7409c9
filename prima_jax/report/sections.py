"""The tables after the scores, under the questions that a clinician asks of a result, in their order."""

from collections.abc import Mapping
from typing import Any

from prima_jax.report.alignment import alignment_table
from prima_jax.report.calibration import calibration_table
from prima_jax.report.cohort import class_table, missing_table
from prima_jax.report.per_class import per_class_table
from prima_jax.report.prediction_sets import prediction_sets_table
from prima_jax.report.statistics import statistics_table
from prima_jax.report.subgroups import subgroup_table
from prima_jax.report.table import Table

__all__ = ["sections"]


def sections(results: Mapping[str, Any]) -> dict[str, list[Table]]:
    """Returns question -> its tables."""
    found: dict[str, list[Table | None]] = {
        "What was asked": [class_table(results)],
        "How good": [statistics_table(results), per_class_table(results), alignment_table(results)],
        "How sure": [calibration_table(results), prediction_sets_table(results)],
        "For whom": [subgroup_table(results), missing_table(results)],
    }
    return {question: [table for table in tables if table] for question, tables in found.items()}
