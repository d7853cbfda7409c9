"""What a run leaves in its workdir: results.json, predictions.csv, table.md, curves/*.png and report.html."""

import contextlib
import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prima_jax.errors import UserError
from prima_jax.evaluation import curves
from prima_jax.evaluation.captions import method_name, ordered
from prima_jax.evaluation.confusion import shares_picture
from prima_jax.evaluation.page import page
from prima_jax.evaluation.published import as_json
from prima_jax.evaluation.tables import class_order, markdown_table

__all__ = [
    "write_all",
    "write_predictions",
    "write_report",
    "write_results",
    "write_table",
    "write_whole",
]

_COLUMNS = ("method", "record", "unit", "subject", "fold", "label", "predicted")


def write_all(workdir: Path, results: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes every file of the module's first line; `rows` are the rows of predictions.csv."""
    write_predictions(workdir, rows)
    write_table(workdir, results)
    write_report(workdir, results, rows)
    # Last, so that whoever waits for this file finds the others complete.
    write_results(workdir, results)


def write_results(workdir: Path, results: Mapping[str, Any]) -> None:
    """results.json, with `published` filled in from the paper; the same results give the same bytes.

    Raises UserError if the file cannot be written.
    """
    published = as_json(results["study"], synthetic=results["synthetic"] or bool(results.get("shuffled")))
    whole = {**results, "published": published}
    text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain)
    write_whole(workdir / "results.json", f"{text}\n".encode())


def write_predictions(workdir: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """predictions.csv: `method,record,unit,subject,fold,label,predicted,p_<class>...`, by method, fold and record.

    Probabilities have six decimals. Raises UserError if the file cannot be written.
    """
    rank = {method: n for n, method in enumerate(ordered({row["method"] for row in rows}))}
    probabilities = [key for key in (rows[0] if rows else {}) if key.startswith("p_")]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*_COLUMNS, *probabilities])
    for row in sorted(rows, key=lambda r: (rank[r["method"]], r["fold"], r["record"])):
        writer.writerow([*(row[key] for key in _COLUMNS), *(f"{row[key]:.6f}" for key in probabilities)])
    write_whole(workdir / "predictions.csv", buffer.getvalue().encode())


def write_table(workdir: Path, results: Mapping[str, Any]) -> None:
    """table.md: the table in the layout of the paper. Raises UserError if the file cannot be written."""
    write_whole(workdir / "table.md", markdown_table(results).encode())


def write_report(workdir: Path, results: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """curves/*.png and report.html, one page that holds everything and loads nothing.

    Reads the `history.jsonl` of each stage and fold, and `config.json`, where they are. Raises UserError if a file
    cannot be written or a history is broken.
    """
    synthetic, classes = bool(results["synthetic"]), class_order(results)
    losses = {
        curves.stage_name(stage): (f"loss_{stage}.png", curves.loss_picture(stage, histories, synthetic=synthetic))
        for stage, histories in curves.find_histories(workdir).items()
    }
    confusions = {}
    for method in ordered({row["method"] for row in rows}):
        counts = curves.confusion_counts(rows, method, classes)
        picture = shares_picture(method_name(method, results), counts, classes, synthetic=synthetic)
        confusions[method] = (f"confusion_{method}.png", picture)
    for name, picture in [*losses.values(), *confusions.values()]:
        write_whole(workdir / "curves" / name, picture)
    config = workdir / "config.json"
    html = page(
        results,
        losses={stage: picture for stage, (_, picture) in losses.items()},
        confusions={method: picture for method, (_, picture) in confusions.items()},
        config=config.read_text(encoding="utf-8") if config.is_file() else "",
    )
    write_whole(workdir / "report.html", html.encode())


def write_whole(path: Path, content: bytes) -> None:
    """All or nothing: a reader never sees half a file, however the process ends."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # what stopped the writing may stop this too; the first error is told
            temporary.unlink(missing_ok=True)
        raise UserError(
            f"Cannot write {path} ({error.strerror or error}): free space there or make the folder writable, then run "
            "the same command again, which goes on from what is finished."
        ) from error


def _plain(value: Any) -> Any:
    """numpy's numbers and arrays, and paths, as JSON has them."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in results.json")
