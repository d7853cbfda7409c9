"""The published figures of the paper, Tables 1 to 3, in per cent as mean and standard deviation over its five folds.

Wang et al., PRIMA, arXiv 2602.23297v1 (2026), CC BY 4.0. Beside them those of an earlier system on such photographs, which the
paper does not compare with. Nothing here was measured by this code.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = [
    "ABLATION",
    "CITATION",
    "PUBLISHED",
    "Figure",
    "PublishedElsewhere",
    "PublishedRow",
    "PublishedTable",
    "as_json",
    "published_cells",
    "published_notes",
    "published_table",
]

CITATION = "Wang et al., PRIMA, arXiv:2602.23297v1 (2026), CC BY 4.0"

Figure = tuple[float, float]
"""Mean and standard deviation over folds, in per cent."""


@dataclass(frozen=True)
class PublishedRow:
    """One row of Table 1 or 2."""

    method: str
    f1: Mapping[str, Figure]
    macro_f1: Figure
    accuracy: Figure
    balanced_accuracy: Figure


@dataclass(frozen=True)
class PublishedElsewhere:
    """A method of another publication on such data, of which only some means are published."""

    method: str
    macro_f1: float
    accuracy: float
    citation: str
    conditions: str


@dataclass(frozen=True)
class PublishedTable:
    """One table of the paper."""

    number: int
    classes: Mapping[str, str]
    """Class of the study -> its heading, in the order of the paper's columns."""
    conditions: str
    """Caveats of comparing other figures with these."""
    rows: tuple[PublishedRow, ...]
    ablation: tuple[tuple[Figure, Figure, Figure], ...] = ()
    """Rows of Table 3: macro F1, accuracy, balanced accuracy."""
    elsewhere: tuple[PublishedElsewhere, ...] = ()


def published_table(results: Mapping[str, Any]) -> PublishedTable | None:
    """Returns the paper's table of the study; None for a synthetic or shuffled study."""
    known = PUBLISHED.get(results["study"])
    if known is None or results["synthetic"] or results.get("shuffled") or set(known.classes) != set(results["classes"]):
        return None
    return known


def published_cells(row: PublishedRow | PublishedElsewhere, classes: Collection[str]) -> tuple[str, ...]:
    """Returns a row as text: marked name, F1 of each class, macro F1, accuracy, balanced accuracy; "-" if unpublished."""
    if isinstance(row, PublishedElsewhere):
        return (f"{row.method} (published elsewhere)", *["-"] * len(classes), f"{row.macro_f1:.2f}", f"{row.accuracy:.2f}", "-")
    figures = [*(row.f1[name] for name in classes), row.macro_f1, row.accuracy, row.balanced_accuracy]
    return (f"{row.method} (published)", *(f"{mean:.2f} ({sd:.2f})" for mean, sd in figures))


def published_notes(table: PublishedTable) -> list[str]:
    """Returns the notes under a table that shows all of its rows."""
    notes = [f"(published): not measured here, Table {table.number} of {CITATION}: {table.conditions}."]
    return notes + [
        f"{row.method} (published elsewhere): not measured here, {row.citation}: {row.conditions}." for row in table.elsewhere
    ]


def _rows(classes: Mapping[str, str], figures: Mapping[str, str]) -> tuple[PublishedRow, ...]:
    """Reads lines in the paper's own order: F1 of each class, macro F1, accuracy, balanced accuracy."""
    rows = []
    for method, line in figures.items():
        words = line.replace("(", "").replace(")", "").split()
        pairs = [(float(mean), float(sd)) for mean, sd in zip(words[::2], words[1::2], strict=True)]
        f1 = dict(zip(classes, pairs[: len(classes)], strict=True))
        macro_f1, accuracy, balanced_accuracy = pairs[len(classes) :]
        rows.append(PublishedRow(method, f1, macro_f1, accuracy, balanced_accuracy))
    return tuple(rows)


_PAD_CLASSES = {name: name for name in ("BCC", "SCC", "MEL", "ACK", "SEK", "NEV")}
_AQUA_CLASSES = {"fungal": "Fungal", "bacterial": "Bacterial"}

# Each line stands here as it stands in the paper, so that the two can be compared at a glance.
# fmt: off
_TABLE_1 = {
    "DINOv3, LoRA":
        "72.23 (1.76) 32.55 (5.80) 70.41 (13.35) 79.38 (1.36) 76.72 (3.35) 76.90 (4.58) "
        "68.03 (2.48) 71.07 (0.83) 69.66 (3.53)",
    "DINOv3 + metadata via MLP":
        "75.68 (3.08) 34.90 (6.57) 73.12 (12.72) 83.00 (2.95) 76.72 (5.15) 79.50 (4.74) "
        "70.49 (3.14) 73.93 (2.50) 71.96 (4.20)",
    "MedKLIP":
        "54.10 (6.87) 16.08 (3.59) 21.85 (18.08) 61.99 (3.53) 47.81 (3.14) 55.24 (7.17) "
        "42.84 (4.77) 51.29 (3.59) 43.81 (5.10)",
    "KnoBo":
        "63.33 (3.40) 23.04 (6.47) 33.32 (22.43) 70.80 (1.99) 32.25 (9.48) 63.75 (8.56) "
        "47.75 (4.91) 58.80 (2.63) 50.89 (5.77)",
    "MedBLIP":
        "77.24 (4.29) 38.37 (5.00) 77.60 (13.21) 81.18 (2.40) 76.08 (4.31) 81.61 (5.53) "
        "72.01 (2.36) 75.41 (2.58) 72.32 (3.01)",
    "MLRG":
        "73.70 (8.11) 23.45 (8.56) 62.36 (13.17) 81.39 (2.12) 59.34 (1.79) 69.00 (4.56) "
        "61.54 (4.11) 70.65 (4.55) 60.28 (4.79)",
    "PRIMA":
        "80.21 (1.19) 37.33 (7.86) 85.84 (8.35) 85.73 (2.23) 73.10 (5.77) 80.26 (6.07) "
        "73.75 (3.40) 78.27 (1.78) 72.76 (2.86)",
}
# fmt: on

_TABLE_2 = {
    "DINOv3, LoRA": "82.54 (1.44) 71.42 (2.74) 76.98 (1.78) 78.37 (1.60) 78.25 (1.42)",
    "DINOv3 + metadata via MLP": "86.36 (2.48) 79.10 (2.96) 82.73 (2.63) 83.52 (2.66) 83.15 (1.93)",
    "DeepIK": "80.84 (2.58) 76.54 (3.56) 78.69 (3.00) 78.93 (2.94) 81.11 (2.38)",
    "KnoBo": "83.54 (4.62) 72.42 (7.71) 77.98 (6.09) 79.42 (5.72) 77.76 (5.75)",
    "MedBLIP": "80.96 (6.41) 75.55 (4.67) 78.26 (5.13) 78.82 (5.37) 79.86 (4.34)",
    "MLRG": "83.35 (2.36) 74.28 (4.32) 78.81 (2.73) 79.91 (2.44) 79.15 (2.81)",
    "PRIMA": "88.66 (1.22) 81.78 (3.21) 85.22 (2.17) 86.04 (1.82) 85.40 (2.27)",
}
_TPMKA = PublishedElsewhere(
    "TPMKA",
    macro_f1=84.46,
    accuracy=85.84,
    citation="Triple-Phase Multimodal Knowledge Aggregation Framework for Microbial Keratitis Subtype Diagnosis on Slit-Lamp "
    "Photography, github.com/yqwang01/TPMKA (2026)",
    conditions="bacterial against fungal keratitis, 17,158 photographs of 1,645 patients, PVT-v2-b1, five folds of its own; its "
    "code chooses the epoch on the very fold that is reported, so that the figures are too high",
)

ABLATION: tuple[tuple[Figure, Figure, Figure], ...] = (
    ((67.94, 3.88), (75.25, 3.85), (66.20, 3.50)),
    ((68.41, 4.19), (74.78, 3.82), (67.70, 3.54)),
    ((68.49, 3.34), (75.99, 2.97), (67.79, 3.87)),
    ((70.36, 2.48), (76.63, 1.90), (69.69, 3.05)),
    ((72.42, 2.35), (76.42, 3.19), (72.09, 3.45)),
    ((72.38, 3.23), (77.84, 3.54), (71.80, 2.19)),
    ((70.02, 3.80), (77.47, 3.35), (68.53, 4.25)),
    ((71.42, 2.96), (76.15, 3.03), (72.05, 2.43)),
    ((73.75, 3.40), (78.27, 1.78), (72.76, 2.86)),
)
"""Table 3 (PAD-UFES-20), in its order: macro F1, accuracy, balanced accuracy.

Its last row is PRIMA's of Table 1.
"""

PUBLISHED: Mapping[str, PublishedTable] = {
    "pad_ufes_20": PublishedTable(
        1,
        _PAD_CLASSES,
        "2,298 photographs, pre-trained weights, the authors' own five lesion-level folds",
        _rows(_PAD_CLASSES, _TABLE_1),
        ABLATION,
    ),
    "aqua": PublishedTable(
        2,
        _AQUA_CLASSES,
        "19,567 photographs of 1,827 subjects, pre-trained weights, the authors' own five patient-level folds",
        _rows(_AQUA_CLASSES, _TABLE_2),
        elsewhere=(_TPMKA,),
    ),
}
"""Study name -> its table."""


_LOST_MARKS = (
    "The text that these rows were read from has lost the marks that say which parts of PRIMA each has: only the last row, the "
    "whole of it, is certain."
)


def as_json(study: str, *, synthetic: bool) -> dict[str, Any]:
    """Returns the published table of a study as plain values for results.json; {} where there is none or it is synthetic."""
    table = PUBLISHED.get(study)
    if table is None or synthetic:
        return {}
    scores = ("macro_f1", "accuracy", "balanced_accuracy")
    published: dict[str, Any] = {
        "citation": CITATION,
        "table": table.number,
        "conditions": table.conditions,
        "unit": "per cent, [mean, standard deviation] over five folds",
        "methods": {
            row.method: {
                "f1": {name: list(figure) for name, figure in row.f1.items()},
                **{score: list(getattr(row, score)) for score in scores},
            }
            for row in table.rows
        },
    }
    if table.elsewhere:
        published["elsewhere"] = [asdict(row) for row in table.elsewhere]
    if table.ablation:
        published["ablation"] = {
            "table": 3,
            "note": _LOST_MARKS,
            "rows": [dict(zip(scores, map(list, row), strict=True)) for row in table.ablation],
        }
    return published
