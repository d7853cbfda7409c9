"""A finished run's models on new cases: load once, then answer. Nothing here can train."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from prima_jax.clinic.answers import Answer, Answers, Unanswered
from prima_jax.clinic.bundle import MODELS, Handed, is_bundle, open_bundle
from prima_jax.clinic.cases import NewCase, cases_of_rows, notes_on, photograph, records_of
from prima_jax.data.prepare import Prepared
from prima_jax.data.seen import never_seen, read_seen
from prima_jax.data.text import sentence
from prima_jax.errors import UserError
from prima_jax.experiment.calibration import Calibration, read_calibration
from prima_jax.experiment.job import Job, finished_fold
from prima_jax.experiment.rows import PRIMA, row_config
from prima_jax.experiment.run import results_folder
from prima_jax.json_text import read_object
from prima_jax.metrics.calibration import apply_temperature
from prima_jax.metrics.conformal import smallest_error_rate
from prima_jax.progress import progress_bar
from prima_jax.recipe.check import check_fields
from prima_jax.report.captions import warnings
from prima_jax.stages.backbones import Backbones
from prima_jax.stages.cases import all_cases
from prima_jax.stages.context import Context
from prima_jax.stages.familiarity import Familiarity, load_familiarity
from prima_jax.stages.fold_model import FoldModel, class_probabilities, load_fold, photograph_tokens
from prima_jax.stages.frozen_tokens import class_and_mean_tokens
from prima_jax.studies.manifest import is_drawn
from prima_jax.studies.study import Study
from prima_jax.studies.study_config import load_study
from prima_jax.training.parallel import Parallel
from prima_jax.workdir import load_config

__all__ = ["DEVICE", "Model", "Outcome", "load"]

DEVICE = "NOT A MEDICAL DEVICE: for research; no answer of it decides about a patient."
BLANK = 4.0
"""The standard deviation of the 8-bit values of a photograph below which there is nothing on it, whatever its tokens say."""
CASES_AT_ONCE = 128
"""Cases whose tokens are in memory at a time."""


class Outcome(NamedTuple):
    """What the models make of N cases."""

    by_fold: np.ndarray
    """Each fold's class probabilities, as they come out of its model: [N, K, C]."""
    unlike: list[tuple[float, ...]]
    """For each case and photograph the share of held-out photographs that were nearer to those trained on."""
    unread: dict[int, UserError]
    """Position of a case whose photograph could not be read -> the error; its probabilities are NaN."""


@dataclass(frozen=True)
class Model:
    """PRIMA as the finished folds of a run have trained it; together they answer by the mean of their probabilities."""

    folder: Path
    """The run's, or the bundle's."""
    config: ConfigDict
    study: Study
    folds: tuple[int, ...]
    seen: dict[str, Any] | None
    """The values that it was trained on (data/seen.py)."""
    calibration: Calibration | None
    familiarity: Familiarity | None
    """The distances of its photographs; None where not all folds are trained."""
    warnings: tuple[str, ...]
    """What is to be known of the run before an answer is believed."""

    def predict(self, cases: Any, *, images: str | Path = "", error_rate: float | None = None) -> Answers:
        """Answers for cases: NewCases, a data frame, records (`cases_of_rows`), or the name of a CSV file.

        images: the folder of the photographs that rows name; error_rate: of the prediction sets, by default 0.1 or the least that
        the run can promise. Raises UserError for metadata that the study does not know and an error rate that the run cannot
        promise; Unanswered, with the answers for the others, where photographs of some cases cannot be read.
        """
        asked = self.cases(cases, images)
        rate = self._error_rate(error_rate)
        found = self.outcome(asked)
        if len(found.unread) == len(asked):
            raise found.unread[0]
        answers = Answers(
            self.study.title,
            self.synthetic,
            len(self.folds),
            {}
            if self.calibration is None
            else dict(zip(self.study.class_names, self.calibration.base_rates.tolist(), strict=True)),
            self.warnings,
            tuple(self._answer(n, case, found, rate) for n, case in enumerate(asked) if n not in found.unread),
        )
        if found.unread:
            raise Unanswered(found.unread, answers)
        return answers

    def cases(self, cases: Any, images: str | Path = "") -> list[NewCase]:
        """Returns cases as `predict` takes them. Raises UserError for one that is wrong, before any is computed."""
        if isinstance(cases, Sequence) and cases and all(isinstance(case, NewCase) for case in cases):
            asked = list(cases)
        else:
            asked = cases_of_rows(self.study, cases, images, by_unit=self.config.diagnose.case == "unit")
        for number, case in enumerate(asked):
            records_of(self.study, number, case)
            for _, file in case.images:
                if not isinstance(file, bytes) and not os.path.isfile(file):  # told before the first case is computed
                    raise UserError(f"Case {number + 1}: cannot read {file} (No such file or directory).")
        return asked

    def outcome(self, cases: Sequence[NewCase]) -> Outcome:
        """What the models make of the cases, so many at a time that the memory does not grow with their number."""
        by_fold = np.full((len(cases), len(self.folds), len(self.study.class_names)), np.nan)
        unlike: list[tuple[float, ...]] = [()] * len(cases)
        unread: dict[int, UserError] = {}
        with progress_bar(len(cases), "diagnosing", "case") as bar:
            for start in range(0, len(cases), CASES_AT_ONCE):
                part = range(start, min(start + CASES_AT_ONCE, len(cases)))
                shown = self._photographs(cases, part)
                unread |= {n: found for n, found in shown.items() if isinstance(found, UserError)}
                readable = {n: found for n, found in shown.items() if isinstance(found, list)}
                if readable:
                    by_fold[list(readable)], shares = self._outcome([cases[n] for n in readable], list(readable.values()))
                    for n, of_case in zip(readable, shares, strict=True):
                        unlike[n] = of_case
                bar.update(len(part))
        return Outcome(by_fold, unlike, unread)

    def calibrated(self, by_fold: np.ndarray) -> np.ndarray:
        """Each fold's probabilities [N, K, C] under the run's temperature, where it has one."""
        if self.calibration is None:
            return by_fold
        return apply_temperature(by_fold.reshape(-1, by_fold.shape[-1]), self.calibration.temperature).reshape(by_fold.shape)

    @property
    def synthetic(self) -> bool:
        """True if it was trained on a synthetic study, which a program drew."""
        return self.study.synthetic

    def context(self, cases: Sequence[NewCase]) -> Context:
        """The cases as an experiment without labels, their photographs one after the other. Raises UserError as `predict`."""
        shown: list[bytes] = []
        for found in self._photographs(cases, range(len(cases))).values():
            if isinstance(found, UserError):
                raise found
            shown += found
        return self._context(cases, shown)

    def _photographs(self, cases: Sequence[NewCase], chosen: range) -> dict[int, list[bytes] | UserError]:
        """The photographs of the chosen cases as the models are shown them, or what is wrong with one of a case's."""
        size, window = self.config.data.size, self.study.window

        def of_case(number: int) -> list[bytes] | UserError:
            files = enumerate((file for _, file in cases[number].images), start=1)
            try:
                return [photograph(file, f"{n} of case {number + 1}", size, window) for n, file in files]
            except UserError as error:
                return error

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return dict(zip(chosen, pool.map(of_case, chosen), strict=True))

    def _context(self, cases: Sequence[NewCase], photographs: Sequence[bytes]) -> Context:
        asked = [records_of(self.study, number, case) for number, case in enumerate(cases)]
        records = tuple(record for of_case in asked for record in of_case)
        shown = [{"image": image} for image in photographs]
        return replace(self.workspace, prepared=Prepared(self.study, records, shown, same_views=True))

    def _outcome(
        self, cases: Sequence[NewCase], photographs: Sequence[list[bytes]]
    ) -> tuple[np.ndarray, list[tuple[float, ...]]]:
        """That of cases whose photographs could be read: probabilities [N, K, C], and how unlike each photograph is."""
        context = self._context(cases, [one for of_case in photographs for one in of_case])
        by_fold = np.stack([_fold_probabilities(context, model) for model in self.models], axis=1)
        if self.familiarity is None:
            return by_fold, [() for _ in cases]
        tokens = class_and_mean_tokens(context, context.image_encoder.variables, pixels=True)
        nearer = self.familiarity.nearer(tokens, [record.image_type for record in context.prepared.records])
        owners = np.repeat(np.arange(len(cases)), [len(of_case) for of_case in photographs])
        images = map(context.prepared.image, range(len(owners)))
        nearer = np.where([image.std() < BLANK for image in images], 1.0, nearer)
        return by_fold, [tuple(nearer[owners == number].tolist()) for number in range(len(cases))]

    def _error_rate(self, asked: float | None) -> float:
        if self.calibration is None:
            return 0.1 if asked is None else asked
        if asked is None:
            return max(0.1, float(smallest_error_rate(self.calibration.held_out.subjects).max()))
        self.calibration.check_error_rate(asked)
        return asked

    def _answer(self, number: int, case: NewCase, found: Outcome, error_rate: float) -> Answer:
        calibrated = self.calibrated(found.by_fold[number : number + 1])
        records = records_of(self.study, number, case)
        fields = records[0].fields
        unseen = None
        if self.seen is not None:
            names = [name for record in records for name in never_seen(self.seen, record.fields, record.image_type)]
            unseen = tuple(dict.fromkeys(names))
        return Answer(
            name=case.name or f"case {number + 1}",
            class_names=self.study.class_names,
            probabilities=calibrated[0].mean(axis=0),
            spread=calibrated[0].std(axis=0),
            p_values=None if self.calibration is None else self.calibration.held_out.p_values(calibrated.mean(axis=1))[0],
            error_rate=error_rate,
            sentence=sentence(self.study, fields),
            missing=tuple(attribute.name for attribute in self.study.shown() if attribute.name not in fields),
            never_seen=unseen,
            unlike=found.unlike[number],
            notes=(*case.notes, *notes_on(self.config.diagnose.case, records)),
        )

    @cached_property
    def workspace(self) -> Context:
        """What all calls share: the models as they start out and what has been compiled."""
        devices = Parallel(self.config.parallel, jax.local_devices()[:1])
        kind = Handed if is_bundle(self.folder) else Context
        backbones = Backbones(self.config, devices.replicate)
        nothing, folder = Prepared(self.study, (), ()), Path(self.config.data.dir)
        return kind(self.config, self.folder, devices, backbones, prepared=nothing, study_folder=folder)

    @cached_property
    def models(self) -> list[FoldModel]:
        """All folds, placed on the device once; what no fold has trained is there once."""
        return [load_fold(self.workspace, fold) for fold in self.folds]


def load(folder: str | Path) -> Model:
    """Opens a bundle, or the --workdir of a run. Raises UserError where it is neither, or where no fold of PRIMA is finished."""
    folder = Path(folder)
    return _load_bundle(folder) if is_bundle(folder) else _load_run(folder)


def _load_bundle(folder: Path) -> Model:
    found = open_bundle(folder)
    config = load_config(folder)
    for name in MODELS:
        if config.models[name].weights:
            config.models[name].weights = str(folder / config.models[name].weights)
    study = replace(load_study(config), synthetic=found["synthetic"])
    folds = tuple(range(config.folds))
    known = read_seen(folder), read_calibration(folder), load_familiarity(folder)
    return Model(folder, config, study, folds, *known, (*found["warnings"], DEVICE))


def _load_run(run: Path) -> Model:
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
    synthetic = bool(config.study.synthetic.units) or is_drawn(Path(config.data.dir))
    said, calibration, familiarity = [], None, None
    if len(finished) < config.folds:
        said = [f"UNFINISHED: {config.folds - len(finished)} of {config.folds} folds are not trained yet; nothing is calibrated."]
    else:
        calibration, familiarity = read_calibration(run), load_familiarity(run)
        results = results_folder(run, config.table.number) / "results.json"
        if calibration is None or familiarity is None or not results.exists():
            raise UserError(
                f"{run} was not run to its end, or is of an earlier version: give prima run the command that made it again, "
                "which writes what is missing."
            )
        said = warnings(read_object(results, "give prima run the command that made this run again, which writes it anew."))
    config, study = row_config(config, job.row, job.seed), replace(study, synthetic=synthetic)
    return Model(run, config, study, finished, read_seen(run), calibration, familiarity, (*said, DEVICE))


def _fold_probabilities(context: Context, model: FoldModel) -> np.ndarray:
    """One fold's class probabilities of all cases of the context's study: [N, C]."""
    images = photograph_tokens(context, model, views=context.config.features.test_views)
    cases = all_cases(context)  # one for each photograph where the study diagnoses records
    found, units = class_probabilities(context, model, cases, images), np.array([case.unit for case in cases])
    return np.stack([found[units == unit].mean(axis=0) for unit in dict.fromkeys(units.tolist())])
