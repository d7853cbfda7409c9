"""A table of the paper: runs the rows that are missing, then scores all that are there on the same folds."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from prima_jax import experiment
from prima_jax.checks import check
from prima_jax.errors import UserError
from prima_jax.evaluation.leak import find_leaks
from prima_jax.evaluation.measured import measured_in_all
from prima_jax.evaluation.metrics import scores
from prima_jax.methods.frozen_encoders import photographs
from prima_jax.methods.registry import METHODS
from prima_jax.quiet import leave_device_memory
from prima_jax.results import describe, prediction_rows
from prima_jax.stages.cases import all_cases
from prima_jax.stages.context import Context, Fold, held_out_in
from prima_jax.studies.manifest import Reading
from prima_jax.tables import pages
from prima_jax.tables.pictures import pictures
from prima_jax.tables.processes import check_processes, run_jobs
from prima_jax.tables.row import Job, finished, probabilities
from prima_jax.tables.rows import PRIMA, Row, row_config, table_rows
from prima_jax.tables.statistics import groups_of_cases, statistics
from prima_jax.workdir import claim, open_workdir

__all__ = ["SCORES", "run"]

SCORES = ("macro_f1", "accuracy", "balanced_accuracy")


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Runs what is missing of config.table and writes its pages; returns what table_N.json holds."""
    leave_device_memory()  # to the rows' processes
    check(config)
    rows, seeds = table_rows(config), tuple(config.table.seeds)
    check_processes(config.table.processes)
    jobs = [Job(row, seed) for seed in seeds for row in rows]
    with open_workdir(workdir, config):
        reading = experiment.read_study(config, workdir)
        contexts = {seed: seeded_context(config, workdir, reading, seed) for seed in seeds}
        experiment.report_reading(reading)
        for context, folds in contexts.values():
            for row in rows:
                check_row(replace(context, config=row_config(config, row, context.config.seed)), folds, row)
        claim(workdir, config, experiment.data_fingerprint(contexts[seeds[0]][0], reading))
        groups = groupings(contexts[seeds[0]][0], config)  # what cannot be grouped is told before anything is trained
        missing = [job for job in jobs if not finished(workdir, job, config.folds)]
        run_jobs(config, workdir, missing, processes=config.table.processes)
        results, predictions = collect(workdir, jobs, contexts, reading)
        results["table"] = config.table.number
        results["in_several_folds"] = leaks(contexts, reading)
        of_first_seed = [line for line in predictions if line["seed"] == seeds[0]]
        results["statistics"] = statistics(of_first_seed, groups)
        pages.write(workdir, results, predictions, pictures(results, of_first_seed))
        return results


def check_row(context: Context, folds: list[Fold], row: Row) -> None:
    """Raises UserError for what only the data can tell of a row, before anything is trained."""
    experiment.check_late_stages(context, folds, reads_corpus=METHODS[row.method].reads_corpus)
    settings = context.config.baselines.get(row.method)
    if not settings:
        return
    trains = [experiment.split_cases(context, fold)[0] for fold in folds]
    counts = {"cases": min(map(len, trains)), "photographs": min(sum(map(len, photographs(cases))) for cases in trains)}
    counts["units"] = min(len({case.unit for case in cases}) for cases in trains)
    sizes: dict[str, tuple[int, str]] = {"batch_size": (settings.batch_size, METHODS[row.method].batches)}
    if "align" in settings:
        sizes["align.batch_size"] = (settings.align.batch_size, "units")
    for name, (size, noun) in sizes.items():
        if size > counts[noun]:
            raise UserError(
                f"baselines.{row.method}.{name} is {size}, more than the {counts[noun]} {noun} that a fold trains on: set "
                f"--config.baselines.{row.method}.{name} lower."
            )


def leaks(contexts: dict[int, tuple[Context, list[Fold]]], reading: Reading) -> dict[str, int]:
    """Kind -> how many of it lie in several folds with any seed; a subject may where the split is by unit."""
    found = set()
    for context, folds in contexts.values():
        leaking = find_leaks(context.prepared.records, held_out_in(folds), reading.identical)
        found |= {(leak.kind, leak.name) for leak in leaking if leak.kind != "subject" or context.config.split.group == "subject"}
    return dict(Counter(kind for kind, _ in sorted(found)))


def groupings(context: Context, config: ConfigDict) -> dict[str, dict[str, str]]:
    """The subgroups of all cases that config.table.subgroups asks for."""
    return groups_of_cases(context, all_cases(context), tuple(config.table.subgroups))


def collect(
    workdir: Path, jobs: list[Job], contexts: dict[int, tuple[Context, list[Fold]]], reading: Reading
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the rows scored, fold by fold and seed by seed, what they cost, and the lines of table_N_predictions.csv."""
    names = contexts[jobs[0].seed][0].prepared.study.class_names
    methods: dict[str, Any] = {}
    predictions: list[dict[str, Any]] = []
    notes = []
    for job in jobs:
        context, folds = contexts[job.seed]
        row = methods.setdefault(job.row.name, empty_row(job, names, context.config.models))
        for fold in folds:
            cases = experiment.split_cases(context, fold)[1]
            found, note = probabilities(workdir, job, fold.index)
            notes.append(note)
            add_scores(row, scores(np.array([case.label for case in cases]), found, names), note)
            for line in prediction_rows(job.row.name, fold, cases, found, names):
                predictions.append({"seed": job.seed, **line})
    context, folds = contexts[jobs[0].seed]
    common = {
        "seeds": list(dict.fromkeys(job.seed for job in jobs)),
        "versions": measured_in_all(notes)["versions"],
        "seconds": {"knowledge": sum(note["stages"].get("knowledge", 0.0) for note in notes)},
    }
    return {**describe(context, reading, folds), **common, "methods": methods}, predictions


def empty_row(job: Job, names: tuple[str, ...], models: ConfigDict) -> dict[str, Any]:
    """A row before its first fold."""
    method = METHODS[job.row.method]
    named = models.image if "images" in method.sees else models.llm  # whose name stands in its title
    renamed = "" if named.weights else job.row.title_without_weights
    note = "; ".join(said for said in (method.note, job.row.note) if said)
    published = {"published": job.row.published} if job.row.published else {}
    scored: dict[str, Any] = {key: [] for key in SCORES}
    return {
        "title": renamed or job.row.title,
        **published,
        **({"note": note} if note else {}),
        "sees": sorted(method.sees),
        **scored,
        "f1": {name: [] for name in names},
        "parameters": [],
        "seconds": [],
        "peak_memory": [],
        "peak_device_memory": [],
    }


def add_scores(row: dict[str, Any], found: dict[str, Any], note: Any) -> None:
    """Of one more fold."""
    for key in SCORES:
        row[key].append(found[key])
    for name, value in found["f1"].items():
        row["f1"][name].append(value)
    row["parameters"].append(sum(note.get("parameters", {}).values()))  # older folds did not note them
    row["seconds"].append(note["seconds"])
    row["peak_memory"].append(note["peak_memory_bytes"])
    row["peak_device_memory"].append(note["peak_device_memory_bytes"])


def seeded_context(config: ConfigDict, workdir: Path, reading: Reading, seed: int) -> tuple[Context, list[Fold]]:
    """The cases and folds of all rows with this seed."""
    seeded = row_config(config, PRIMA, seed)
    prepared = experiment.prepared_records(seeded, workdir, reading)
    context = experiment.make_context(seeded, workdir, prepared, reading.folder)
    return context, experiment.make_folds(context, reading)
