"""From Python: load a finished run, give it cases, get probabilities. Nothing here can train."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from prima_jax.data.builder import resample
from prima_jax.data.prepare import Prepared
from prima_jax.data.seen import never_seen, read_seen
from prima_jax.data.text import sentence
from prima_jax.errors import UserError
from prima_jax.experiment.job import Job, finished_fold
from prima_jax.experiment.rows import PRIMA, row_config
from prima_jax.recipe.check import check_fields
from prima_jax.stages import diagnose, image_features, text_features
from prima_jax.stages.backbones import Backbones
from prima_jax.stages.cases import all_cases
from prima_jax.stages.context import Context
from prima_jax.stages.pipeline import load_encoders, load_tokenizers
from prima_jax.studies.manifest import is_drawn, parse_fields
from prima_jax.studies.study import Record, Study
from prima_jax.studies.study_config import load_study
from prima_jax.training.parallel import Parallel
from prima_jax.workdir import load_config

__all__ = ["Model", "NeverSeen", "NewCase", "load"]

_UNKNOWN = -1
"""The label of a case that has no diagnosis yet."""


@dataclass(frozen=True)
class NewCase:
    """A case without a diagnosis: its photographs and what is known of the patient."""

    images: Sequence[tuple[str, str | Path]]
    """(view, file); the view is the empty string where the study has photographs of one kind."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Attribute, or column of the study's file, -> its value as the file has it; what is unknown is left out."""


class NeverSeen(UserWarning):
    """A case has a value that no training record had, so that its probabilities rest on nothing that was learnt of it."""


@dataclass(frozen=True)
class Model:
    """PRIMA as the finished folds of a run have trained it; together they answer by the mean of their probabilities."""

    run: Path
    config: ConfigDict
    study: Study
    folds: tuple[int, ...]

    @property
    def synthetic(self) -> bool:
        """True if it was trained on a synthetic study, which a program drew."""
        return bool(self.config.study.synthetic.units) or is_drawn(Path(self.config.data.dir))

    def predict(self, cases: Sequence[NewCase]) -> np.ndarray:
        """Returns the class probabilities, [cases, C], classes as in `study.class_names`.

        Raises UserError for a photograph that cannot be read and for metadata that the study does not know. Warns (NeverSeen) of
        the fields of `never_seen`.
        """
        asked = [_records(self.study, number, case) for number, case in enumerate(cases)]
        records = tuple(record for of_case in asked for record in of_case)
        source = [{"image": _photograph(record.image, self.config.data.size, self.study.window)} for record in records]
        for number, case in enumerate(cases):
            if names := self.never_seen(case):
                warnings.warn(f"case {number + 1}: never seen in training: {', '.join(names)}", NeverSeen, stacklevel=2)
        context = Context(
            self.config,
            self.run,
            Parallel(self.config.parallel, jax.local_devices()[:1]),  # cases are too few to share
            self._backbones,
            prepared=Prepared(self.study, records, source),
            study_folder=Path(self.config.data.dir),
        )
        return np.mean([_fold_probabilities(context, index) for index in self.folds], axis=0)

    def never_seen(self, case: NewCase) -> list[str] | None:
        """Returns the names of a case's fields that have a value which no training record had, or a number outside of theirs.

        None: the run was made before it was noted what it was trained on.
        """
        if self._seen is None:
            return None
        records = _records(self.study, 0, case)
        found = [name for record in records for name in never_seen(self._seen, record.fields, record.image_type)]
        return list(dict.fromkeys(found))

    @cached_property
    def _seen(self) -> dict[str, Any] | None:
        return read_seen(self.run)

    @cached_property
    def _backbones(self) -> Backbones:
        return Backbones(self.config)


def load(run: str | Path) -> Model:
    """Opens the --workdir of a run. Raises UserError where it is none, or where no fold of PRIMA is finished."""
    run = Path(run)
    config = load_config(run)
    try:
        check_fields(config)
        study = load_study(config)
    except UserError as error:
        raise UserError(
            f"{run / 'config.json'} is not as this version of the package writes it ({error}): put it back, predict with the "
            "version that made the run, or run the recipe again in another --workdir."
        ) from error
    job = Job(PRIMA, config.table.seeds[0])
    finished = tuple(k for k in range(config.folds) if finished_fold(config, run, job, k) is not None)
    if not finished:
        raise UserError(f"No fold of PRIMA in {run} is finished: run prima run with --workdir={run} to its end.")
    return Model(run, row_config(config, job.row, job.seed), study, finished)


def _fold_probabilities(context: Context, fold: int) -> np.ndarray:
    """One fold's model on all cases of the context's study: [cases, C]."""
    tokenizers, encoders = load_tokenizers(context, fold), load_encoders(context, fold)
    everyone, views = range(len(context.prepared.records)), range(context.config.features.test_views)
    images = np.stack([image_features.encode_records(context, encoders.image, everyone, view) for view in views], axis=1)
    sentences = [[sentence(context.prepared.study, record.fields)] for record in context.prepared.records]
    texts = text_features.text_tokens(context, encoders.text, tokenizers.text, sentences)
    model = diagnose.load(context, fold, tokenizers.llm)
    cases = all_cases(context)  # one for each photograph where the study diagnoses records
    found, units = diagnose.predict(context, model, cases, images, texts), np.array([case.unit for case in cases])
    return np.stack([found[units == unit].mean(axis=0) for unit in dict.fromkeys(units.tolist())])


def _records(study: Study, number: int, case: NewCase) -> list[Record]:
    """A case as records without a label, one for each photograph. Raises UserError for what the study does not know."""
    names = {a.column: a.name for a in study.attributes} | {a.name: a.name for a in study.attributes}
    shown = {a.name for a in study.shown()}
    for key in case.metadata:
        if names.get(key) not in shown:
            raise UserError(
                f"--metadata: {study.name} has no attribute {key!r} to show a model; known: {', '.join(sorted(shown))}."
            )
    fields = parse_fields(study, {names[key]: value for key, value in case.metadata.items()}, "--metadata")
    if not case.images:
        raise UserError(f"Case {number + 1} has no photograph: give it one or more.")
    unit, records = f"case {number + 1}", []
    for position, (named, file) in enumerate(case.images):
        view = next(iter(study.image_types)) if len(study.image_types) == 1 else named
        if study.image_types and view not in study.image_types:
            raise UserError(f"--image={file}: say which view it is, as VIEW:FILE with one of {', '.join(study.image_types)}.")
        records.append(Record(f"{unit}, photograph {position + 1}", str(file), unit, unit, _UNKNOWN, view, fields))
    return records


def _photograph(file: str, size: int, window: tuple[float, ...]) -> bytes:
    """The photograph, resampled as in training."""
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"--image: cannot read {file} ({os.strerror(error.errno or 0)}).") from error
    return resample(data, size, file, window)
