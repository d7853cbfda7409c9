"""What the folds of a run add up to: the content of results.json and of predictions.csv."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from prima_jax.data.splits import straddling_subjects
from prima_jax.evaluation.measured import measured_in_all
from prima_jax.evaluation.metrics import scores
from prima_jax.stages import knowledge
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context, Fold, held_out_in
from prima_jax.stages.stage import read_done
from prima_jax.studies.manifest import Reading
from prima_jax.studies.study import Record
from prima_jax.workdir import config_hash

__all__ = ["Probabilities", "describe", "prediction_rows", "score"]

Probabilities = dict[str, np.ndarray]
"""Method -> the class probabilities of one fold's held-out cases, [cases, C]."""


def score(
    context: Context, reading: Reading, folds: list[Fold], held_out: list[list[Case]], outcomes: list[Probabilities]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What results.json holds, and the rows of predictions.csv, from each fold's held-out cases and their probabilities."""
    names = context.prepared.study.class_names
    methods: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for method in outcomes[0]:
        by_fold = []
        for fold, cases, outcome in zip(folds, held_out, outcomes, strict=True):
            labels = np.array([case.label for case in cases])
            by_fold.append(scores(labels, outcome[method], names))
            rows += prediction_rows(method, fold, cases, outcome[method], names)
        methods[method] = {
            **{k: [s[k] for s in by_fold] for k in ("macro_f1", "accuracy", "balanced_accuracy")},
            "f1": {name: [s["f1"][name] for s in by_fold] for name in names},
        }
    costs = {
        "seconds": stage_seconds(context, folds),
        **measured_in_all([note for fold in folds if (note := read_done(fold.folder))]),
    }
    return {**describe(context, reading, folds), **costs, "methods": methods}, rows


def prediction_rows(
    method: str, fold: Fold, cases: list[Case], probabilities: np.ndarray, names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The lines of predictions.csv for one method and fold."""
    return [
        {
            "method": method,
            "record": case.name,
            "unit": case.unit,
            "subject": case.subject,
            "fold": fold.index,
            "label": names[case.label],
            "predicted": names[int(p.argmax())],
            **{f"p_{name}": float(value) for name, value in zip(names, p, strict=True)},
        }
        for case, p in zip(cases, probabilities, strict=True)
    ]


def describe(context: Context, reading: Reading, folds: list[Fold]) -> dict[str, Any]:
    """What results.json says of the study and its folds, besides scores and costs."""
    config, study, records = context.config, context.prepared.study, context.prepared.records
    corpus = knowledge.corpus(context) if config.knowledge.epochs else None
    return {
        "study": study.name,
        "title": study.title,
        "synthetic": study.synthetic,
        "split": config.split.group,
        "without_fold": config.split.without_fold,
        "folds": config.folds,
        "classes": list(study.class_names),
        "records": len(records),
        "units": len(context.units),
        "subjects": len({r.subject for r in records}),
        "straddling_subjects": straddling_subjects(records, held_out_in(folds)),
        "missing_images": len(reading.missing_images),
        "identical_images": _identical(records, reading),
        "case": config.diagnose.case,
        "hidden_block": config.study.hide,
        "shuffled": config.study.shuffle,
        "untrained_image_encoder": not config.models.image.weights,
        "random_weights": not all(config.models[name].weights for name in ("image", "text", "llm")),
        "corpus_texts": len(corpus.texts) if corpus else 0,
        "corpus_sha256": corpus.sha256 if corpus else None,
        "corpus_published": corpus.published if corpus else None,
        "corpus_vetted": corpus.vetted if corpus else None,
        "config_hash": config_hash(config),
    }


def _identical(records: Sequence[Record], reading: Reading) -> list[list[str]]:
    """The groups of identical photographs among these records."""
    here = {record.id for record in records}
    groups = ([name for name in group if name in here] for group in reading.identical)
    return [group for group in groups if len(group) > 1]


def stage_seconds(context: Context, folds: list[Fold]) -> dict[str, float]:
    """Training seconds of each stage, over all folds and all starts of the run."""
    seconds = {}
    for stage in ("knowledge", "align", "refine", "diagnose", "image_only"):
        folders = [context.folder / stage, *(fold.folder / stage for fold in folds)]
        notes = [note for note in map(read_done, folders) if note]
        seconds[stage] = round(sum(note["seconds"] for note in notes), 1)
    return seconds
