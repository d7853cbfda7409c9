"""The statistics of a table, in Markdown."""

from collections.abc import Mapping
from typing import Any

from prima_jax.evaluation.captions import method_name

__all__ = ["statistics_markdown"]


def statistics_markdown(results: Mapping[str, Any]) -> str:
    """Intervals and comparisons of all rows, then the subgroups of the row they are compared with."""
    found = results.get("statistics")
    if not found:
        return ""
    parts = ["## Statistics", "", *_methods(results, found["methods"]), "", *(f"- {note}" for note in _notes(results, found))]
    if "prima" in found["methods"]:
        parts += ["", "## PRIMA in subgroups", "", *_subgroups(found["methods"]["prima"]["subgroups"])]
    return "\n".join(parts) + "\n"


def _methods(results: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    lines = [
        "| Method | Macro F1 | By chance | Macro AUC | ECE | ECE, temperature | PRIMA's F1 less its own | t: p | McNemar: p |",
        "| :-- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name, one in found.items():
        against = one.get("against_prima")
        cells = [
            results["methods"][name]["title"] if name in results["methods"] else method_name(name),
            _interval(one["intervals"]["macro_f1"]),
            _interval({**one["chance"]["macro_f1"], "estimate": one["chance"]["macro_f1"]["mean"]}),
            _interval(one["intervals"]["macro_auc"]),
            f"{100 * one['calibration_error']:.1f}",
            f"{100 * one['calibration_error_with_temperature']:.1f}",
            _interval(against["bootstrap"]["macro_f1"]) if against else "",
            _p(against["corrected_t"]["macro_f1"]["p_holm"]) if against else "",
            _p(against["mcnemar"]["p_holm"]) if against else "",
        ]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def _notes(results: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    torn = {kind: number for kind, number in found["in_several_folds"].items() if kind != "subject"}
    return [
        f"Seed {results['seeds'][0]}, all held-out cases together, in per cent; in parentheses 95% intervals by a bootstrap over "
        "units. They say how far another sample of units would move a figure, not another training.",
        "t: corrected resampled t-test of macro F1 over folds (Nadeau and Bengio 2003). McNemar: which units are right. Both p "
        "with Holm's correction over the rows.",
        "ECE: expected calibration error, 15 bins; with the temperature that is fitted on the other folds.",
        "By chance: the macro F1 of a row's own predictions where the labels are dealt out anew among the units, and 95% of such "
        "deals.",
        "No record and no unit is in two folds." if not torn else f"LEAKAGE: in several folds are {torn}.",
    ]


def _subgroups(found: Mapping[str, Any]) -> list[str]:
    lines = ["| Group | Cases | Units | Macro F1 | Accuracy | Balanced acc. |", "| :-- | --: | --: | --: | --: | --: |"]
    for grouping, groups in found.items():
        for group in groups:
            figures = [group[score] for score in ("macro_f1", "accuracy", "balanced_accuracy")]
            shown = ["too few" if value is None else f"{100 * value:.1f}" for value in figures]
            lines.append(f"| {grouping}: {group['name']} | {group['cases']:,} | {group['units']:,} | {' | '.join(shown)} |")
    return lines


def _interval(one: Mapping[str, float] | None) -> str:
    if one is None:
        return "-"
    return f"{100 * one['estimate']:.1f} ({100 * one['low']:.1f} to {100 * one['high']:.1f})"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
