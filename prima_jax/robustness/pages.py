"""Writes the results: robustness.json and robustness.md."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prima_jax.files import write_whole
from prima_jax.report.captions import conditions
from prima_jax.report.table import Line, Table, interval_cell, markdown

__all__ = ["table", "text", "write"]

_SYNTHETIC = "SYNTHETIC study, drawn by a program: no figure here says anything about patients."


def write(workdir: Path, results: Mapping[str, Any]) -> None:
    """Writes both files. Raises UserError if one cannot be written."""
    write_whole(workdir / "robustness.md", text(results).encode())
    write_whole(workdir / "robustness.json", f"{json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)}\n".encode())


def text(results: Mapping[str, Any]) -> str:
    """Returns robustness.md."""
    shown = table(results)
    return f"**{shown.title}**\n\n{markdown(shown)}"


def table(results: Mapping[str, Any]) -> Table:
    """Returns a line for each condition: macro F1 of each row, and the mean fall from what it has with everything."""
    lines = []
    for name, title in results["conditions"].items():
        cells = [_cell(of_row.get(name)) for of_row in results["figures"].values()]
        lines.append(Line((title, *cells)))
    headings = ("Missing at test time", *results["rows"].values())
    notes = (
        *([_SYNTHETIC] if results["synthetic"] else []),
        *conditions(results),
        f"Macro F1 of all held-out cases of the {results['folds']} folds together, seed {results['seed']}, in per cent; below "
        "the first line also what is added to it (in parentheses 95% intervals by a bootstrap over subjects, of the same models; "
        "not corrected for their number). A dash: the row never sees it.",
        "Models are trained with everything there. Shares: each attribute of each unit with that probability, the same for all "
        "rows; what is missing at one share is missing at every larger one.",
    )
    return Table(f"{results['title']}: what is missing at test time", headings, tuple(lines), notes)


def _cell(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return "-"
    if not figures["less_intact"]:
        return interval_cell(figures["scores"]["macro_f1"])
    less, scored = figures["less_intact"]["macro_f1"], figures["scores"]["macro_f1"]
    if less is None or scored is None:
        return "-"
    low, high = (f"{100 * less[side]:+.1f}" for side in ("low", "high"))
    return f"{100 * scored['estimate']:.1f}: {100 * less['estimate']:+.1f} ({low} to {high})"
