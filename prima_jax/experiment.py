"""Folds x stages, the references on the same folds, and the table at the end."""

import sys
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from prima_jax.baselines import plain
from prima_jax.checks import check
from prima_jax.data import metadata
from prima_jax.data.prepare import Prepared, prepare
from prima_jax.data.splits import assign_folds, straddling_subjects
from prima_jax.errors import UserError
from prima_jax.evaluation import report
from prima_jax.evaluation.metrics import scores
from prima_jax.stages import knowledge, refine
from prima_jax.stages.cases import Case, all_cases
from prima_jax.stages.context import Context, Fold, read_done, stopwatch, write_done
from prima_jax.stages.pipeline import diagnose_fold, make_tokenizers, train_encoders, training_sentences
from prima_jax.studies import synthetic
from prima_jax.studies.manifest import Reading, read
from prima_jax.studies.pad_ufes_20 import PAD_UFES_20
from prima_jax.studies.study import Record, Study
from prima_jax.studies.study_config import study_from_config
from prima_jax.training.parallel import Parallel
from prima_jax.workdir import claim, config_hash, open_workdir

__all__ = ["METHODS", "load_study", "make_context", "run"]

METHODS = ("prima", "majority", "metadata_only", "missingness_only", "image_only")


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Runs, or goes on with, the experiment of a config; returns what results.json holds."""
    check(config)
    load_study(config)
    with open_workdir(workdir, config):
        reading = read_study(config, workdir)
        context = make_context(config, workdir, prepared_records(config, workdir, reading), reading.folder)
        report_reading(reading)
        folds = make_folds(context, reading)
        check_batches(context, folds)
        claim(workdir, config)  # not before: a command that was wrong so far may be corrected
        outcomes = [run_fold(context, fold) for fold in folds]
        return finish(context, reading, folds, outcomes)


def load_study(config: ConfigDict) -> Study:
    """The study of a config, with the block hidden that the config hides."""
    definition = config.study.definition
    if definition == "pad_ufes_20":
        study = PAD_UFES_20
    elif isinstance(definition, str):
        raise UserError(f"study.definition is 'pad_ufes_20' or a description like configs/aqua_study.py, not {definition!r}.")
    else:
        study = study_from_config(definition)
    return study.hide(config.study.hide)


def read_study(config: ConfigDict, workdir: Path) -> Reading:
    """Reads the study's folder; a synthetic one is drawn first, where it is not there yet."""
    study, folder = load_study(config), Path(config.data.dir)
    if config.study.synthetic.units:
        folder = workdir / "synthetic_study"
        synthetic.write(folder, **config.study.synthetic.to_dict())
        study = replace(study, synthetic=True, title=f"{study.title}, drawn by a program")
    elif not config.data.dir or not folder.is_dir():
        raise UserError(
            f"There is no data for {study.name} at {config.data.dir or '(not set)'}: set --config.data.dir to its folder, "
            "or run configs/aqua.py:demo, which needs nothing."
        )
    return read(study, folder, cache=prepared_folder(config, workdir))


def prepared_folder(config: ConfigDict, workdir: Path) -> Path:
    """Where what was read once is kept."""
    return Path(config.data.prepared or workdir / "prepared")


def prepared_records(config: ConfigDict, workdir: Path, reading: Reading) -> Prepared:
    """The study's images, resampled once, and its records, their evidence shuffled where the config asks for it."""
    prepared = prepare(reading, prepared_folder(config, workdir), size=config.data.size)
    if config.study.shuffle:
        prepared = replace(prepared, records=shuffled(prepared.records, config.study.shuffle, config.seed))
    return prepared


def shuffled(records: tuple[Record, ...], what: str, seed: int) -> tuple[Record, ...]:
    """The control: each unit gets another unit's "metadata", or another unit's "images", and keeps the rest."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.unit, record)
    units = list(first)
    order = np.random.default_rng(seed).permutation(len(units))
    # Each unit takes from the next one in a random circle, so that none keeps its own.
    donor = {units[a]: first[units[b]] for a, b in zip(order, np.roll(order, 1), strict=True)}
    if what == "metadata":
        return tuple(replace(r, fields=donor[r.unit].fields) for r in records)
    return tuple(replace(r, fields=donor[r.unit].fields, label=donor[r.unit].label) for r in records)


def make_context(config: ConfigDict, workdir: Path, prepared: Prepared, study_folder: Path) -> Context:
    """The experiment as the stages see it."""
    return Context(config, prepared, study_folder, workdir, Parallel(config.parallel))


def make_folds(context: Context, reading: Reading) -> list[Fold]:
    """Stratified folds over whole units or subjects; identical photographs share one."""
    config, records = context.config, context.prepared.records
    assigned = assign_folds(
        records,
        folds=config.folds,
        group=config.split.group,
        identical=reading.identical,
        seed=config.seed,
        class_names=context.prepared.study.class_names,
    )
    return [
        Fold(k, np.flatnonzero(assigned != k), np.flatnonzero(assigned == k), context.folder / f"fold_{k}")
        for k in range(config.folds)
    ]


def check_batches(context: Context, folds: list[Fold]) -> None:
    """Raises UserError for a batch that is larger than what a fold trains on, or a corpus that cannot be read."""
    config, corpus = context.config, len(knowledge.corpus_texts(context))
    for fold in folds:
        train = set(fold.train.tolist())
        units, cases = sum(p[0] in train for p in context.units.values()), len(split_cases(context, fold)[0])
        sizes = {"align": units, "refine": len(train), "diagnose": cases, "image_only": len(train)}
        if corpus or config.knowledge.include_sentences:
            sentences = len(training_sentences(context, fold)) if config.knowledge.include_sentences else 0
            sizes = {"knowledge": corpus + sentences, **sizes}
        for stage, size in sizes.items():
            if config[stage].epochs and config[stage].batch_size > size:
                raise UserError(
                    f"{stage}.batch_size is {config[stage].batch_size}, more than the {size} examples that fold {fold.index} "
                    f"trains on: set --config.{stage}.batch_size lower."
                )


def run_fold(context: Context, fold: Fold) -> dict[str, np.ndarray]:
    """Each method's probabilities for the cases of the held-out records, [cases, C]; read back if already there."""
    done, path = read_done(fold.folder), fold.folder / "probabilities.npz"
    if done is not None:
        return read_probabilities(path)
    fold.folder.mkdir(parents=True, exist_ok=True)
    print(f"Fold {fold.index + 1} of {context.config.folds} in {fold.folder}", file=sys.stderr)
    train, test = split_cases(context, fold)
    tokenizers = make_tokenizers(context, fold)
    encoders = train_encoders(context, fold, tokenizers)
    probabilities = {"prima": diagnose_fold(context, fold, tokenizers, encoders, train, test)}
    elapsed = stopwatch()
    probabilities |= plain_references(context, train, test)
    probabilities["image_only"] = image_only(context, fold, test)
    np.savez(path, allow_pickle=False, **{name: probabilities[name] for name in METHODS})
    write_done(fold.folder, seconds=elapsed())
    return probabilities


def read_probabilities(path: Path) -> dict[str, np.ndarray]:
    """What `run_fold` stored. Raises UserError if it is damaged."""
    try:
        with np.load(path) as stored:
            return {name: stored[name] for name in METHODS}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path} is damaged ({error}): delete {path.parent / 'done.json'} and run the same command again, which "
            "computes it anew from the fold's trained models."
        ) from error


def split_cases(context: Context, fold: Fold) -> tuple[list[Case], list[Case]]:
    """The cases that train and those that are held out."""
    train, cases = set(fold.train.tolist()), all_cases(context)
    return [c for c in cases if c.row in train], [c for c in cases if c.row not in train]


def plain_references(context: Context, train: list[Case], test: list[Case]) -> dict[str, np.ndarray]:
    """Majority class, metadata only, and which fields are filled in, on the very same cases."""
    study, records = context.prepared.study, context.prepared.records
    classes, labels = len(study.classes), np.array([case.label for case in train])
    rows = [[records[case.row] for case in part] for part in (train, test)]
    table, _, categorical = metadata.tabular(study, rows[0] + rows[1])
    filled = [metadata.filled_in(study, part) for part in rows]
    return {
        "majority": plain.majority(labels, len(test), classes),
        "metadata_only": plain.metadata_only(table[: len(train)], labels, table[len(train) :], classes, categorical=categorical),
        "missingness_only": plain.missingness_only(filled[0], labels, filled[1], classes),
    }


def image_only(context: Context, fold: Fold, test: list[Case]) -> np.ndarray:
    """The image encoder trained alone with a linear head; a case is the mean over its photographs."""
    refined = refine.run(context, fold, context.image_encoder.variables, name="image_only")
    photographs = [[p for slot in case.slots for p in slot] for case in test]
    by_photograph = refine.classify_images(context, refined, np.concatenate(photographs))
    ends = np.cumsum([len(p) for p in photographs])[:-1]
    return np.stack([part.mean(axis=0) for part in np.split(by_photograph, ends)])


def finish(context: Context, reading: Reading, folds: list[Fold], outcomes: list[dict[str, np.ndarray]]) -> dict[str, Any]:
    """Scores every method on every fold and writes results.json, predictions.csv, table.md and the pictures."""
    names = context.prepared.study.class_names
    methods: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    held_out = [split_cases(context, fold)[1] for fold in folds]
    for method in METHODS:
        by_fold = []
        for fold, cases, outcome in zip(folds, held_out, outcomes, strict=True):
            labels = np.array([case.label for case in cases])
            by_fold.append(scores(labels, outcome[method], names))
            rows += prediction_rows(method, fold, cases, outcome[method], names)
        methods[method] = {
            **{k: [s[k] for s in by_fold] for k in ("macro_f1", "accuracy", "balanced_accuracy")},
            "f1": {name: [s["f1"][name] for s in by_fold] for name in names},
        }
    results = {**describe(context, reading, folds), "methods": methods}
    report.write_all(context.folder, results, rows)
    return results


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
    """What results.json says besides the scores."""
    config, study, records = context.config, context.prepared.study, context.prepared.records
    assigned = np.zeros(len(records), int)
    for fold in folds:
        assigned[fold.test] = fold.index
    return {
        "study": study.name,
        "title": study.title,
        "synthetic": study.synthetic,
        "split": config.split.group,
        "folds": config.folds,
        "classes": list(study.class_names),
        "records": len(records),
        "units": len(context.units),
        "subjects": len({r.subject for r in records}),
        "straddling_subjects": straddling_subjects(records, assigned),
        "missing_images": len(reading.missing_images),
        "identical_images": [list(group) for group in reading.identical],
        "case": config.diagnose.case,
        "hidden_block": config.study.hide,
        "shuffled": config.study.shuffle,
        "random_weights": not all(config.models[name].weights for name in ("image", "text", "llm")),
        "corpus_vetted": False,
        "config_hash": config_hash(config),
        "versions": report.versions(),
        "seconds": stage_seconds(context, folds),
        "peak_memory_bytes": report.peak_memory_bytes(),
    }


def stage_seconds(context: Context, folds: list[Fold]) -> dict[str, float]:
    """Training seconds of each stage, over all folds and all starts of the run."""
    seconds = {}
    for stage in ("knowledge", "align", "refine", "diagnose", "image_only"):
        folders = [context.folder / stage, *(fold.folder / stage for fold in folds)]
        notes = [note for note in map(read_done, folders) if note]
        seconds[stage] = round(sum(note["seconds"] for note in notes), 1)
    return seconds


def report_reading(reading: Reading) -> None:
    """Tells what was found in the study's folder; the names of what is missing go to a file."""
    print(f"{reading.study.title}: {len(reading.records)} photographs read from {reading.folder}.", file=sys.stderr)
    if reading.missing_images:
        shown = ", ".join(reading.missing_images[:3])
        print(f"{len(reading.missing_images)} rows have no photograph and are left out ({shown}, ...).", file=sys.stderr)
    for group in reading.identical:
        print(f"Identical photographs, kept in one fold: {' = '.join(group)}.", file=sys.stderr)
