"""What the rows of a table can be said to show: intervals, comparisons with PRIMA, calibration, chance, subgroups."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from prima_jax.errors import UserError
from prima_jax.metrics.calibration import (
    brier_score,
    calibration_error,
    cross_fitted_temperatures,
    expected_calibration_error,
    negative_log_likelihood,
)
from prima_jax.metrics.chance import Chance, chance, permutation_p
from prima_jax.metrics.comparison import compare_all
from prima_jax.metrics.conformal import held_out_p_values
from prima_jax.metrics.intervals import Interval, intervals
from prima_jax.metrics.one_vs_rest import one_vs_rest
from prima_jax.metrics.predictions import Predictions, predictions_of_rows
from prima_jax.metrics.selective import aurc_interval
from prima_jax.metrics.subgroups import form_groups, group_names, subgroup_scores
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context

__all__ = ["ERROR_RATES", "REFERENCE", "groups_of_cases", "prediction_sets", "statistics"]

ERROR_RATES = (0.1, 0.2)
REFERENCE = "prima"
"""The row that the others are compared with."""
_OF_TOKENS = "prima_metadata"
"""The same of Table 5, which has no whole PRIMA."""


def statistics(lines: Sequence[Mapping[str, Any]], groups: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """{"methods": {row: {...}}}, as plain values, of the predictions of one seed.

    groups: grouping -> case -> its group.
    """
    found = predictions_of_rows(lines)
    against: Mapping[str, Any] = {}
    reference = REFERENCE if REFERENCE in found.probabilities else _OF_TOKENS
    if reference in found.probabilities:
        arguments = (found.labels, found.probabilities, found.units, found.folds, found.class_names)
        against = compare_all(*arguments, reference=reference, subjects=found.subjects)
    methods = {name: _of_method(found, name, groups) for name in found.probabilities}
    for name, one in methods.items():
        if name in against:
            one["against_prima"] = against[name]
        if name == REFERENCE:
            of_classes = one_vs_rest(found.labels, found.probabilities[name], found.subjects, found.class_names)
            one["one_vs_rest"] = {of_class: _plain_intervals(within) for of_class, within in of_classes.items()}
    return {"methods": methods}


def prediction_sets(
    p_values: np.ndarray, labels: np.ndarray, class_names: Sequence[str], groups: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    """Coverage and size of the prediction sets of p_values [N, C] at each of ERROR_RATES: of all cases, each class and subgroup.

    groups: grouping -> the group of each case, [N].
    """
    members = [("all", np.ones(len(labels), bool)), *((name, labels == place) for place, name in enumerate(class_names))]
    for grouping, of_case in groups.items():
        members += [(f"{grouping}: {name}", of_case == name) for name in sorted(set(of_case.tolist()))]
    lines = []
    for rate in ERROR_RATES:
        in_set = p_values > rate
        covered, sizes = in_set[np.arange(len(labels)), labels], in_set.sum(axis=1)
        for name, mask in members:  # pairs: a class may be called "all", as a leukaemia is
            if mask.any():
                means = {"covered": covered, "size": sizes, "single": sizes == 1, "empty": sizes == 0}
                line = {"error_rate": rate, "group": name, "cases": int(mask.sum())}
                lines.append(line | {key: float(values[mask].mean()) for key, values in means.items()})
    return lines


def groups_of_cases(context: Context, cases: Sequence[Case], attributes: Sequence[str]) -> dict[str, dict[str, str]]:
    """The groupings that a table asks for: attributes by name, sites, image types, and whether each block is filled in."""
    study, records = context.prepared.study, context.prepared.records
    fields = [records[case.row].fields for case in cases]
    names = [case.name for case in cases]
    found = {}
    for name in attributes:
        attribute = next((a for a in study.attributes if a.name == name), None)
        if attribute is None or (attribute.kind == "number" and not attribute.bins):
            raise UserError(
                f"table.subgroups names {name!r}, which is no attribute of {study.name}, or a number without bins: set "
                "--config.table.subgroups, or --subgroups of prima evaluate."
            )
        found[name] = dict(zip(names, group_names(attribute, [f.get(name) for f in fields]), strict=True))
    for block in dict.fromkeys(a.block for a in study.attributes if a.block):
        of_block = [a.name for a in study.attributes if a.block == block]
        found[block] = dict(zip(names, form_groups(fields, of_block), strict=True))
    if any(record.site for record in records):
        found["study site"] = {case.name: records[case.row].site for case in cases}
    if study.image_types:
        found["photographs"] = {case.name: _photographs(context, case) for case in cases}
    return found


def _photographs(context: Context, case: Case) -> str:
    """The kinds of photograph that a case has."""
    views = context.prepared.study.image_types
    shown = dict.fromkeys(context.prepared.records[p].image_type for slot in case.slots for p in slot)
    return " + ".join(name for raw, name in views.items() if raw in shown)


def _of_method(found: Predictions, name: str, groups: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    probabilities = found.probabilities[name]
    temperatures, calibrated = cross_fitted_temperatures(found.labels, probabilities, found.folds)
    within = intervals(found.labels, probabilities, found.subjects)
    risk = aurc_interval(calibrated.argmax(axis=1) == found.labels, calibrated.max(axis=1), found.subjects)
    predicted, classes = probabilities.argmax(axis=1), len(found.class_names)
    expected = chance(found.labels, predicted, classes, units=found.units, cross_validated=True)
    return {
        "intervals": _plain_intervals(within),
        "chance": {score: _plain_chance(one) for score, one in expected.items()},
        "brier_score": brier_score(found.labels, probabilities),
        "negative_log_likelihood": negative_log_likelihood(found.labels, probabilities),
        "calibration_error": calibration_error(found.labels, probabilities),
        "calibration_error_by_chance": expected_calibration_error(probabilities, found.units),
        "temperatures": temperatures.tolist(),
        "calibration_error_with_temperature": calibration_error(found.labels, calibrated),
        "aurc_with_temperature": asdict(risk) if risk else None,
        "subgroups": {grouping: _of_groups(found, probabilities, of_case) for grouping, of_case in groups.items()},
        "prediction_sets": prediction_sets(
            held_out_p_values(found.labels, probabilities, found.folds, found.subjects),
            found.labels,
            found.class_names,
            {grouping: np.array([of_case[record] for record in found.records]) for grouping, of_case in groups.items()},
        ),
    }


def _plain_intervals(found: Mapping[str, Interval | None]) -> dict[str, Any]:
    return {name: asdict(interval) if interval else None for name, interval in found.items()}


def _plain_chance(found: Chance) -> dict[str, Any]:
    return {"mean": found.mean, "low": found.low, "high": found.high, "p": permutation_p(found), "within": found.consistent}


def _of_groups(found: Predictions, probabilities: np.ndarray, of_case: Mapping[str, str]) -> list[dict[str, Any]]:
    of_rows = [of_case[record] for record in found.records]
    scored = subgroup_scores(found.labels, probabilities, of_rows, found.class_names, units=found.units)
    return [asdict(group) for group in scored]
