"""What a finished run knows of its own certainty: a temperature, base rates, and the scores behind prediction sets.

All of it comes from held-out predictions, and holds no record's or subject's name.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prima_jax.errors import UserError
from prima_jax.files import write_whole
from prima_jax.json_text import read_object
from prima_jax.metrics.calibration import apply_temperature, fit_temperature
from prima_jax.metrics.conformal import HeldOut, smallest_error_rate
from prima_jax.metrics.predictions import Predictions

__all__ = ["Calibration", "keep_calibration", "read_calibration"]

_FILE = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """Of PRIMA's held-out predictions of all folds."""

    class_names: tuple[str, ...]
    temperature: float
    """Fitted on all of them."""
    base_rates: np.ndarray
    """The share of each class among the cases: [C]."""
    held_out: HeldOut
    """The scores of the calibrated probabilities."""

    def check_error_rate(self, rate: float) -> None:
        """Raises UserError for an error rate that is none, or that the subjects of a class are too few for."""
        if not 0 < rate < 1:
            raise UserError(f"The error rate should lie between 0 and 1, not {rate:g}.")
        subjects = self.held_out.subjects
        least = smallest_error_rate(subjects)
        for name, count, smallest in zip(self.class_names, subjects, least, strict=True):
            if rate < smallest:
                raise UserError(
                    f"An error rate of {rate:g} cannot be promised for {name}, of which there are {count:.0f} subjects: choose "
                    f"{smallest:.3g} or more."
                )


def keep_calibration(folder: Path, predictions: Predictions, method: str) -> None:
    """Writes that of a row's held-out predictions into the folder of a run."""
    labels, raw = predictions.labels, predictions.probabilities[method]
    temperature = fit_temperature(labels, raw)
    held_out = HeldOut.of(labels, apply_temperature(raw, temperature), predictions.subjects)
    counts = np.bincount(labels, minlength=len(predictions.class_names))
    order = np.lexsort((held_out.scores, held_out.labels))  # that of the records' names would tell whose is whose
    content = {
        "classes": list(predictions.class_names),
        "temperature": temperature,
        "base_rates": (counts / counts.sum()).tolist(),
        "scores": held_out.scores[order].tolist(),
        "labels": held_out.labels[order].tolist(),
        "weights": held_out.weights[order].tolist(),
    }
    write_whole(folder / _FILE, json.dumps({**content, "sha256": _digest(content)}).encode())


def read_calibration(folder: Path) -> Calibration | None:
    """Returns what `keep_calibration` wrote; None of a run of an earlier version. Raises UserError where it has changed."""
    if not (folder / _FILE).exists():
        return None
    advice = "give prima run the command that made this run again, which writes it anew."
    found = read_object(folder / _FILE, advice)
    if found.pop("sha256", "") != _digest(found):
        raise UserError(f"{folder / _FILE} is not as it was written; {advice}")
    scores, labels, weights = (np.array(found[name]) for name in ("scores", "labels", "weights"))
    held_out = HeldOut(scores, labels, weights, len(found["classes"]))
    return Calibration(tuple(found["classes"]), found["temperature"], np.array(found["base_rates"]), held_out)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
