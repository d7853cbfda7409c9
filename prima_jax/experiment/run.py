"""A run is a list of rows: runs those that are missing, then scores all that are there on the same folds."""

import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from prima_jax.data.seen import keep_seen
from prima_jax.data.splits import folds_without_class
from prima_jax.experiment.alignment import alignment
from prima_jax.experiment.batches import with_batches_that_fit
from prima_jax.experiment.calibration import keep_calibration
from prima_jax.experiment.cohort import class_counts, missing_shares
from prima_jax.experiment.describe import describe, prediction_lines
from prima_jax.experiment.job import Job, finished, finished_arrays
from prima_jax.experiment.measured import measured_in_all
from prima_jax.experiment.opening import (
    Run,
    data_fingerprint,
    late_problems,
    open_run,
    read_study,
    report_reading,
    split_cases,
)
from prima_jax.experiment.processes import check_processes, run_jobs
from prima_jax.experiment.rows import PRIMA, Row, row_config, row_title, table_rows
from prima_jax.experiment.statistics import groups_of_cases, statistics
from prima_jax.hosts import check_shared, in_turn, is_first, meet, several
from prima_jax.methods.frozen_encoders import photographs
from prima_jax.methods.registry import METHODS
from prima_jax.metrics.leak import find_leaks
from prima_jax.metrics.metrics import is_constant, scores
from prima_jax.metrics.predictions import predictions_of_rows
from prima_jax.problems import Problems
from prima_jax.recipe.check import check
from prima_jax.report.captions import said_of_absent_classes
from prima_jax.report.curves import Curves
from prima_jax.report.write import write_report
from prima_jax.runtime import leave_device_memory
from prima_jax.stages.cases import all_cases
from prima_jax.stages.context import Context, Fold, held_out_in
from prima_jax.studies.manifest import LoadedStudy
from prima_jax.training.made_with import joined, made_with
from prima_jax.workdir import claim, open_workdir

__all__ = ["SCORES", "absent_classes", "results_folder", "row_problems", "run"]

SCORES = ("macro_f1", "accuracy", "balanced_accuracy")


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Runs what is missing of the config's rows and writes the report; returns what results.json holds."""
    if not several():
        leave_device_memory()  # to the rows' processes
    check(config)
    check_shared(workdir, "--workdir")
    config = in_turn(lambda: with_batches_that_fit(config, workdir))
    rows, seeds = table_rows(config), tuple(config.table.seeds)
    check_processes(config.table.processes)
    jobs = [Job(row, seed) for seed in seeds for row in rows]
    with open_workdir(workdir, config) if is_first() else nullcontext():
        reading, runs = in_turn(lambda: opened_runs(config, workdir))
        report_reading(reading)
        absent = absent_classes(runs)
        for sentence in said_of_absent_classes({"folds": config.folds, "seeds": seeds, "folds_without_class": absent}):
            print(sentence, file=sys.stderr)
        for seed, opened in runs.items():
            for row in rows:
                row_problems(replace(opened.context, config=row_config(config, row, seed)), opened.folds, row).raise_first()
        first = runs[seeds[0]]
        groups = groups_of_cases(first.context, all_cases(first.context), tuple(config.table.subgroups))
        if is_first():
            claim(workdir, config, data_fingerprint(first.context, reading))  # not before: what was wrong so far may be corrected
            keep_seen(workdir, first.context.prepared.study, first.context.prepared.records)
        missing = [job for job in jobs if not finished(config, workdir, job)]
        run_jobs(config, workdir, missing, processes=config.table.processes)
        results = report(config, workdir, jobs, runs, groups)
        meet()  # a process that has ended would end the one that still writes
        return results


def report(
    config: ConfigDict, workdir: Path, jobs: list[Job], runs: dict[int, Run], groups: dict[str, dict[str, str]]
) -> dict[str, Any]:
    """Scores what all rows predicted, also in the groups of cases, and writes the report; returns what results.json holds."""
    first = runs[jobs[0].seed]
    cases, prepared = all_cases(first.context), first.context.prepared
    results, lines, notes = collect(config, workdir, jobs, runs)
    results["table"] = config.table.number
    results["in_several_folds"] = leaks(runs)
    results["folds_without_class"] = absent_classes(runs)
    of_first_seed = [line for line in lines if line["seed"] == jobs[0].seed]
    results["statistics"] = statistics(of_first_seed, groups)
    predictions = predictions_of_rows(of_first_seed)
    missing_fields = missing_shares(prepared.study, prepared.records, cases)
    results["cohort"] = {**class_counts(predictions), "missing": missing_fields}
    if not is_first():
        return results
    if PRIMA.name in predictions.probabilities:
        keep_calibration(workdir, predictions, PRIMA.name)
    first_photograph = {case.name: next(position for slot in case.slots for position in slot) for case in cases}
    write_report(
        results_folder(workdir, config.table.number),
        results,
        lines,
        predictions,
        curves(workdir, notes, jobs[0].seed),
        (workdir / "config.json").read_text(encoding="utf-8"),
        lambda name: prepared.image(first_photograph[name]),
        config.table.error_photographs,
    )
    return results


def opened_runs(config: ConfigDict, workdir: Path) -> tuple[LoadedStudy, dict[int, Run]]:
    """Reads and prepares the study; returns its reading, and the run of each seed."""
    reading = read_study(config, workdir)
    seeds = config.table.seeds
    return reading, {seed: open_run(row_config(config, PRIMA, seed), workdir, reading) for seed in seeds}


def results_folder(workdir: Path, table: int) -> Path:
    """Returns the folder of a report: the workdir itself for a plain run, `table_N/` in it for a table."""
    return workdir / f"table_{table}" if table else workdir


def row_problems(context: Context, folds: list[Fold], row: Row) -> Problems:
    """Returns what only the data can tell of a row, before anything is trained."""
    problems = late_problems(context, folds, reads_corpus=METHODS[row.method].reads_corpus)
    settings = context.config.baselines.get(row.method)
    if not settings:
        return problems
    trains = [split_cases(context, fold)[0] for fold in folds]
    counts = {"cases": min(map(len, trains)), "photographs": min(sum(map(len, photographs(cases))) for cases in trains)}
    counts["units"] = min(len({case.unit for case in cases}) for cases in trains)
    sizes: dict[str, tuple[int, str]] = {"batch_size": (settings.batch_size, METHODS[row.method].batches)}
    if "align" in settings:
        sizes["align.batch_size"] = (settings.align.batch_size, "units")
    for name, (size, noun) in sizes.items():
        if size > counts[noun]:
            problems.add(
                "batch sizes",
                f"baselines.{row.method}.{name} is {size}, more than the {counts[noun]} {noun} that a fold trains on: set "
                f"--config.baselines.{row.method}.{name} lower.",
            )
    return problems


def leaks(runs: dict[int, Run]) -> dict[str, int]:
    """Kind -> how many of it lie in several folds with any seed; a subject may where the split is by unit."""
    found = set()
    for opened in runs.values():
        leaking = find_leaks(opened.context.prepared.records, held_out_in(opened.folds), opened.reading.identical)
        by_subject = opened.context.config.split.group == "subject"
        found |= {(leak.kind, leak.name) for leak in leaking if leak.kind != "subject" or by_subject}
    return dict(Counter(kind for kind, _ in sorted(found)))


def absent_classes(runs: dict[int, Run]) -> list[dict[str, Any]]:
    """The classes of which some folds hold out no case, as a group with several diagnoses may make them: of every seed."""
    found = []
    for seed, opened in runs.items():
        records, names = opened.context.prepared.records, opened.context.prepared.study.class_names
        for name, folds in folds_without_class(records, held_out_in(opened.folds), len(opened.folds), names).items():
            found.append({"seed": seed, "class": name, "folds": folds})
    return found


Notes = list[tuple[Job, int, Any]]
"""(row and seed, fold, the content of its done.json)."""


def collect(
    config: ConfigDict, workdir: Path, jobs: list[Job], runs: dict[int, Run]
) -> tuple[dict[str, Any], list[dict[str, Any]], Notes]:
    """Returns the scores and costs of all rows for results.json, the lines of predictions.csv, and the notes of all folds."""
    first = runs[jobs[0].seed]
    names = first.context.prepared.study.class_names
    methods: dict[str, Any] = {}
    lines: list[dict[str, Any]] = []
    notes: Notes = []
    for job in jobs:
        opened = runs[job.seed]
        row = methods.setdefault(job.row.name, empty_row(job, names, first.context.config))
        aligned = []
        for fold in opened.folds:
            cases = split_cases(opened.context, fold)[1]
            found, vectors, note = finished_arrays(config, workdir, job, fold.index)
            notes.append((job, fold.index, note))
            aligned += [vectors] if vectors else []
            add_scores(row, scores(np.array([case.label for case in cases]), found, names), note)
            row["constant"].append(is_constant(found))
            lines += [{"seed": job.seed, **line} for line in prediction_lines(job.row.name, fold, cases, found, names)]
        if aligned and opened is first:
            records = opened.context.prepared.records
            row["alignment"] = alignment(aligned, [r.label for r in records], [r.subject for r in records], names)
    for name, row in methods.items():
        made = joined(note["versions"] for job, _, note in notes if job.row.name == name)
        row["made_with"] = {key: made.get(key, "not noted") for key in made_with()}
    common = {
        "seeds": list(runs),
        "versions": measured_in_all([note for _, _, note in notes])["versions"],
        "made_with": made_with(),
        "seconds": stage_seconds(notes),
    }
    return {**describe(first.context, first.reading, first.folds), **common, "methods": methods}, lines, notes


def stage_seconds(notes: Notes) -> dict[str, float]:
    """Stage -> seconds of training over all rows, folds and seeds; what rows share counts once."""
    trained = {note["folders"][name]: (name, seconds) for _, _, note in notes for name, seconds in note["stages"].items()}
    found: dict[str, float] = {}
    for name, seconds in trained.values():
        found[name] = found.get(name, 0.0) + seconds
    return {name: round(seconds, 1) for name, seconds in found.items()}


def curves(workdir: Path, notes: Notes, seed: int) -> list[Curves]:
    """The losses of all stages with this seed; rows that trained a stage alike share its curves."""
    found: dict[tuple[str, str], dict[str, Path]] = {}
    titles: dict[tuple[str, str], str] = {}
    for job, fold, note in notes:
        for stage, folder in note["folders"].items() if job.seed == seed else ():
            path = workdir / folder / "history.jsonl"
            if path.is_file():
                settings = (stage, Path(folder).name)
                whose = "all folds" if "all_folds" in Path(folder).parts else f"fold {fold}"
                found.setdefault(settings, {})[whose] = path
                titles.setdefault(settings, job.row.title)
    trained = Counter(stage for stage, _ in found)
    return [Curves(key[0], titles[key] if trained[key[0]] > 1 else "", histories) for key, histories in found.items()]


def empty_row(job: Job, names: tuple[str, ...], config: ConfigDict) -> dict[str, Any]:
    """A row before its first fold."""
    method = METHODS[job.row.method]
    note = "; ".join(said for said in (method.note, job.row.note) if said)
    published = {"published": job.row.published} if job.row.published else {}
    scored: dict[str, Any] = {key: [] for key in SCORES}
    return {
        "title": row_title(job.row, config),
        **published,
        **({"note": note} if note else {}),
        "sees": sorted(method.sees),
        **scored,
        "f1": {name: [] for name in names},
        "constant": [],
        "parameters": [],
        "seconds": [],
        "peak_memory": [],
        "peak_device_memory": [],
    }


def add_scores(row: dict[str, Any], found: dict[str, Any], note: Any) -> None:
    """Appends one fold's scores and costs to the row."""
    for key in SCORES:
        row[key].append(found[key])
    for name, value in found["f1"].items():
        row["f1"][name].append(value)
    row["parameters"].append(sum(note.get("parameters", {}).values()))  # older folds did not note them
    row["seconds"].append(note["seconds"])
    row["peak_memory"].append(note["peak_memory_bytes"])
    row["peak_device_memory"].append(note["peak_device_memory_bytes"])
