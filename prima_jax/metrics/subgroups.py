"""Figures for groups of cases (illumination, age, sex, skin type, form filled in or not), each with its count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from prima_jax.metrics.auc import macro_auc
from prima_jax.metrics.intervals import Interval, mean_difference_interval
from prima_jax.metrics.metrics import scores
from prima_jax.studies.study import Attribute, Value

__all__ = ["CONFIDENT", "FEWEST", "UNKNOWN", "Subgroup", "form_groups", "group_names", "number_bands", "subgroup_scores"]

FEWEST = 20
"""Units under which a group's figures are not shown: of 20, one more or less moves accuracy by five points."""

CONFIDENT = 0.8
"""The share of all cases that is kept where the others are left to a person."""

UNKNOWN = "not known"


@dataclass(frozen=True)
class Subgroup:
    """One group. The scores are None where it has too few units, and so is macro AUC where a class is missing."""

    name: str
    cases: int
    units: int
    by_class: tuple[int, ...]
    """Cases of each class, in the order of the study's classes: groups differ in their diagnoses, and F1 with them."""
    macro_f1: float | None
    accuracy: float | None
    balanced_accuracy: float | None
    macro_auc: float | None
    less_others: Interval | None
    """Its accuracy less that of all other cases, with an interval over units; None where either side has too few units."""
    kept: float | None
    """The share of its cases among the most confident CONFIDENT of all cases."""
    kept_accuracy: float | None
    """The accuracy of these; None where there is none."""


def subgroup_scores(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    class_names: Sequence[str],
    *,
    units: np.ndarray | None = None,
) -> list[Subgroup]:
    """Returns the figures of each group over all folds, in the order of the names, the unknown last.

    `labels` `[N]` are class positions, `probabilities` `[N, C]`, `groups` `[N]` the group of each case, `units` `[N]` its
    unit (each case its own where there are none). Balanced accuracy leaves out classes that a group does not have; macro F1
    counts such a class as 0 if a case is predicted as it. So compare groups only beside `by_class`. A group of fewer
    than FEWEST units has counts and no figures. Raises ValueError for shapes that do not fit.
    """
    labels, probabilities, groups = np.asarray(labels), np.asarray(probabilities), np.asarray(groups)
    units = np.arange(len(labels)) if units is None else np.asarray(units)
    if not labels.shape == groups.shape == units.shape:
        raise ValueError(f"expected one group and unit per case, found {labels.shape}, {groups.shape} and {units.shape}")
    right, confidence = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    kept = confidence >= np.quantile(confidence, 1 - CONFIDENT, method="higher")
    subgroups = []
    for name in _ordered(groups):
        inside = groups == name
        y, p, u = labels[inside], probabilities[inside], units[inside]
        number = len(np.unique(u))
        enough, others = number >= FEWEST, len(np.unique(units[~inside])) >= FEWEST
        figures = scores(y, p, class_names) if enough else {}
        subgroups.append(
            Subgroup(
                name=name,
                cases=len(y),
                units=number,
                by_class=tuple(int(n) for n in np.bincount(y, minlength=len(class_names))),
                **{m: figures.get(m) for m in ("macro_f1", "accuracy", "balanced_accuracy")},
                macro_auc=macro_auc(y, p) if enough else None,
                less_others=mean_difference_interval(right, inside, units) if enough and others else None,
                kept=float(kept[inside].mean()) if enough else None,
                kept_accuracy=float(right[inside & kept].mean()) if enough and (inside & kept).any() else None,
            )
        )
    return subgroups


def group_names(attribute: Attribute, values: Sequence[Value | None], edges: Sequence[float] = ()) -> list[str]:
    """Returns the group of each value of an attribute; None is "not known".

    A category is its own group, yes/no is "yes" or "no", and a number its band between `edges`, or else between the
    attribute's own. Raises ValueError for a number without either.
    """
    if attribute.kind == "number":
        edges = tuple(edges) or attribute.bins
        if not edges:
            raise ValueError(f"expected edges for the bands of {attribute.name}, which has none of its own")
        return number_bands([np.nan if value is None else float(value) for value in values], edges)
    if attribute.kind == "yes_no":
        return [UNKNOWN if value is None else "yes" if value else "no" for value in values]
    return [UNKNOWN if value is None else str(value) for value in values]


def number_bands(values: Sequence[float] | np.ndarray, edges: Sequence[float]) -> list[str]:
    """The band of each number in the words of `data/text.py`: "below 40", "40 to 60", "60 or more"; NaN is not known.

    A number on an edge belongs to the band above it.
    """
    names = [f"below {edges[0]:g}", *(f"{low:g} to {high:g}" for low, high in pairwise(edges))]
    names.append(f"{edges[-1]:g} or more")
    return [UNKNOWN if np.isnan(v) else names[int(np.searchsorted(edges, v, side="right"))] for v in np.asarray(values, float)]


def form_groups(fields: Sequence[Mapping[str, Value]], attributes: Sequence[str]) -> list[str]:
    """Returns the group of each case: "filled in" if its fields hold any of the attributes, else "empty".

    The attributes are those of one block, which are filled in together (`Attribute.block`).
    """
    return ["filled in" if any(name in present for name in attributes) else "empty" for present in fields]


def _ordered(groups: np.ndarray) -> list[str]:
    """Returns the names in order: numbers in names by size, "below" first and unknown last."""

    def key(name: str) -> tuple[bool, bool, float, str]:
        first = name.split(" ")[0]
        number = float(first) if first.replace(".", "", 1).lstrip("-").isdigit() else -np.inf
        return (name == UNKNOWN, not name.startswith("below "), number, name)

    return sorted({str(name) for name in groups}, key=key)
