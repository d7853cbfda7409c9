"""Writes the results of a run: results.json, predictions.csv, table.md, .tex and .csv, pictures/ and report.html."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prima_jax.files import write_whole
from prima_jax.metrics.calibration import cross_fitted_temperatures
from prima_jax.metrics.confusion import confusion
from prima_jax.metrics.predictions import Predictions
from prima_jax.report.confusion_picture import confusion_picture
from prima_jax.report.curves import Curves, loss_picture
from prima_jax.report.errors import confident_errors, error_table, small_photograph
from prima_jax.report.page import page
from prima_jax.report.published import as_json
from prima_jax.report.reliability_picture import reliability_picture
from prima_jax.report.risk_coverage_picture import risk_coverage_picture
from prima_jax.report.scores import score_table
from prima_jax.report.sections import sections
from prima_jax.report.table import csv_bytes, latex, markdown

__all__ = ["table_text", "write_report"]


def write_report(
    folder: Path,
    results: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    predictions: Predictions,
    curves: Sequence[Curves],
    config: str,
    photograph: Callable[[str], np.ndarray],
    error_photographs: int,
) -> None:
    """Writes every file of the module's first line; lines: those of predictions.csv; predictions: of the first seed.

    photograph: that of a case, uint8 `[H, W, 3]`, by its record; error_photographs: of how many errors the page shows it.
    Raises UserError if a file cannot be written, or if a stage's history is broken.
    """
    scores = score_table(results)
    write_whole(folder / "predictions.csv", csv_bytes([list(lines[0]), *(list(line.values()) for line in lines)]))
    write_whole(folder / "table.csv", csv_bytes([scores.headings, *(line.cells for line in scores.lines)]))
    write_whole(folder / "table.tex", latex(scores).encode())
    write_whole(folder / "table.md", table_text(results).encode())
    synthetic = bool(results["synthetic"])
    losses = {one.title: loss_picture(one, synthetic=synthetic) for one in curves}
    confusions, reliabilities = _pictures_of_rows(results, predictions)
    calibrated = {
        row: cross_fitted_temperatures(predictions.labels, probabilities, predictions.folds)[1]
        for row, probabilities in predictions.probabilities.items()
    }
    risk_coverage = _risk_coverage(results, predictions.labels, calibrated)
    write_whole(folder / "pictures" / "risk_coverage.png", risk_coverage)
    for prefix, pictures in (("loss", losses), ("confusion", confusions), ("reliability", reliabilities)):
        for title, picture in pictures.items():
            write_whole(folder / "pictures" / f"{prefix}_{_file_name(title)}.png", picture)
    shown = confident_errors(predictions, calibrated["prima"])[:error_photographs] if "prima" in calibrated else ()
    of_prima = {(line["record"], line["seed"]): n for n, line in enumerate(lines, start=2) if line["method"] == "prima"}
    line_of = {record: of_prima[record, lines[0]["seed"]] for record in predictions.records.tolist() if "prima" in calibrated}
    photographs = {
        f"line {line_of[name]}": small_photograph(photograph(name)) for name in predictions.records[list(shown)].tolist()
    }
    html = page(
        results,
        losses=losses,
        confusions=confusions,
        reliabilities=reliabilities,
        risk_coverage=risk_coverage,
        errors=error_table(predictions, calibrated["prima"], line_of) if "prima" in calibrated else None,
        photographs=photographs,
        config=config,
    )
    write_whole(folder / "report.html", html.encode())
    # Last, so that whoever waits for this file finds the others complete.
    published = as_json(results["study"], synthetic=results["synthetic"] or bool(results.get("shuffled")))
    whole = {**results, "published": published}
    text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain)
    write_whole(folder / "results.json", f"{text}\n".encode())


def table_text(results: Mapping[str, Any]) -> str:
    """Returns table.md: the scores with their notes, and the statistics."""
    scores = score_table(results)
    parts = [f"**{scores.title}**\n\n{markdown(scores)}"]
    parts += [f"## {table.title}\n\n{markdown(table)}" for tables in sections(results).values() for table in tables]
    return "\n".join(parts)


def _pictures_of_rows(results: Mapping[str, Any], predictions: Predictions) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Returns title of the row -> its confusion matrix, and title -> its reliability diagram."""
    names, synthetic = predictions.class_names, results["synthetic"]
    confusions, reliabilities = {}, {}
    for row, probabilities in predictions.probabilities.items():
        title = results["methods"][row]["title"]
        counts = confusion(predictions.labels, probabilities.argmax(axis=1), len(names))
        confusions[title] = confusion_picture(title, counts, names, synthetic=synthetic)
        reliabilities[title] = reliability_picture(title, predictions.labels, probabilities, synthetic=synthetic)
    return confusions, reliabilities


def _risk_coverage(results: Mapping[str, Any], labels: np.ndarray, calibrated: Mapping[str, np.ndarray]) -> bytes:
    titles = {row: results["methods"][row]["title"] for row in calibrated}
    rows = {titles[row]: probabilities for row, probabilities in calibrated.items()}
    return risk_coverage_picture(labels, rows, titles.get("prima", ""), synthetic=results["synthetic"])


def _file_name(title: str) -> str:
    """Letters and digits of a title, the rest as underscores."""
    return "_".join("".join(c if c.isalnum() else " " for c in title.lower()).split())


def _plain(value: Any) -> Any:
    """Converts numpy numbers and arrays, and paths, to JSON values."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in results.json")
