"""The results of an evaluation as files: evaluation.json, predictions.csv and report.html."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from prima_jax.files import write_whole
from prima_jax.metrics.confusion import confusion
from prima_jax.report.confusion_picture import confusion_picture
from prima_jax.report.prediction_sets import sets_table
from prima_jax.report.reliability_picture import reliability_picture
from prima_jax.report.statistics import score_lines
from prima_jax.report.subgroups import groups_table
from prima_jax.report.table import csv_bytes

__all__ = ["as_text", "write_evaluation"]

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("prima_jax.clinic"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
)


def write_evaluation(folder: Path, results: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
    """Writes all three."""
    names = results["classes"]
    labels = np.array([names.index(line["label"]) for line in lines])
    probabilities = np.array([[line[f"p_{name}"] for name in names] for line in lines])
    counts = confusion(labels, probabilities.argmax(axis=1), len(names))
    marked = results["synthetic"] or results["model_synthetic"]
    pictures = {
        "confusion": confusion_picture(results["cohort"], counts, tuple(names), synthetic=marked),
        "reliability": reliability_picture(results["cohort"], labels, probabilities, synthetic=marked),
    }
    html = _TEMPLATES.get_template("evaluation.html").render(
        results=results,
        said=_said_of_fields(results),
        scores=score_lines(results["intervals"]),
        sets=sets_table(results["prediction_sets"]),
        subgroups=groups_table(results["subgroups"], names, names),
        pictures={name: base64.b64encode(picture).decode() for name, picture in pictures.items()},
    )
    write_whole(folder / "predictions.csv", csv_bytes([list(lines[0]), *(list(line.values()) for line in lines)]))
    write_whole(folder / "report.html", html.encode())
    write_whole(folder / "evaluation.json", json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False).encode())


def as_text(results: Mapping[str, Any]) -> str:
    """For the terminal."""
    error = results["calibration_error"]
    lines = [f"{results['cohort']}: {results['cases']:,} cases of {results['subjects']:,} subjects"]
    lines += [f"{name:<20} {figure}" for name, figure in score_lines(results["intervals"])]
    lines.append(f"{'Calibration error':<20} {100 * error['after']:.1f} (before its temperature {100 * error['before']:.1f})")
    for one in results["prediction_sets"]:
        if one["group"] in ("all", *results["classes"]):
            covered = f"{100 * one['covered']:.1f} % of {one['cases']} covered, {one['size']:.2f} classes in a set"
            lines.append(f"Error rate {100 * one['error_rate']:g} %, {one['group']}: {covered}")
    if results["unlike"] is not None:
        lines.append(f"{100 * results['unlike']:.1f} % of the photographs are unlike those trained on (5 % of its own would be).")
    return "\n".join([*lines, *_said_of_fields(results), *results["warnings"]])


def _said_of_fields(results: Mapping[str, Any]) -> list[str]:
    """Sentences on attributes that the cohort never has, and on values that training never had: a wrong name, or another unit."""
    absent = [name for name, share in results["missing"].items() if share == 1]
    unseen = [f"{name} in {100 * share:.1f} % of the cases" for name, share in results["never_seen"].items()]
    return [
        *([f"NEVER GIVEN in this cohort, of what the model reads: {', '.join(absent)}."] if absent else []),
        *([f"NEVER SEEN IN TRAINING: the values of {', '.join(unseen)}."] if unseen else []),
    ]
