"""The confusion matrix and the reliability diagram of each row, as PNG bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

from prima_jax.evaluation.confusion import confusion, shares_picture
from prima_jax.evaluation.predictions import predictions_of_rows
from prima_jax.evaluation.reliability_picture import reliability_picture

__all__ = ["pictures"]


def pictures(results: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """File name -> picture, over the held-out cases of all folds; lines: the predictions of one seed."""
    found = predictions_of_rows(lines)
    names, synthetic = found.class_names, results["synthetic"]
    drawn = {}
    for row, probabilities in found.probabilities.items():
        title = results["methods"][row]["title"]
        counts = confusion(found.labels, probabilities.argmax(axis=1), len(names))
        drawn[f"{row}_confusion.png"] = shares_picture(title, counts, names, synthetic=synthetic)
        drawn[f"{row}_reliability.png"] = reliability_picture(title, found.labels, probabilities, synthetic=synthetic)
    return drawn
