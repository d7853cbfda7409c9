"""The control: one modality's evidence goes to other units, the rest stays."""

import pytest

from prima_jax.data.splits import assign_folds
from prima_jax.experiment.opening import shuffled


def by_unit(records, value):
    """Unit -> what its records say, which has to be one thing."""
    found = {}
    for record in records:
        found.setdefault(record.unit, set()).add(value(record))
    return found


def fields(record):
    return tuple(sorted(record.fields.items()))


@pytest.mark.parametrize("what", ["metadata", "images"])
def test_photographs_and_units_stay_where_they_are(study, what):
    before, after = study.prepared.records, shuffled(study.prepared.records, what, seed=0)
    for name in ("id", "image", "unit", "image_type", *(["subject", "label"] if what == "metadata" else [])):
        assert [getattr(r, name) for r in before] == [getattr(r, name) for r in after]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("what", ["metadata", "images"])
def test_no_unit_keeps_its_own_evidence(study, what, seed):
    """By identity rather than by value, since two eyes may say the same."""
    before, after = study.prepared.records, shuffled(study.prepared.records, what, seed=seed)
    own = {r.unit: {id(o.fields) for o in before if o.unit == r.unit} for r in before}
    assert all(id(r.fields) not in own[r.unit] for r in after)
    donated = by_unit(after, lambda r: id(r.fields))
    assert all(len(sources) == 1 for sources in donated.values())  # the records of a unit say the same
    assert len({next(iter(s)) for s in donated.values()}) == len(donated)  # and no unit gives twice


def test_shuffled_metadata_leaves_label_and_photograph_together(study):
    before, after = study.prepared.records, shuffled(study.prepared.records, "metadata", seed=0)
    assert [r.label for r in before] == [r.label for r in after]
    moved = sum(fields(a) != fields(b) for a, b in zip(before, after, strict=True))
    assert moved > 0.9 * len(before)


def test_shuffled_labels_move_alone_and_as_a_whole_unit(study):
    before, after = study.prepared.records, shuffled(study.prepared.records, "labels", seed=0)
    for name in ("id", "image", "unit", "image_type", "subject", "fields"):
        assert [getattr(r, name) for r in before] == [getattr(r, name) for r in after]
    assert all(len(labels) == 1 for labels in by_unit(after, lambda r: r.label).values())
    old, new = (sorted(min(labels) for labels in by_unit(part, lambda r: r.label).values()) for part in (before, after))
    assert old == new  # each unit's label went to one other
    assert 0.2 * len(before) < sum(a.label != b.label for a, b in zip(before, after, strict=True))


def test_the_metadata_of_a_subject_stay_in_one_fold_when_its_photographs_are_shuffled(study):
    """Both eyes of a subject have one history: were they held out apart, it could be learnt by heart."""
    after = shuffled(study.prepared.records, "images", seed=0)
    owners = {id(r.fields): r.subject for r in study.prepared.records}
    assert all(r.subject == owners[id(r.fields)] for r in after)
    folds = assign_folds(after, folds=2, group="subject", identical=(), seed=0)
    where = {}
    for record, fold in zip(after, folds, strict=True):
        where.setdefault(owners[id(record.fields)], set()).add(fold)
    assert all(len(found) == 1 for found in where.values())


def test_shuffled_images_move_labels_and_fields_together(study):
    """Seen from the photograph, another eye's label and metadata came to it, and those two still belong together."""
    before, after = study.prepared.records, shuffled(study.prepared.records, "images", seed=0)
    pairs = {(id(r.fields), r.label) for r in before}
    assert {(id(r.fields), r.label) for r in after} <= pairs
    assert sum(a.label != b.label for a, b in zip(before, after, strict=True)) > 0.2 * len(before)


def test_the_same_seed_gives_the_same_shuffle_and_another_another(study):
    records = study.prepared.records
    assert shuffled(records, "metadata", 1) == shuffled(records, "metadata", 1) != shuffled(records, "metadata", 2)
