import numpy as np
import pytest

from prima_jax.metrics.predictions import predictions_of_rows
from tests.report.examples import PAD
from tests.report.examples import prediction_lines as predictions


def test_the_arrays_hold_what_the_lines_say():
    found = predictions_of_rows(predictions())
    assert found.class_names == PAD
    assert found.records.tolist() == [f"r{fold}{n}" for fold in range(2) for n in range(6)]
    assert found.folds.tolist() == [0] * 6 + [1] * 6
    assert found.labels.tolist() == [*range(6)] * 2
    assert set(found.probabilities) == {"majority", "prima"}
    assert (found.probabilities["prima"] == np.linspace(0.9, 0.1, 6)).all()


def test_methods_share_one_order_whatever_the_rows():
    rows = predictions()
    found = predictions_of_rows([*rows[:12], *reversed(rows[12:])])
    assert found.records.tolist() == predictions_of_rows(rows).records.tolist()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[:-1], "cases of majority"),
        (lambda rows: [*rows[:-1], {**rows[-1], "fold": 0}], "cases of majority"),
        (lambda rows: [*rows[:-1], {**rows[-1], "label": "BCC"}], "cases of majority"),
        (lambda rows: [*rows, rows[0]], "stands twice"),
        (lambda rows: [], "no rows"),
    ],
)
def test_methods_of_other_cases_are_refused(change, said: str):
    with pytest.raises(ValueError, match=said):
        predictions_of_rows(change(predictions()))
