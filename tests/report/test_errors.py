"""The errors that are shown are the most confident ones, and no case that is right."""

import numpy as np

from prima_jax.metrics.predictions import Predictions
from prima_jax.report.errors import error_table


def test_the_most_confident_errors_stand_first_and_no_more_than_ten():
    confidence = np.linspace(0.51, 0.9, 40)
    calibrated = np.stack([confidence, 1 - confidence], axis=1)
    names, right = np.array([f"r{n}" for n in range(40)]), np.arange(40) % 2
    predictions = Predictions(
        ("a", "b"), names, names, names, np.arange(40) % 4, right, {}
    )  # odd cases are taken for a and are b
    table = error_table(predictions, calibrated, {name: 100 + n for n, name in enumerate(names.tolist())})
    assert [line.cells[0] for line in table.lines] == [str(100 + n) for n in range(39, 19, -2)]
    assert table.lines[0].cells == ("139", "b", "a", "90.0", "10.0", "3")
    assert table.notes[0].startswith("20 of 40 cases are wrong.")
