"""No record of a held-out unit, and where the config groups by subject of a held-out subject, reaches training."""

import dataclasses

import numpy as np
import pytest

from prima_jax.experiment.job import Job, run_fold
from prima_jax.experiment.rows import TABLES
from prima_jax.stages.context import Fold
from tests.stages.tiny import ONE_LAYER
from tests.stages.watch import PLACES, watching


@pytest.fixture(scope="module")
def context(study, tmp_path_factory):
    """Small enough that whole folds can be run, with two epochs, so that every training record is drawn."""
    epochs = {f"{stage}__epochs": 2.0 for stage in ("knowledge", "align", "refine", "image_only", "diagnose")}
    context = study.context(tmp_path_factory.mktemp("leaks"), knowledge__corpus="", text__max_length=136, **epochs, **ONE_LAYER)
    context.config.features.views = 1
    return context


def run(context, folder, fold: Fold):
    """Runs a fold in a folder of its own; compiled steps are shared."""
    context = dataclasses.replace(context, folder=folder)
    with watching(context, fold) as watch:
        for row in TABLES[0]:
            run_fold(context.config, context, fold, Job(row, context.config.seed))
    return watch


def folds(study, context, group: str) -> Fold:
    context.config.split.group = group
    return study.fold(context)


@pytest.mark.parametrize("group", ["subject", "unit"])
def test_nothing_held_out_reaches_training(study, context, tmp_path, group):
    fold = folds(study, context, group)
    watch = run(context, tmp_path, fold)
    assert watch.reached.keys() == PLACES, "something was not watched"
    assert watch.leaks(fold, group) == {}
    everyone = {place: len(positions) for place, positions in watch.reached.items()}
    assert everyone["refine labels"] == everyone["OneHot.fit"] == everyone["align y"] == len(fold.train)
    assert min(everyone.values()) > 0.3 * len(fold.train), everyone


def test_a_held_out_unit_among_the_training_records_is_seen_at_every_place(study, context, tmp_path):
    """Planted: without this the test above could be one that never fails."""
    fold = folds(study, context, "subject")
    records = context.prepared.records
    units = dict.fromkeys(records[p].unit for p in fold.test.tolist())
    planted = [p for p in fold.test.tolist() if records[p].unit in list(units)[:6]]
    train, test = np.union1d(fold.train, planted), np.setdiff1d(fold.test, planted)
    leaky = dataclasses.replace(fold, train=train, test=test)
    leaks = run(context, tmp_path, leaky).leaks(fold, "subject")
    assert leaks.keys() == PLACES


def test_a_subject_whose_eyes_are_in_both_parts_is_seen_when_subjects_are_the_group(study, context, tmp_path):
    """Folds of units are leaky as folds of subjects."""
    records = context.prepared.records
    fold = folds(study, context, "unit")
    shared = {records[p].subject for p in fold.train} & {records[p].subject for p in fold.test}
    assert shared, "the tiny study should have a subject with an eye in each part"
    watch = run(context, tmp_path, fold)
    assert watch.leaks(fold, "unit") == {}
    leaks = watch.leaks(fold, "subject")
    assert leaks["OneHot.fit"] == leaks["refine labels"] == shared
