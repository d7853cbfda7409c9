"""Inner folds: what one fold holds out is left out altogether, and the rest is split anew."""

import csv
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from prima_jax.experiment import run as experiment_run
from prima_jax.experiment.describe import describe
from prima_jax.experiment.job import Job, keep_fold, open_job
from prima_jax.experiment.measured import measured
from prima_jax.experiment.opening import open_run, split_cases
from prima_jax.experiment.rows import TABLES
from prima_jax.problems import Problems
from tests.stages.tiny import tiny_config

FOLDS = 3


def inner_config(left_out: int, **overrides):
    return tiny_config(folds=FOLDS, split__without_fold=left_out, **overrides)


def made(study, left_out: int, reading=None, **overrides):
    """The context and the folds of a run that leaves out a fold, or of the plain one (-1)."""
    config, reading = inner_config(left_out, **overrides), reading or study.reading
    folder = study.reading.folder.parent  # where the study was prepared
    run = open_run(config, folder, reading)
    return run.context, run.folds


def ids(context, positions=None):
    records = context.prepared.records
    return {records[p].id for p in (range(len(records)) if positions is None else positions)}


@pytest.mark.parametrize("group", ["subject", "unit"])
@pytest.mark.parametrize("left_out", range(FOLDS))
def test_what_is_left_out_is_what_that_fold_of_the_plain_split_holds_out(study, left_out, group):
    plain, outer = made(study, -1, split__group=group)
    context, inner = made(study, left_out, split__group=group)
    assert ids(context) == ids(plain, outer[left_out].train) == ids(plain) - ids(plain, outer[left_out].test)
    assert Counter(p for fold in inner for p in fold.test.tolist()) == Counter(range(len(context.prepared.records)))
    for fold in inner:
        groups = [{getattr(context.prepared.records[p], group) for p in part} for part in (fold.train, fold.test)]
        assert not groups[0] & groups[1]
    # Every record still has its own photograph.
    place = {record.id: n for n, record in enumerate(plain.prepared.records)}
    assert len(context.prepared.source) == len(context.prepared.records)
    for position, record in enumerate(context.prepared.records):
        assert record == plain.prepared.records[place[record.id]]
        assert context.prepared.source[position]["record"].decode() == record.id
    np.testing.assert_array_equal(context.prepared.image(3), plain.prepared.image(place[context.prepared.records[3].id]))


def test_another_seed_leaves_out_its_own_fold(study):
    assert ids(made(study, 0)[0]) != ids(made(study, 0, seed=1)[0])
    assert ids(made(study, 0, seed=1)[0]) == ids(made(study, -1, seed=1)[0], made(study, -1, seed=1)[1][0].train)


def test_identical_photographs_are_left_out_together_or_kept_in_one_fold(study):
    records = study.reading.records
    units = list(dict.fromkeys(record.unit for record in records))
    first = {record.unit: record.id for record in reversed(records)}
    pairs = tuple((first[a], first[b]) for a, b in zip(units[::2], units[1::2], strict=True))
    reading = replace(study.reading, identical=pairs)
    context, folds = made(study, 1, reading)
    here, where = ids(context), {context.prepared.records[p].id: f.index for f in folds for p in f.test.tolist()}
    kept = [pair for pair in pairs if set(pair) & here]
    assert 0 < len(kept) < len(pairs)
    assert all(set(pair) <= here and where[pair[0]] == where[pair[1]] for pair in kept)
    assert describe(context, reading, folds)["identical_images"] == [list(pair) for pair in kept]


@pytest.mark.parametrize("what", ["metadata", "images", "labels"])
def test_controls_deal_out_nothing_of_what_was_left_out(study, what):
    context, _ = made(study, 2, study__shuffle=what)
    plain, _ = made(study, 2)
    assert ids(context) == ids(plain)
    own = {id(record.fields) for record in plain.prepared.records}
    assert {id(record.fields) for record in context.prepared.records} <= own


def test_every_row_of_a_table_sees_the_same_records(study):
    config = inner_config(1, table__number=2)
    workdir = study.reading.folder.parent
    row = open_job(config, workdir, Job(TABLES[2][0], 0))
    assert ids(row.context) == ids(made(study, 1)[0])
    for one, other in zip(row.folds, made(study, 1)[1], strict=True):
        np.testing.assert_array_equal(one.test, other.test)


def test_a_run_predicts_none_of_them_and_says_so(study, tmp_path, monkeypatch):
    def predict_nothing(config, workdir, jobs, processes):
        for job in jobs:
            run = open_job(config, workdir, job)
            for fold in run.folds:
                _, test = split_cases(run.context, fold)
                notes = {"seconds": 1.0, "stages": {}, "parameters": {}, "folders": {}, **measured([])}
                keep_fold(config, workdir, job, fold.index, np.tile([0.6, 0.4], (len(test), 1)), **notes)

    monkeypatch.setattr(experiment_run, "run_jobs", predict_nothing)
    monkeypatch.setattr(experiment_run, "row_problems", lambda *_: Problems())
    config = inner_config(0, data__prepared=str(study.reading.folder.parent / "prepared"))
    found = experiment_run.run(config, tmp_path)
    plain, outer = made(study, -1)
    with (tmp_path / "predictions.csv").open(newline="") as file:
        predicted = {row["unit"] for row in csv.DictReader(file)}
    assert predicted == {plain.prepared.records[p].unit for p in outer[0].train}
    assert all(row["constant"] == [True] * FOLDS for row in found["methods"].values())  # as predict_nothing has it
    assert (tmp_path / "seen.json").is_file()
    assert found["records"] == len(outer[0].train) and found["without_fold"] == 0
    for page in ("table.md", "report.html"):
        assert "INNER FOLDS: the records held out in fold 0 were left out" in (tmp_path / page).read_text()
