"""Opening a run: the study is read and prepared, the folds are drawn, and what would fail late is told now."""

import hashlib
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from prima_jax.data.prepare import Prepared, fingerprint, prepare
from prima_jax.data.splits import assign_folds, some_of
from prima_jax.data.text import class_token_ids, load_tokenizer
from prima_jax.errors import UserError, shown
from prima_jax.problems import Problems
from prima_jax.stages import knowledge
from prima_jax.stages.backbones import Backbones
from prima_jax.stages.cases import Case, all_cases
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.pipeline import training_sentences
from prima_jax.studies.manifest import LoadedStudy, contradictions, read, spellings
from prima_jax.studies.study import Record, Study
from prima_jax.studies.study_config import load_study
from prima_jax.studies.synthetic.write import write_study
from prima_jax.training.parallel import Parallel

__all__ = [
    "Run",
    "check_late_stages",
    "data_fingerprint",
    "fold_shares",
    "late_problems",
    "make_folds",
    "open_records",
    "open_run",
    "prepared_folder",
    "read_study",
    "report_reading",
    "split_cases",
    "study_and_folder",
    "torn_units",
]


@dataclass(frozen=True)
class Run:
    """A config with one seed, made ready: its study as read and prepared, models and devices, and its folds."""

    context: Context
    folds: list[Fold]
    reading: LoadedStudy


def open_run(config: ConfigDict, workdir: Path, reading: LoadedStudy | None = None) -> Run:
    """Reads and prepares what is not there yet. reading: the study's, where it has been read already. Trains nothing.

    Raises UserError for a study that cannot be read.
    """
    reading = reading or read_study(config, workdir)
    return _opened(config, workdir, reading, prepare(reading, prepared_folder(config, workdir), size=config.data.size))


def open_records(config: ConfigDict, workdir: Path, reading: LoadedStudy) -> Run:
    """Returns a run whose photographs are not there, for what its records alone tell. Writes nothing."""
    return _opened(config, workdir, reading, Prepared(reading.study, reading.records, ()))


def _opened(config: ConfigDict, workdir: Path, reading: LoadedStudy, prepared: Prepared) -> Run:
    context = Context(
        config,
        workdir,
        Parallel(config.parallel),
        Backbones(config),
        prepared=_chosen(config, prepared, reading),
        study_folder=reading.folder,
    )
    return Run(context, make_folds(context, reading), reading)


def read_study(config: ConfigDict, workdir: Path) -> LoadedStudy:
    """Reads the study's folder; a synthetic one is drawn first, where it is not there yet."""
    study, folder = study_and_folder(config, workdir)
    reading = read(study, folder, cache=prepared_folder(config, workdir))
    if not config.data.allow_contradictions:
        for sentence in torn_units(reading):
            raise UserError(sentence)
    return reading


def study_and_folder(config: ConfigDict, workdir: Path) -> tuple[Study, Path]:
    """Returns the config's study and its folder; a synthetic one is drawn first, where it is not there yet."""
    study, folder = load_study(config), Path(config.data.dir)
    if config.study.synthetic.units:
        if config.data.dir and folder.is_dir():
            raise UserError(
                f"study.synthetic.units is {config.study.synthetic.units}, which draws a study, and there is one in data.dir, "
                f"{folder}: set --config.study.synthetic.units=0 for that one, or --config.data.dir= for the drawn one."
            )
        folder = workdir / "synthetic_study"
        write_study(folder, **config.study.synthetic.to_dict())
    elif not config.data.dir or not folder.is_dir():
        raise UserError(
            f"There is no data for {study.name} at {config.data.dir or '(not set)'}: set --config.data.dir to its folder, "
            "or run configs/aqua.py:demo, which needs nothing."
        )
    return study, folder


def torn_units(reading: LoadedStudy) -> list[str]:
    """Returns a sentence with all columns in which the photographs of one unit differ; none where there are none."""
    told = "; ".join(f"{column} {_where(lines)}" for column, lines in contradictions(reading).items())
    path = reading.study.manifest_path(reading.folder)
    advice = "correct them, or set --config.data.allow_contradictions=True, with which the first one's value counts"
    return [f"{path}: the photographs of one unit differ in {told}; {advice}."] if told else []


def prepared_folder(config: ConfigDict, workdir: Path) -> Path:
    """Where what was read once is kept."""
    return Path(config.data.prepared or workdir / "prepared")


def _chosen(config: ConfigDict, prepared: Prepared, reading: LoadedStudy) -> Prepared:
    """Leaves out the records held out in one fold, and then shuffles the evidence of the others, where the config asks for it."""
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
    return tuple(
        replace(r, fields=d.fields, label=d.label, subject=d.subject, site=d.site) for r, d in zip(records, donors, strict=True)
    )


def make_folds(context: Context, reading: LoadedStudy) -> list[Fold]:
    """Stratified folds over whole units or subjects; identical photographs share one. With a `split.train_share` below 1 a fold
    trains on that share of its training units, and the others are in none of its parts.
    """
    config, records = context.config, context.prepared.records
    assigned = held_out_folds(config, context.prepared, reading)

    def trained_on(fold: int) -> np.ndarray:
        return some_of(records, np.flatnonzero(assigned != fold), config.split.train_share, seed=context.seed("train share"))

    return [Fold(k, trained_on(k), np.flatnonzero(assigned == k)) for k in range(config.folds)]


def held_out_folds(config: ConfigDict, prepared: Prepared, reading: LoadedStudy) -> np.ndarray:
    """The fold in which each record is held out: int [R]."""
    return assign_folds(
        prepared.records,
        folds=config.folds,
        group=config.split.group,
        identical=reading.identical,
        seed=config.seed,
        class_names=prepared.study.class_names,
    )


def data_fingerprint(context: Context, reading: LoadedStudy) -> str:
    """What the results of a run depend on besides its config: rows, photographs and the corpus, wherever they stand."""
    texts = json.dumps([fingerprint(reading, context.config.data.size), knowledge.corpus_texts(context)])
    return hashlib.sha256(texts.encode()).hexdigest()


def check_late_stages(context: Context, folds: list[Fold], *, reads_corpus: bool = True) -> None:
    """Raises UserError for the first of `late_problems`."""
    late_problems(context, folds, reads_corpus=reads_corpus).raise_first()


def late_problems(context: Context, folds: list[Fold], *, reads_corpus: bool = True) -> Problems:
    """Returns what only the data can tell, and a late stage would: a batch that is larger than what a fold trains on, a corpus
    that cannot be read, classes whose answers begin alike in the LLM's own tokens; and where the sentences that stage 2 aligns
    photographs with would all be empty. reads_corpus: as the row's method does.
    """
    problems, config = Problems(), context.config
    corpus = len(problems.attempt("corpus", knowledge.corpus_texts, context) or ()) if reads_corpus else 0
    problems.attempt("attributes", _check_visible, config, context.prepared.study)
    if config.models.llm.weights:
        problems.attempt("classes", _check_answers, config, context.prepared.study)
    for stage, (size, fold) in fold_shares(context, folds, corpus).items():
        always = stage in ("diagnose", "image_only")  # also with no epochs they draw their batches
        if config[stage].epochs and not size:
            problems.add("batch sizes", f"{stage} has nothing to train on: set --config.{stage}.epochs=0.")
        elif (config[stage].epochs or always) and config[stage].batch_size > size:
            problems.add(
                "batch sizes",
                f"{stage}.batch_size is {config[stage].batch_size}, more than the {size} examples that fold {fold} "
                f"trains on: set --config.{stage}.batch_size lower.",
            )
    return problems


def fold_shares(context: Context, folds: list[Fold], corpus: int) -> dict[str, tuple[int, int]]:
    """Returns stage -> how much the fold with least trains on, and that fold. corpus: the number of its texts."""
    config = context.config
    shares: dict[str, list[tuple[int, int]]] = {}
    for fold in folds:
        train = set(fold.train.tolist())
        units, cases = sum(p[0] in train for p in context.units.values()), len(split_cases(context, fold)[0])
        sizes = {"align": units, "refine": len(train), "diagnose": cases, "image_only": len(train)}
        if corpus or config.knowledge.include_sentences:
            sentences = len(training_sentences(context, fold)) if config.knowledge.include_sentences else 0
            sizes = {"knowledge": corpus + sentences, **sizes}
        for stage, size in sizes.items():
            shares.setdefault(stage, []).append((size, fold.index))
    return {stage: min(sizes) for stage, sizes in shares.items()}


def _check_visible(config: ConfigDict, study: Study) -> None:
    # L_img alone reads no sentence.
    if config.align.epochs and any(config.align.weights[1:]) and not study.shown(visual_only=True):
        hidden = f" with --config.study.hide={config.study.hide}" if config.study.hide else ""
        raise UserError(
            f"The study {study.name} has no attribute marked visual{hidden}, so that stage 2 would align photographs with empty "
            "sentences: mark at least one that a photograph can show (visual=True), or set --config.align.epochs=0."
        )


def _check_answers(config: ConfigDict, study: Study) -> None:
    class_token_ids(load_tokenizer(config.models.llm.weights), list(study.classes))


def split_cases(context: Context, fold: Fold) -> tuple[list[Case], list[Case]]:
    """The cases that train and those that are held out."""
    train, test, cases = set(fold.train.tolist()), set(fold.test.tolist()), all_cases(context)
    return [c for c in cases if c.row in train], [c for c in cases if c.row in test]


def report_reading(reading: LoadedStudy) -> None:
    """Tells what was found in the study's folder, by line and column."""
    print(f"{reading.study.title}: {len(reading.records)} photographs read from {reading.folder}.", file=sys.stderr)
    if reading.missing_images:
        first = ", ".join(map(str, reading.missing_images[:3]))
        print(f"{len(reading.missing_images)} rows have no photograph and are left out (lines {first}, ...).", file=sys.stderr)
    for column, group in spellings(reading.study, reading.records):
        alike = f"{len(group)} values differ in case and blanks alone and count as different ones"
        print(f"In column {column} {alike}; correct them if they are not ({shown(', '.join(group))}).", file=sys.stderr)
    for column, lines in contradictions(reading).items():
        print(
            f"In column {column} the photographs of one unit differ, {_where(lines)}: the first one's value counts.",
            file=sys.stderr,
        )
    line_of = {record.id: line for record, line in zip(reading.records, reading.lines, strict=True)}
    for group in reading.identical:
        same = " = ".join(str(line_of[name]) for name in group)
        print(f"Identical photographs, kept in one fold: lines {same}.", file=sys.stderr)


def _where(lines: list[tuple[int, int]]) -> str:
    """Returns the number of units, and the lines of the first, in words."""
    return f"in {len(lines)} unit{'s' * (len(lines) > 1)} (lines {lines[0][0]} and {lines[0][1]})"
