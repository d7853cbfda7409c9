"""What a table leaves in its workdir: table_N.md, .tex, .csv, .json and _predictions.csv, and pictures in table_N/."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prima_jax.evaluation.captions import caption, figure, title
from prima_jax.evaluation.published import CITATION, PUBLISHED, PublishedRow
from prima_jax.evaluation.report import write_whole
from prima_jax.evaluation.seeds import over_seeds
from prima_jax.evaluation.tables import class_order
from prima_jax.tables.statistics_pages import statistics_markdown

__all__ = ["markdown", "write"]

Cells = tuple[str, ...]


def write(
    workdir: Path, results: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]], pictures: Mapping[str, bytes]
) -> None:
    """Writes every file. Raises UserError if one cannot be written."""
    name = f"table_{results['table']}"
    for file, picture in pictures.items():
        write_whole(workdir / name / file, picture)
    write_whole(workdir / f"{name}_predictions.csv", _csv([list(predictions[0]), *(list(p.values()) for p in predictions)]))
    write_whole(workdir / f"{name}.csv", _csv([headings(results), *table_cells(results)]))
    write_whole(workdir / f"{name}.tex", latex(results).encode())
    write_whole(workdir / f"{name}.md", f"{markdown(results)}\n{statistics_markdown(results)}".encode())
    text = json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_whole(workdir / f"{name}.json", f"{text}\n".encode())


def headings(results: Mapping[str, Any]) -> Cells:
    """As the paper has them, and what a row costs."""
    method = "Method (SYNTHETIC study)" if results["synthetic"] else "Method"
    over_seeds = ("SD over seeds",) if len(results["seeds"]) > 1 else ()
    scores = ("Macro F1", *over_seeds, "Accuracy", "Balanced acc.")
    return (method, *_classes(results).values(), *scores, "Minutes", "Memory, GiB")


def table_cells(results: Mapping[str, Any]) -> list[Cells]:
    """The rows in per cent, each with the paper's own row under it, if it has one and the study is the paper's."""
    classes, published, seeds = _classes(results), _published(results), len(results["seeds"])
    rows = []
    for row in results["methods"].values():
        figures = [*(row["f1"][name] for name in classes), row["macro_f1"], row["accuracy"], row["balanced_accuracy"]]
        shown = [_figure(_by_seed(values, seeds)) for values in figures]
        if seeds > 1:
            shown.insert(-2, _seed_deviation(_by_seed(row["macro_f1"], seeds)))
        minutes, memory = sum(row["seconds"]) / 60 / seeds, max(row["peak_memory"]) / 2**30
        rows.append((row["title"], *shown, f"{minutes:.1f}", f"{memory:.2f}"))
        if row.get("published") in published:
            rows.append(_published_cells(published[row["published"]], classes, seeds))
    return rows


def markdown(results: Mapping[str, Any]) -> str:
    """The table and what has to be said under it."""
    columns = headings(results)
    lines = [f"**{title(results)}: Table {results['table']}**", ""]
    lines += [_line(columns), "|".join(["", " :-- ", *[" --: "] * (len(columns) - 1), ""])]
    lines += map(_line, table_cells(results))
    return "\n".join([*lines, "", *(f"- {sentence}" for sentence in notes(results))]) + "\n"


def latex(results: Mapping[str, Any]) -> str:
    """A tabular for booktabs, with the notes as comments."""
    columns = headings(results)
    rows = [" & ".join(map(_escaped, cells)) + r" \\" for cells in (columns, *table_cells(results))]
    return "\n".join(
        [
            *(f"% {sentence}" for sentence in (title(results), *notes(results))),
            rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def notes(results: Mapping[str, Any]) -> list[str]:
    """How the figures came about, and what limits them."""
    said = caption(results)
    seeds = results["seeds"]
    if len(seeds) > 1:
        said.append(
            f"Seeds {', '.join(map(str, seeds))}, each with folds of its own: the mean of the seeds' means, in parentheses the "
            "deviation over the folds of one seed (root mean square); SD over seeds is that of the seeds' means of macro F1."
        )
    said.append(
        "Minutes: all folds of one seed as if the row stood alone, though stages that rows share were trained once; without the "
        "features of frozen encoders that another row had computed. Memory: the largest of a row's process."
    )
    said += [f"{row['title']}: {row['note']}." for row in results["methods"].values() if row.get("note")]
    if _published(results):
        known = PUBLISHED[results["study"]]
        said.append(f"(published): not measured here, Table {known.number} of {CITATION}: {known.conditions}.")
    return said


def _classes(results: Mapping[str, Any]) -> Mapping[str, str]:
    """Class -> its heading, in the paper's order; Table 3 has no columns for classes."""
    if results["table"] == 3:
        return {}
    known = PUBLISHED.get(results["study"])
    return {name: known.classes[name] if known and name in known.classes else name for name in class_order(results)}


def _published(results: Mapping[str, Any]) -> Mapping[str, PublishedRow]:
    known = PUBLISHED.get(results["study"])
    if known is None or results["synthetic"] or set(known.classes) != set(results["classes"]):
        return {}
    return {row.method: row for row in known.rows}


def _published_cells(row: PublishedRow, classes: Mapping[str, str], seeds: int) -> Cells:
    figures = [*(row.f1[name] for name in classes), row.macro_f1, row.accuracy, row.balanced_accuracy]
    shown = [f"{mean:.2f} ({deviation:.2f})" for mean, deviation in figures]
    if seeds > 1:
        shown.insert(-2, "")
    return (f"{row.method} (published)", *shown, "", "")


def _by_seed(values: Sequence[float | None], seeds: int) -> list[Sequence[float | None]]:
    """The folds of each seed; a row holds them seed after seed."""
    folds = len(values) // seeds
    return [values[k * folds : (k + 1) * folds] for k in range(seeds)]


def _figure(scores: list[Sequence[float | None]]) -> str:
    if len(scores) == 1:
        return figure(scores[0])
    found = over_seeds(scores)
    if found is None:
        return "-"
    return f"{100 * found.mean:.2f}" + ("" if found.fold_sd is None else f" ({100 * found.fold_sd:.2f})")


def _seed_deviation(scores: list[Sequence[float | None]]) -> str:
    found = over_seeds(scores)
    return "-" if found is None or found.seed_sd is None else f"{100 * found.seed_sd:.2f}"


def _line(cells: Cells) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _escaped(cell: str) -> str:
    for character in "&%_#":
        cell = cell.replace(character, f"\\{character}")
    return cell


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
