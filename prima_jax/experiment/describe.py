"""The study, folds and corpus of a run, as results.json describes them, and the lines of predictions.csv."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from prima_jax.data.splits import straddling_subjects
from prima_jax.stages import knowledge
from prima_jax.stages.cases import Case
from prima_jax.stages.context import Context, Fold, held_out_in
from prima_jax.studies.manifest import LoadedStudy, contradictions
from prima_jax.studies.study import Record
from prima_jax.workdir import config_hash

__all__ = ["describe", "prediction_lines"]


def prediction_lines(
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


def describe(context: Context, reading: LoadedStudy, folds: list[Fold]) -> dict[str, Any]:
    """What results.json says of the study and its folds, besides scores and costs."""
    config, study, records = context.config, context.prepared.study, context.prepared.records
    corpus = knowledge.corpus(context) if config.knowledge.epochs else None
    return {
        "study": study.name,
        "title": study.title,
        "synthetic": study.synthetic,
        "split": config.split.group,
        "without_fold": config.split.without_fold,
        "train_share": config.split.train_share,
        "folds": config.folds,
        "classes": list(study.class_names),
        "records": len(records),
        "units": len(context.units),
        "subjects": len({r.subject for r in records}),
        "straddling_subjects": straddling_subjects(records, held_out_in(folds)),
        "missing_images": len(reading.missing_images),
        "contradictions": {column: len(lines) for column, lines in contradictions(reading).items()},
        "identical_images": _identical(records, reading),
        "case": config.diagnose.case,
        "hidden_block": config.study.hide,
        "shuffled": config.study.shuffle,
        "aligned": bool(config.align.epochs) and any(config.align.weights),
        "untrained_image_encoder": not config.models.image.weights,
        "random_weights": not all(config.models[name].weights for name in ("image", "text", "llm")),
        "corpus_texts": len(corpus.texts) if corpus else 0,
        "corpus_sha256": corpus.sha256 if corpus else None,
        "corpus_published": corpus.published if corpus else None,
        "corpus_vetted": corpus.vetted if corpus else None,
        "config_hash": config_hash(config),
    }


def _identical(records: Sequence[Record], reading: LoadedStudy) -> list[list[str]]:
    """The groups of identical photographs among these records."""
    here = {record.id for record in records}
    groups = ([name for name in group if name in here] for group in reading.identical)
    return [group for group in groups if len(group) > 1]
