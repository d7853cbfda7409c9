"""PRIMA's most confident errors as a table: the cases to look at first."""

import numpy as np

from prima_jax.metrics.predictions import Predictions
from prima_jax.report.table import Line, Table

__all__ = ["error_table"]

_MOST = 10


def error_table(predictions: Predictions, calibrated: np.ndarray) -> Table:
    """Returns up to ten wrong answers, the most confident first; calibrated `[N, C]`: PRIMA's probabilities of the cases."""
    names, answers, confidence = predictions.class_names, calibrated.argmax(axis=1), calibrated.max(axis=1)
    wrong = np.flatnonzero(answers != predictions.labels)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MOST]
    lines = [
        Line(
            (
                str(predictions.records[case]),
                names[predictions.labels[case]],
                names[answers[case]],
                f"{100 * confidence[case]:.1f}",
                f"{100 * calibrated[case, predictions.labels[case]]:.1f}",
                str(predictions.folds[case]),
            )
        )
        for case in chosen
    ]
    note = (
        f"{len(wrong):,} of {len(answers):,} cases are wrong. Probabilities in per cent, with the temperature that is fitted on "
        "the other folds; the record is that of predictions.csv, which has them without it."
    )
    headings = ("Record", "Truth", "Answer", "Probability of the answer", "Of the truth", "Fold")
    return Table("PRIMA's most confident errors", headings, tuple(lines), (note,))
