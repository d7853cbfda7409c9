"""How far a row's confidence can be trusted, as a table: calibration, and selective accuracy."""

from collections.abc import Mapping
from typing import Any

from prima_jax.report.captions import marked_title
from prima_jax.report.table import Line, Table, interval_cell

__all__ = ["calibration_table"]


def calibration_table(results: Mapping[str, Any]) -> Table:
    """Returns Brier score, calibration errors, error rate and the area under the risk-coverage curve of all rows."""
    lines = []
    for name, one in results["statistics"]["methods"].items():
        accuracy, area = one["intervals"]["accuracy"], one["aurc_with_temperature"]
        cells = (
            marked_title(results["methods"][name]),
            f"{one['brier_score']:.3f}",
            f"{100 * one['calibration_error']:.1f} ({100 * one['calibration_error_by_chance']:.1f})",
            f"{100 * one['calibration_error_with_temperature']:.1f}",
            "-" if accuracy is None else f"{100 * (1 - accuracy['estimate']):.1f}",
            interval_cell(area),
        )
        lines.append(Line(cells, "own" if name == "prima" else ""))
    headings = ("Method", "Brier", "ECE (if honest)", "ECE, temperature", "Error", "AURC")
    notes = (
        "Brier: from 0 to 2. ECE: expected calibration error, 15 bins, in per cent, and in parentheses what chance would give if "
        "the probabilities were honest; then with the temperature that is fitted on the other folds.",
        "AURC: the area under the risk-coverage curve, in per cent, with a 95% interval by a bootstrap over subjects: the mean "
        "error among the most confident 1, 2, ... of all cases, by the largest probability with that temperature. 0 is best; a "
        "confidence that says nothing about being right has the error of all cases, which stands beside it.",
    )
    return Table("Calibration and selective accuracy", headings, tuple(lines), notes)
