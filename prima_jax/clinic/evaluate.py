"""A model on another cohort, whose diagnoses are known: what it is worth there."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from prima_jax.clinic.cases import NewCase
from prima_jax.clinic.model import Model
from prima_jax.data.prepare import Prepared
from prima_jax.data.seen import never_seen
from prima_jax.errors import UserError
from prima_jax.experiment.cohort import missing_shares
from prima_jax.experiment.statistics import ERROR_RATES, groups_of_cases, prediction_sets
from prima_jax.metrics.calibration import brier_score, calibration_error, expected_calibration_error
from prima_jax.metrics.intervals import intervals
from prima_jax.metrics.subgroups import subgroup_scores
from prima_jax.stages.cases import Case, all_cases
from prima_jax.studies.manifest import LoadedStudy
from prima_jax.studies.study import Record, Study, Value

__all__ = ["as_trained", "evaluate"]


def evaluate(model: Model, reading: LoadedStudy, subgroups: Sequence[str] = ()) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns scores, calibration, coverage and subgroups as plain values, and a line for each case.

    reading: the cohort, under its own column names; its attributes are the model's by their names, its classes and image types by
    their words. Raises UserError for a class or an image type that the model does not know, and an attribute of another kind.
    """
    records = as_trained(model.study, reading)
    context = replace(model.workspace, prepared=Prepared(model.study, records, ()))
    cases = all_cases(context)
    groups = groups_of_cases(context, cases, tuple(subgroups))  # first: a wrong name is told before anything is computed
    found = model.outcome([_new_case(model.study, reading, records, case) for case in cases])
    for error in found.unread.values():
        raise error
    raw, calibrated = found.by_fold.mean(axis=1), model.calibrated(found.by_fold).mean(axis=1)
    labels, names = np.array([case.label for case in cases]), model.study.class_names
    subjects, units = (np.array([getattr(case, kind) for case in cases]) for kind in ("subject", "unit"))
    of_case = {grouping: np.array([members[case.name] for case in cases]) for grouping, members in groups.items()}
    sets = []
    if model.calibration is not None:
        sets = prediction_sets(model.calibration.held_out.p_values(calibrated), labels, names, of_case)
    results = {
        "model": model.study.title,
        "cohort": reading.study.title,
        "synthetic": reading.study.synthetic,
        "model_synthetic": model.synthetic,
        "warnings": list(model.warnings),
        "classes": list(names),
        "by_class": np.bincount(labels, minlength=len(names)).tolist(),
        "cases": len(cases),
        "photographs": len(records),
        "subjects": len(set(subjects.tolist())),
        "intervals": {k: asdict(v) if v else None for k, v in intervals(labels, calibrated, subjects).items()},
        "brier_score": {"before": brier_score(labels, raw), "after": brier_score(labels, calibrated)},
        "calibration_error": {
            "before": calibration_error(labels, raw),
            "after": calibration_error(labels, calibrated),
            "by_chance": expected_calibration_error(calibrated, units),
        },
        "error_rates": list(ERROR_RATES),
        "prediction_sets": sets,
        "subgroups": {
            grouping: [asdict(one) for one in subgroup_scores(labels, calibrated, of_rows, names, units=units)]
            for grouping, of_rows in of_case.items()
        },
        "missing": {name: shares["all"] for name, shares in missing_shares(model.study, records, cases).items()},
        "never_seen": _never_seen(model, [records[case.row] for case in cases]),
        "unlike": _share([share for of_one in found.unlike for share in of_one]),
    }
    lines = [
        {
            "record": case.name,
            "unit": case.unit,
            "subject": case.subject,
            "label": names[case.label],
            "predicted": names[int(p.argmax())],
            **{f"p_{name}": float(value) for name, value in zip(names, p, strict=True)},
        }
        for case, p in zip(cases, calibrated, strict=True)
    ]
    return results, lines


def as_trained(study: Study, reading: LoadedStudy) -> tuple[Record, ...]:
    """The cohort's records in the terms of the study that the model was trained on."""
    other, attributes = reading.study, {attribute.name: attribute.kind for attribute in study.attributes}
    for attribute in other.attributes:
        if (kind := attributes.get(attribute.name, attribute.kind)) != attribute.kind:
            raise UserError(
                f"The cohort's {attribute.name} is a {attribute.kind}, and the model's a {kind}: give the study of --config the "
                "same kind, or another name."
            )
    labels = _positions(tuple(other.classes.values()), tuple(study.classes.values()), "class")
    types = {record.image_type: "" for record in reading.records}
    if study.image_types:
        raw = list(study.image_types)
        places = _positions(tuple(other.image_types.values()), tuple(study.image_types.values()), "image type")
        types = {name: raw[place] for name, place in zip(other.image_types, places, strict=True)}
    return tuple(
        replace(
            record,
            label=labels[record.label],
            image_type=types[record.image_type],
            fields={name: value for name, value in record.fields.items() if name in attributes},
        )
        for record in reading.records
    )


def _positions(theirs: Sequence[str], known: Sequence[str], kind: str) -> list[int]:
    """Where each of a cohort's names stands among those of the model."""
    unknown = [name for name in theirs if name not in known]
    if unknown or not theirs:
        raise UserError(
            f"The cohort has the {kind} {unknown[0] if unknown else '(none)'}, and the model knows {', '.join(known)}: give the "
            "study of --config the same words."
        )
    return [list(known).index(name) for name in theirs]


def _new_case(study: Study, reading: LoadedStudy, records: Sequence[Record], case: Case) -> NewCase:
    photographs = [(records[p].image_type, reading.folder / records[p].image) for slot in case.slots for p in slot]
    raw: dict[str, dict[Value, Value]] = {
        attribute.name: {word: text for text, word in attribute.values.items()} for attribute in study.shown()
    }
    fields = {name: raw[name].get(value, value) for name, value in records[case.row].fields.items() if name in raw}
    return NewCase(photographs, fields, case.name)


def _never_seen(model: Model, records: Sequence[Record]) -> dict[str, float]:
    """Attribute -> the share of cases with a value that training never had, or outside of its range: say, of another unit."""
    if model.seen is None:
        return {}
    found = Counter(name for record in records for name in never_seen(model.seen, record.fields, record.image_type))
    hidden = {attribute.name for attribute in model.study.attributes if not attribute.shown}
    return {name: number / len(records) for name, number in found.items() if name not in hidden}


def _share(nearer: Sequence[float]) -> float | None:
    """The share of photographs that are unlike those trained on."""
    return float(np.mean(np.array(nearer) > 0.95)) if nearer else None
