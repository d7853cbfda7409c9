"""The scores of all rows as a table: F1 of each class, macro F1, accuracy, balanced accuracy and cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from prima_jax.metrics.seeds import by_seed, over_seeds
from prima_jax.report.captions import figure, title
from prima_jax.report.notes import notes
from prima_jax.report.published import PUBLISHED, PublishedElsewhere, PublishedRow, published_cells, published_table
from prima_jax.report.table import Line, Table

__all__ = ["class_order", "score_table"]


def score_table(results: Mapping[str, Any], *, costs: bool = True) -> Table:
    """Returns scores in per cent, each row followed by the paper's row if it has one and the study is the paper's.

    A plain run has the other published rows last. results: from experiment/run.py; costs: adds columns of
    time and memory.
    """
    number = f": Table {results['table']}" if results["table"] else ""
    if results["table"] > 3:
        number += ", not in the paper"
    headings, lines = _headings(results), _lines(results)
    if not costs:
        shown = headings.index("Balanced acc.") + 1
        headings, lines = headings[:shown], [Line(line.cells[:shown], line.kind) for line in lines]
    return Table(f"{title(results)}{number}", headings, tuple(lines), tuple(notes(results)))


def class_order(results: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the classes in the paper's order of columns, else in the study's."""
    known = PUBLISHED.get(results["study"])
    return tuple(known.classes if known and set(known.classes) == set(results["classes"]) else results["classes"])


def _headings(results: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the paper's headings, and those of a row's cost."""
    marks = [
        *(["SYNTHETIC study"] if results["synthetic"] else []),
        *(["INNER FOLDS"] if results.get("without_fold", -1) >= 0 else []),
        *([f"{100 * results['train_share']:g}% of the training units"] if results.get("train_share", 1.0) < 1 else []),
        *(["RANDOM WEIGHTS"] if results.get("random_weights") else []),
        *([f"{results['shuffled']} SHUFFLED"] if results.get("shuffled") else []),
    ]
    method = f"Method ({', '.join(marks)})" if marks else "Method"  # in a file of figures no caption stands beside them
    over_seeds = ("SD over seeds",) if len(results["seeds"]) > 1 else ()
    scores = ("Macro F1", *over_seeds, "Accuracy", "Balanced acc.")
    memory = ("Memory, GiB", "GPU memory, GiB") if _device_memory(results) else ("Memory, GiB",)
    return (method, *_classes(results).values(), *scores, "Trained, M", "Minutes", *memory)


def _lines(results: Mapping[str, Any]) -> list[Line]:
    classes, seeds, known = _classes(results), len(results["seeds"]), published_table(results)
    published = {row.method: row for row in known.rows} if known else {}
    costs = 4 if _device_memory(results) else 3
    lines: list[Line] = []

    def add_published(row: PublishedRow | PublishedElsewhere) -> None:
        cells = list(published_cells(row, classes))
        if seeds > 1:
            cells.insert(-2, "")
        lines.append(Line((*cells, *[""] * costs), "published"))

    for name, row in results["methods"].items():
        figures = [*(row["f1"][name] for name in classes), row["macro_f1"], row["accuracy"], row["balanced_accuracy"]]
        shown = [figure(values, seeds) for values in figures]
        if seeds > 1:
            shown.insert(-2, _seed_deviation(by_seed(row["macro_f1"], seeds)))
        shown += [_millions(row["parameters"]), f"{sum(row['seconds']) / 60 / seeds:.1f}", _gib(row["peak_memory"])]
        if _device_memory(results):
            shown.append(_gib(row["peak_device_memory"]))
        lines.append(Line((row["title"], *shown), "own" if name == "prima" else ""))
        if row.get("published") in published:
            add_published(published.pop(row["published"]))
    if known:
        for left in published.values() if results["table"] == 0 else ():
            add_published(left)
        for elsewhere in known.elsewhere if results["table"] in (0, known.number) else ():
            add_published(elsewhere)
    return lines


def _device_memory(results: Mapping[str, Any]) -> bool:
    return any(peak is not None for row in results["methods"].values() for peak in row.get("peak_device_memory", ()))


def _millions(counts: Sequence[int]) -> str:
    return f"{max(counts) / 1e6:.3g}" if any(counts) else "-"


def _gib(peaks: Sequence[int | None]) -> str:
    known = [peak for peak in peaks if peak is not None]
    return f"{max(known) / 2**30:.2f}" if known else "-"


def _classes(results: Mapping[str, Any]) -> Mapping[str, str]:
    """Class -> its heading, in the paper's order; Table 3 has no columns for classes."""
    if results["table"] == 3:
        return {}
    known = PUBLISHED.get(results["study"])
    return {name: known.classes[name] if known and name in known.classes else name for name in class_order(results)}


def _seed_deviation(scores: list[Sequence[float | None]]) -> str:
    spread = over_seeds(scores)
    return "-" if spread is None or spread.seed_sd is None else f"{100 * spread.seed_sd:.2f}"
