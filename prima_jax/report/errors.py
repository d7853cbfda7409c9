"""PRIMA's most confident errors as a table: the cases to look at first."""

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from prima_jax.metrics.predictions import Predictions
from prima_jax.report.table import Line, Table

__all__ = ["confident_errors", "error_table", "small_photograph"]

_MOST = 10
_SIDE = 160


def confident_errors(predictions: Predictions, calibrated: np.ndarray) -> np.ndarray:
    """Returns the positions of up to ten cases with a wrong answer, the most confident first.

    calibrated `[N, C]`: PRIMA's probabilities of the cases.
    """
    wrong = np.flatnonzero(calibrated.argmax(axis=1) != predictions.labels)
    return wrong[np.argsort(-calibrated.max(axis=1)[wrong], kind="stable")][:_MOST]


def error_table(predictions: Predictions, calibrated: np.ndarray, line_of: Mapping[str, int]) -> Table:
    """Returns the cases of `confident_errors` as a table; line_of: where each record stands in predictions.csv."""
    names, answers, confidence = predictions.class_names, calibrated.argmax(axis=1), calibrated.max(axis=1)
    lines = [
        Line(
            (
                str(line_of[str(predictions.records[case])]),
                names[predictions.labels[case]],
                names[answers[case]],
                f"{100 * confidence[case]:.1f}",
                f"{100 * calibrated[case, predictions.labels[case]]:.1f}",
                str(predictions.folds[case]),
            )
        )
        for case in confident_errors(predictions, calibrated)
    ]
    wrong = np.sum(answers != predictions.labels)
    note = (
        f"{wrong:,} of {len(answers):,} cases are wrong. Probabilities in per cent, with the temperature that is fitted on the "
        "other folds; the line is that of predictions.csv, which names the record and has them without it."
    )
    headings = ("Line", "Truth", "Answer", "Probability of the answer", "Of the truth", "Fold")
    return Table("PRIMA's most confident errors", headings, tuple(lines), (note,))


def small_photograph(photograph: np.ndarray) -> bytes:
    """Returns a photograph uint8 `[H, W, 3]` as PNG bytes, its longer side 160 pixels at most."""
    image, buffer = Image.fromarray(photograph), io.BytesIO()
    image.thumbnail((_SIDE, _SIDE))
    image.save(buffer, format="png")
    return buffer.getvalue()
