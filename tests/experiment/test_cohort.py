"""Counts and missingness of a cohort that is small enough to count by hand."""

from types import SimpleNamespace

import numpy as np

from prima_jax.experiment.cohort import class_counts, missing_shares
from prima_jax.metrics.predictions import Predictions
from tests.studies.pad_ufes_20 import PAD_UFES_20


def test_units_and_subjects_of_a_class_count_once_in_all_and_in_each_fold():
    predictions = Predictions(
        class_names=("a", "b", "c"),
        records=np.array(list("123456")),
        units=np.array(["u1", "u1", "u2", "u3", "u4", "u5"]),
        subjects=np.array(["s1", "s1", "s1", "s2", "s2", "s3"]),
        folds=np.array([0, 0, 1, 1, 1, 1]),
        labels=np.array([0, 0, 0, 0, 1, 1]),
        probabilities={},
    )
    found = class_counts(predictions)
    sizes = {"cases": 4, "units": 3, "subjects": 2}
    folds = [{"cases": 2, "units": 1, "subjects": 1}, {"cases": 2, "units": 2, "subjects": 2}]
    assert found["classes"]["a"] == {**sizes, "folds": folds}
    assert found["classes"]["c"]["folds"] == [{"cases": 0, "units": 0, "subjects": 0}] * 2
    assert {name: found["all"][name] for name in sizes} == {"cases": 6, "units": 5, "subjects": 3}  # s2 has two classes


def test_missingness_is_a_share_of_the_cases_in_all_and_by_class():
    records = [SimpleNamespace(fields={"age": 40.0}), SimpleNamespace(fields={}), SimpleNamespace(fields={"age": 1.0})]
    cases = [SimpleNamespace(label=0, row=row) for row in (0, 1)] + [SimpleNamespace(label=1, row=2)]
    found = missing_shares(PAD_UFES_20, records, cases)
    assert list(found) == [attribute.name for attribute in PAD_UFES_20.shown()]
    first, second, *others = PAD_UFES_20.class_names
    assert found["age"] == {"all": 1 / 3, "by_class": {first: 0.5, second: 0.0} | dict.fromkeys(others)}
