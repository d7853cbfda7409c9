"""What a table leaves in its workdir: table_N.md, .tex, .csv, .json and _predictions.csv, and pictures in table_N/."""

import csv
import io
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from prima_jax.evaluation.captions import caption, figure, title
from prima_jax.evaluation.published import (
    PUBLISHED,
    PublishedElsewhere,
    PublishedRow,
    PublishedTable,
    published_cells,
    published_notes,
)
from prima_jax.evaluation.report import write_whole
from prima_jax.evaluation.seeds import by_seed, over_seeds
from prima_jax.evaluation.tables import class_order
from prima_jax.tables.statistics_pages import statistics_markdown

__all__ = ["markdown", "write"]

Cells = tuple[str, ...]
_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%_#${}"},
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
    }
)


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
    marks = [
        *(["SYNTHETIC study"] if results["synthetic"] else []),
        *(["INNER FOLDS"] if results.get("without_fold", -1) >= 0 else []),
        *(["RANDOM WEIGHTS"] if results.get("random_weights") else []),
        *([f"{results['shuffled']} SHUFFLED"] if results.get("shuffled") else []),
    ]
    method = f"Method ({', '.join(marks)})" if marks else "Method"  # in a file of figures no caption stands beside them
    over_seeds = ("SD over seeds",) if len(results["seeds"]) > 1 else ()
    scores = ("Macro F1", *over_seeds, "Accuracy", "Balanced acc.")
    memory = ("Memory, GiB", "GPU memory, GiB") if _device_memory(results) else ("Memory, GiB",)
    return (method, *_classes(results).values(), *scores, "Trained, M", "Minutes", *memory)


def table_cells(results: Mapping[str, Any]) -> list[Cells]:
    """The rows in per cent, each with the paper's own row under it, if it has one and the study is the paper's.

    In the paper's table of the study what others published comes last.
    """
    classes, seeds, known = _classes(results), len(results["seeds"]), _published(results)
    published = {row.method: row for row in known.rows} if known else {}
    rows: list[Cells] = []
    for row in results["methods"].values():
        figures = [*(row["f1"][name] for name in classes), row["macro_f1"], row["accuracy"], row["balanced_accuracy"]]
        shown = [figure(values, seeds) for values in figures]
        if seeds > 1:
            shown.insert(-2, _seed_deviation(by_seed(row["macro_f1"], seeds)))
        needed = [_millions(row["parameters"]), f"{sum(row['seconds']) / 60 / seeds:.1f}", _gib(row["peak_memory"])]
        if _device_memory(results):
            needed.append(_gib(row["peak_device_memory"]))
        rows.append((row["title"], *shown, *needed))
        if row.get("published") in published:
            rows.append((*_published_cells(published[row["published"]], classes, seeds), *[""] * len(needed)))
    if known and known.number == results["table"]:
        rows += [(*_published_cells(row, classes, seeds), *[""] * len(needed)) for row in known.elsewhere]
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
            *(f"% {' '.join(sentence.split())}" for sentence in (title(results), *notes(results))),
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
            f"Seeds {', '.join(map(str, seeds))}, each with folds of its own; SD over seeds is that of their means of macro F1."
        )
    said += _seen(results)
    said += _tokens_after_stages(results)
    said.append(
        "Trained: millions of parameters, the most in any fold, of all stages that the row needs; what two stages train counts "
        "twice; what scikit-learn fits is not counted."
    )
    said.append(
        "Minutes: all folds of one seed as if the row stood alone, though stages that rows share were trained once; without the "
        "features of frozen encoders that another row had computed. Rows that ran at the same time slowed each other. Memory: "
        "the largest of a row's process."
    )
    said += [f"{row['title']}: {row['note']}." for row in results["methods"].values() if row.get("note")]
    if known := _published(results):
        notes_of_rows = published_notes(known)
        said += notes_of_rows if known.number == results["table"] else notes_of_rows[:1]
    return said


def _seen(results: Mapping[str, Any]) -> list[str]:
    """What reaches each row's answer at test time: a row that sees less is no worse method for scoring less."""
    titles: dict[tuple[str, ...], list[str]] = {}
    for row in results["methods"].values():
        titles.setdefault(tuple(row.get("sees", ())), []).append(row["title"])
    words = {
        ("images", "metadata"): "photographs and metadata",
        ("images",): "photographs alone",
        ("metadata",): "metadata alone",
    }
    parts = [f"{words[seen]}: {'; '.join(titles[seen])}" for seen in words if seen in titles]  # titles have commas
    return [f"Seen at test. {'. '.join(part[0].upper() + part[1:] for part in parts)}."] if parts else []


def _tokens_after_stages(results: Mapping[str, Any]) -> list[str]:
    """What each stage has made of the image tokens, by a logistic regression; a stage that left them worse is named."""
    stages = {"frozen_tokens": "as they began", "aligned_tokens": "after alignment", "refined_tokens": "after refinement"}
    found = {name: mean(results["methods"][name]["macro_f1"]) for name in stages if name in results["methods"]}
    if len(found) < 2:
        return []
    figures = ", ".join(f"{stages[name]} {100 * value:.1f}" for name, value in found.items())
    said = [f"Macro F1 of a logistic regression on the image encoder's tokens: {figures}."]
    for before, after in itertools.pairwise(found):
        if found[after] < found[before]:
            stage = stages[after].removeprefix("after ").upper()
            lost = 100 * (found[before] - found[after])
            said.append(f"{stage} LEFT THE IMAGE TOKENS WORSE than it found them, by {lost:.1f} points of that macro F1.")
    return said


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


def _published(results: Mapping[str, Any]) -> PublishedTable | None:
    """The paper's table of the study, if it may stand beside these results."""
    known = PUBLISHED.get(results["study"])
    if known is None or results["synthetic"] or results.get("shuffled") or set(known.classes) != set(results["classes"]):
        return None
    return known


def _published_cells(row: PublishedRow | PublishedElsewhere, classes: Mapping[str, str], seeds: int) -> Cells:
    shown = list(published_cells(row, classes))
    if seeds > 1:
        shown.insert(-2, "")
    return tuple(shown)


def _seed_deviation(scores: list[Sequence[float | None]]) -> str:
    found = over_seeds(scores)
    return "-" if found is None or found.seed_sd is None else f"{100 * found.seed_sd:.2f}"


def _line(cells: Cells) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _escaped(cell: str) -> str:
    return cell.translate(_LATEX)


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
