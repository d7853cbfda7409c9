"""The statistics of all rows as a table: intervals, chance, and comparisons with PRIMA."""

from collections.abc import Mapping
from typing import Any

from prima_jax.report.captions import marked_title
from prima_jax.report.table import Line, Table, interval_cell

__all__ = ["score_lines", "statistics_table"]

_SCORES = {"macro_f1": "Macro F1", "balanced_accuracy": "Balanced accuracy", "accuracy": "Accuracy", "macro_auc": "Macro AUC"}


def score_lines(intervals: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns each score's title and its interval in per cent, of one method; without those that it has not."""
    return [(title, interval_cell(intervals[name])) for name, title in _SCORES.items() if intervals.get(name)]


def statistics_table(results: Mapping[str, Any]) -> Table:
    """Returns the intervals of all rows, what chance gives them, and their comparison with PRIMA."""
    methods = results["statistics"]["methods"]
    two_classes = any((one.get("against_prima") or {}).get("delong") for one in methods.values())
    columns = ["Method", "Macro F1", "By chance", "Macro AUC"]
    columns += ["PRIMA's F1 less its own", "t: p", "McNemar: p", *(["DeLong: p"] if two_classes else [])]
    lines = []
    for name, one in methods.items():
        against, chance = one.get("against_prima"), one["chance"]["macro_f1"]
        cells = [
            marked_title(results["methods"][name]),
            interval_cell(one["intervals"]["macro_f1"]),
            interval_cell({**chance, "estimate": chance["mean"]}),
            interval_cell(one["intervals"]["macro_auc"]),
            interval_cell(against["bootstrap"]["macro_f1"]) if against else "",
            _p(against["corrected_t"]["macro_f1"]["p_holm"]) if against else "",
            _p(against["mcnemar"]["p_holm"]) if against else "",
        ]
        if two_classes:
            cells.append(_p(against["delong"]["p_holm"]) if against else "")
        lines.append(Line(tuple(cells), "own" if name == "prima" else ""))
    return Table("Statistics", tuple(columns), tuple(lines), tuple(_notes(results, methods)))


def _notes(results: Mapping[str, Any], methods: Mapping[str, Any]) -> list[str]:
    torn = results.get("in_several_folds")
    sentences = [
        f"Seed {results['seeds'][0]}, all held-out cases together, in per cent; in parentheses 95% intervals by a bootstrap over "
        "subjects. They say how far another sample of subjects would move a figure, not another training, and are not corrected "
        "for their number.",
        "By chance: the macro F1 of a row's own predictions where the labels are dealt out anew among the units, and 95% of such "
        "deals, made wider by the square root of 2, since folds that are trained on each other err together.",
        "Macro AUC and DeLong's test rank the cases of all folds together, though each fold has a model of its own.",
        "t: corrected resampled t-test of macro F1 over folds (Nadeau and Bengio 2003), which has few degrees of freedom: a "
        "large p is no sign of equality. McNemar: which units are right, a unit's probabilities averaged; it and DeLong's test "
        "take a subject's units for independent. Each p with Holm's correction over the rows of its own test: the t-test is the "
        "one to judge by, the others are there for comparison.",
        "In a fold a class without cases counts as F1 = 0 where it is predicted, and is left out where it is not.",
        f"LEAKAGE: in several folds lie {', '.join(f'{n} ({kind})' for kind, n in torn.items())}."
        if torn
        else "No record, unit, file or group of identical photographs lies in two folds; near duplicates were not looked for.",
    ]
    if any(any(row.get("constant", ())) for row in results["methods"].values()):
        sentences.append(
            "Constant: the row gives every case of a fold the same probabilities, so that a p-value against it says "
            "whether PRIMA is better than no information."
        )
    if results.get("shuffled") == "labels":
        beyond = [results["methods"][name]["title"] for name, one in methods.items() if not one["chance"]["macro_f1"]["within"]]
        sentences.append(
            f"CONTROL, labels shuffled: outside 95% of chance in macro F1 {_are(beyond)}; about one row in twenty would be, "
            "by chance."
        )
    return sentences


def _are(names: list[str]) -> str:
    return f"are {'; '.join(names)}" if names else "is no row"  # names have commas


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
