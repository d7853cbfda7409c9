"""Who was studied: cases, units and subjects of each class and fold, and how often each attribute is missing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prima_jax.metrics.predictions import Predictions
from prima_jax.stages.cases import Case
from prima_jax.studies.study import Record, Study

__all__ = ["class_counts", "missing_shares"]


def class_counts(found: Predictions) -> dict[str, Any]:
    """Returns {"classes": {class: counts}, "all": counts}: cases, units and subjects of all held-out cases and in each fold."""
    classes = {name: _counts(found, found.labels == position) for position, name in enumerate(found.class_names)}
    return {"classes": classes, "all": _counts(found, np.ones(len(found.labels), bool))}


def missing_shares(study: Study, records: Sequence[Record], cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """Returns attribute -> {"all", "by_class"}: the share of cases without it, of all and of each class (None without cases).

    Attributes that no model may see are left out.
    """
    labels, names = np.array([case.label for case in cases]), study.class_names
    found = {}
    for attribute in study.shown():
        missing = np.array([attribute.name not in records[case.row].fields for case in cases])
        by_class = {name: _mean(missing[labels == position]) for position, name in enumerate(names)}
        found[attribute.name] = {"all": _mean(missing), "by_class": by_class}
    return found


def _counts(found: Predictions, inside: np.ndarray) -> dict[str, Any]:
    folds = np.unique(found.folds)
    return {**_sizes(found, inside), "folds": [_sizes(found, inside & (found.folds == fold)) for fold in folds]}


def _sizes(found: Predictions, inside: np.ndarray) -> Mapping[str, int]:
    units, subjects = (len(np.unique(names[inside])) for names in (found.units, found.subjects))
    return {"cases": int(inside.sum()), "units": units, "subjects": subjects}


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
