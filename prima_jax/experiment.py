"""Folds x stages, the references on the same folds, and the table at the end."""

import hashlib
import json
import sys
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from prima_jax.checks import check
from prima_jax.data.prepare import Prepared, fingerprint, prepare
from prima_jax.data.splits import assign_folds
from prima_jax.data.text import class_token_ids, load_tokenizer
from prima_jax.errors import UserError
from prima_jax.evaluation import report
from prima_jax.evaluation.measured import measured
from prima_jax.methods import registry
from prima_jax.methods.method import Bench
from prima_jax.results import Probabilities, score
from prima_jax.stages import knowledge
from prima_jax.stages.backbones import Backbones
from prima_jax.stages.cases import Case, all_cases
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.features import drop_image_tokens
from prima_jax.stages.pipeline import check_sentences, diagnose_fold, make_tokenizers, train_encoders, training_sentences
from prima_jax.stages.stage import read_done, write_done
from prima_jax.studies import synthetic
from prima_jax.studies.load import load_study
from prima_jax.studies.manifest import Reading, read, spellings
from prima_jax.studies.study import Record
from prima_jax.training.parallel import Parallel
from prima_jax.workdir import claim, open_workdir

__all__ = [
    "METHODS",
    "check_late_stages",
    "data_fingerprint",
    "make_context",
    "make_folds",
    "prepared_records",
    "read_arrays",
    "read_study",
    "report_reading",
    "run",
    "split_cases",
]

REFERENCES = ("majority", "metadata_only", "missingness_only", "frozen_tokens", "frozen_tokens_metadata", "image_only")
METHODS = ("prima", *REFERENCES)


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Runs, or goes on with, the experiment of a config; returns what results.json holds."""
    check(config)
    load_study(config)
    with open_workdir(workdir, config):
        reading = read_study(config, workdir)
        context = make_context(config, workdir, prepared_records(config, workdir, reading), reading.folder)
        report_reading(reading)
        folds = make_folds(context, reading)
        check_late_stages(context, folds)
        claim(workdir, config, data_fingerprint(context, reading))  # not before: what was wrong so far may be corrected
        outcomes = [run_fold(context, fold) for fold in folds]
        held_out = [split_cases(context, fold)[1] for fold in folds]
        results, rows = score(context, reading, folds, held_out, outcomes)
        report.write_all(workdir, results, rows)
        return results


def read_study(config: ConfigDict, workdir: Path) -> Reading:
    """Reads the study's folder; a synthetic one is drawn first, where it is not there yet."""
    study, folder = load_study(config), Path(config.data.dir)
    if config.study.synthetic.units:
        if config.data.dir and folder.is_dir():
            raise UserError(
                f"study.synthetic.units is {config.study.synthetic.units}, which draws a study, and there is one in data.dir, "
                f"{folder}: set --config.study.synthetic.units=0 for that one, or --config.data.dir= for the drawn one."
            )
        folder = workdir / "synthetic_study"
        synthetic.write(folder, **config.study.synthetic.to_dict())
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
    """The study's images, resampled once, and its records.

    Where the config asks for it those held out in one fold are left out, and then the evidence of the others is shuffled.
    """
    prepared = prepare(reading, prepared_folder(config, workdir), size=config.data.size)
    if config.split.without_fold >= 0:
        prepared = prepared.only(np.flatnonzero(held_out_folds(config, prepared, reading) != config.split.without_fold))
    if config.study.shuffle:
        prepared = replace(prepared, records=shuffled(prepared.records, config.study.shuffle, config.seed))
    return prepared


def shuffled(records: tuple[Record, ...], what: str, seed: int) -> tuple[Record, ...]:
    """The controls: each unit gets another unit's "metadata", "images" or "labels", and keeps the rest."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.unit, record)
    units = list(first)
    order = np.random.default_rng(seed).permutation(len(units))
    # Each unit takes from the next one in a random circle, so that none keeps its own.
    donor = {units[a]: first[units[b]] for a, b in zip(order, np.roll(order, 1), strict=True)}
    if what == "metadata":
        return tuple(replace(r, fields=donor[r.unit].fields) for r in records)
    if what == "labels":
        return tuple(replace(r, label=donor[r.unit].label) for r in records)
    # The subject comes along: else one subject's metadata could stand on both sides of a fold.
    donors = [donor[r.unit] for r in records]
    return tuple(replace(r, fields=d.fields, label=d.label, subject=d.subject) for r, d in zip(records, donors, strict=True))


def make_context(
    config: ConfigDict, workdir: Path, prepared: Prepared, study_folder: Path, shared: Path | None = None
) -> Context:
    """The experiment as the stages see it; `shared` is where rows of a table have their stages in common."""
    return Context(config, prepared, study_folder, workdir, Parallel(config.parallel), Backbones(config), shared=shared)


def make_folds(context: Context, reading: Reading) -> list[Fold]:
    """Stratified folds over whole units or subjects; identical photographs share one."""
    assigned = held_out_folds(context.config, context.prepared, reading)
    return [
        Fold(k, np.flatnonzero(assigned != k), np.flatnonzero(assigned == k), context.folder / f"fold_{k}")
        for k in range(context.config.folds)
    ]


def held_out_folds(config: ConfigDict, prepared: Prepared, reading: Reading) -> np.ndarray:
    """The fold in which each record is held out: int [R]."""
    return assign_folds(
        prepared.records,
        folds=config.folds,
        group=config.split.group,
        identical=reading.identical,
        seed=config.seed,
        class_names=prepared.study.class_names,
    )


def data_fingerprint(context: Context, reading: Reading) -> str:
    """What the results of a run depend on besides its config: rows, photographs and the corpus, wherever they stand."""
    texts = json.dumps([fingerprint(reading, context.config.data.size), knowledge.corpus_texts(context)])
    return hashlib.sha256(texts.encode()).hexdigest()


def check_late_stages(context: Context, folds: list[Fold], *, reads_corpus: bool = True) -> None:
    """Raises UserError for what only the data can tell, and a late stage would: a batch that is larger than what a fold
    trains on, a corpus that cannot be read, classes whose answers begin alike in the LLM's own tokens; and where the
    sentences that stage 2 aligns photographs with would all be empty. reads_corpus: as the row's method does.
    """
    config, study = context.config, context.prepared.study
    corpus = len(knowledge.corpus_texts(context)) if reads_corpus else 0
    # L_img alone reads no sentence.
    if config.align.epochs and any(config.align.weights[1:]) and not study.shown(visual_only=True):
        hidden = f" with --config.study.hide={config.study.hide}" if config.study.hide else ""
        raise UserError(
            f"The study {study.name} has no attribute marked visual{hidden}, so that stage 2 would align photographs with empty "
            "sentences: mark at least one that a photograph can show (visual=True), or set --config.align.epochs=0."
        )
    if config.models.llm.weights:
        class_token_ids(load_tokenizer(config.models.llm.weights), list(study.classes))
    for fold in folds:
        train = set(fold.train.tolist())
        units, cases = sum(p[0] in train for p in context.units.values()), len(split_cases(context, fold)[0])
        sizes = {"align": units, "refine": len(train), "diagnose": cases, "image_only": len(train)}
        if corpus or config.knowledge.include_sentences:
            sentences = len(training_sentences(context, fold)) if config.knowledge.include_sentences else 0
            sizes = {"knowledge": corpus + sentences, **sizes}
        for stage, size in sizes.items():
            always = stage in ("diagnose", "image_only")  # also with no epochs they draw their batches
            if config[stage].epochs and not size:
                raise UserError(f"{stage} has nothing to train on: set --config.{stage}.epochs=0.")
            if (config[stage].epochs or always) and config[stage].batch_size > size:
                raise UserError(
                    f"{stage}.batch_size is {config[stage].batch_size}, more than the {size} examples that fold {fold.index} "
                    f"trains on: set --config.{stage}.batch_size lower."
                )


def run_fold(context: Context, fold: Fold) -> Probabilities:
    """Each method's probabilities for the cases of the held-out records, [cases, C]; read back if already there."""
    done, path = read_done(fold.folder), fold.folder / "probabilities.npz"
    if done is not None:
        return read_probabilities(path)
    fold.folder.mkdir(parents=True, exist_ok=True)
    print(f"Fold {fold.index + 1} of {context.config.folds} in {fold.folder}", file=sys.stderr)
    train, test = split_cases(context, fold)
    tokenizers = make_tokenizers(context, fold)
    check_sentences(context, tokenizers)
    encoders = train_encoders(context, fold, tokenizers)
    probabilities = {"prima": diagnose_fold(context, fold, tokenizers, encoders, train, test)}
    probabilities |= references(Bench(context, fold, tokenizers), train, test)
    np.savez(path, allow_pickle=False, **{name: probabilities[name] for name in METHODS})
    write_done(fold.folder, **measured(context.costs.codes))
    drop_image_tokens(context.place(fold, "features"))
    return probabilities


def read_probabilities(path: Path) -> Probabilities:
    """What `run_fold` stored. Raises UserError if it is damaged."""
    return read_arrays(path, METHODS)


def read_arrays(path: Path, names: Sequence[str]) -> Probabilities:
    """The arrays of these names. Raises UserError if the file is damaged."""
    try:
        with np.load(path) as stored:
            return {name: stored[name] for name in names}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path} is damaged ({error}): delete {path.parent / 'done.json'} and run the same command again, which "
            "computes it anew from the fold's trained models."
        ) from error


def split_cases(context: Context, fold: Fold) -> tuple[list[Case], list[Case]]:
    """The cases that train and those that are held out."""
    train, cases = set(fold.train.tolist()), all_cases(context)
    return [c for c in cases if c.row in train], [c for c in cases if c.row not in train]


def references(bench: Bench, train: list[Case], test: list[Case]) -> Probabilities:
    """What stands beside PRIMA, on the very same cases: rows of the tables."""
    rows = {name: registry.METHODS[name] for name in REFERENCES}
    return {name: method.predict(bench, method.fit(bench, train), test) for name, method in rows.items()}


def report_reading(reading: Reading) -> None:
    """Tells what was found in the study's folder; the names of what is missing go to a file."""
    print(f"{reading.study.title}: {len(reading.records)} photographs read from {reading.folder}.", file=sys.stderr)
    if reading.missing_images:
        shown = ", ".join(reading.missing_images[:3])
        print(f"{len(reading.missing_images)} rows have no photograph and are left out ({shown}, ...).", file=sys.stderr)
    for column, group in spellings(reading.study, reading.records):
        alike = ", ".join(map(repr, group))
        print(f"In column {column} these count as different values; correct them if they are not: {alike}.", file=sys.stderr)
    for group in reading.identical:
        print(f"Identical photographs, kept in one fold: {' = '.join(group)}.", file=sys.stderr)
