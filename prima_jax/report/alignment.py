"""What stage 2 learnt, as a table: whether a held-out photograph finds its own sentence among those of others."""

from collections.abc import Mapping
from typing import Any

from prima_jax.report.captions import marked_title
from prima_jax.report.table import Line, Table, interval_cell

__all__ = ["alignment_table"]

_DIRECTIONS = {"image_to_text": "photograph to sentence", "text_to_image": "sentence to photograph"}


def alignment_table(results: Mapping[str, Any]) -> Table | None:
    """Returns retrieval on held-out units of every row that trains stage 2; None where there is none."""
    lines = []
    for name, row in _aligned(results).items():
        one = row["alignment"]
        for direction, words in _DIRECTIONS.items():
            figures = one[direction]
            recalls = [f"{100 * figures['recall'][k]:.1f} ({100 * figures['chance'][k]:.1f})" for k in figures["recall"]]
            title = f"{marked_title(row)}, {words}"
            cells = (title, *recalls, f"{figures['median_rank']:.0f}", interval_cell(figures["percentile"]))
            beyond = interval_cell(figures["beyond_the_diagnosis"])
            lines.append(Line((*cells, beyond), "own" if name == "prima" else ""))
    if not lines:
        return None
    any_row = next(iter(_aligned(results).values()))["alignment"]
    depths = [f"R@{k} (chance)" for k in any_row["image_to_text"]["recall"]]
    among = sorted(set(any_row["candidates"]))
    headings = ("Row", *depths, "Median rank", "Nearer than the own, %", "of it beyond the diagnosis")
    notes = (
        f"{any_row['units']:,} held-out units, each among the {' or '.join(map(str, among))} of its fold that have a "
        "sentence on what can be seen, by the cosine of the global tokens of stage 2; a unit's is the mean of its photographs'. "
        "Ties count as they would in random order.",
        "Nearer than the own: the mean share of the other candidates that are nearer, with a 95% interval by a bootstrap over "
        "subjects: 0 is best, chance is 50. Beyond the diagnosis: that share less the one of the other units of the same class "
        "in the own one's place: below 0 where more than the class is recognised.",
        *(f"{marked_title(row)}: {_zero_shot(row['alignment'])}" for row in _aligned(results).values()),
    )
    return Table("What alignment learnt", headings, tuple(lines), notes)


def _aligned(results: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the rows with a stage 2 of their own: of rows that share one the first."""
    found: dict[str, Any] = {}
    for name, row in results["methods"].items():
        if row.get("alignment") and row["alignment"] not in [other["alignment"] for other in found.values()]:
            found[name] = row
    return found


def _zero_shot(one: Mapping[str, Any]) -> str:
    figures = one["zero_shot"]
    return (
        f'diagnosed by the nearest sentence "A photograph of ...": macro F1 {100 * figures["macro_f1"]:.1f}, balanced '
        f"accuracy {100 * figures['balanced_accuracy']:.1f}; alignment {one['alignment']:.2f} and uniformity "
        f"{one['uniformity']:.2f} (Wang & Isola 2020; 0 and 0 for one point)."
    )
