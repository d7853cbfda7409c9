"""Results as a run would have them, with figures that are easy to check by hand."""

from typing import Any

import numpy as np

from prima_jax.experiment.cohort import class_counts
from prima_jax.experiment.rows import TABLES
from prima_jax.experiment.statistics import statistics
from prima_jax.metrics.predictions import Predictions, predictions_of_rows

PAD = ("BCC", "SCC", "ACK", "SEK", "MEL", "NEV")
METHODS = {row.name: row for row in TABLES[0]}


def results(names: tuple[str, ...] = PAD, folds: int = 5, **changes: Any) -> dict[str, Any]:
    """A plain run on PAD-UFES-20 unless told otherwise; every method's figure in fold k is 0.5 + k / 100."""
    figures = [0.5 + k / 100 for k in range(folds)]
    scores = ("macro_f1", "accuracy", "balanced_accuracy")
    methods = {
        name: {
            "title": row.title,
            **({"published": row.published} if row.published else {}),
            **{score: list(figures) for score in scores},
            "f1": {c: list(figures) for c in names},
            "parameters": [1_250_000] * folds,
            "seconds": [60.0] * folds,
            "peak_memory": [3 * 2**29] * folds,
            "peak_device_memory": [None] * folds,
        }
        for name, row in METHODS.items()
    }
    return {
        "study": "pad_ufes_20",
        "title": "PAD-UFES-20",
        "synthetic": False,
        "table": 0,
        "seeds": [0],
        "split": "unit",
        "folds": folds,
        "classes": list(names),
        "records": 1108,
        "units": 979,
        "subjects": 806,
        "straddling_subjects": 71,
        "missing_images": 946,
        "identical_images": [["a", "b"], ["c", "d"]],
        "hidden_block": "",
        "shuffled": "",
        "random_weights": True,
        "corpus_vetted": False,
        "config_hash": "0123456789abcdef",
        "versions": {"jax": "0.0.0"},
        "seconds": {"knowledge": 1.0, "align": 2.5, "refine": 3.0, "diagnose": 4.0, "image_only": 5.0},
        "methods": methods,
        **changes,
    }


def synthetic_results(**changes: Any) -> dict[str, Any]:
    """The synthetic study in AQUA's format."""
    described = {"study": "aqua", "title": "AQUA (slit-lamp keratitis)", "synthetic": True, "split": "subject"}
    return results(("bacterial", "fungal"), **{**described, "straddling_subjects": 0, **changes})


def prediction_lines(classes: tuple[str, ...] = PAD) -> list[dict[str, Any]]:
    """Two records of each class in two folds, for two methods; every one is taken for the first class."""
    probabilities = {f"p_{c}": p for c, p in zip(classes, np.linspace(0.9, 0.1, len(classes)), strict=True)}
    return [
        {
            "seed": 0,
            "method": method,
            "record": f"r{fold}{n}",
            "unit": f"u{fold}{n}",
            "subject": f"s{fold}{n}",
            "fold": fold,
            "label": name,
            "predicted": classes[0],
            **probabilities,
        }
        for method in ("prima", "majority")
        for fold in range(2)
        for n, name in enumerate(classes)
    ]


def with_statistics(found: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]], Predictions]:
    """Results with statistics, the lines that they are of, and these as arrays."""
    lines = prediction_lines(tuple(found["classes"]))
    predictions = predictions_of_rows(lines)
    cohort = {**class_counts(predictions), "missing": {"itch": {"all": 0.5, "by_class": dict.fromkeys(found["classes"], 0.5)}}}
    return {**found, "statistics": statistics(lines, {}), "cohort": cohort}, lines, predictions
