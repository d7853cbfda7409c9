"""What stage 2 of a row learnt, on its held-out units: retrieval, zero-shot diagnosis, and how the vectors lie."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from prima_jax.metrics.intervals import mean_interval
from prima_jax.metrics.metrics import scores
from prima_jax.metrics.retrieval import Retrieval, alignment_and_uniformity, retrieval
from prima_jax.stages.shared_space import SharedVectors

__all__ = ["DEPTHS", "alignment"]

DEPTHS = (1, 5, 10)
"""The k of recall at k."""


def alignment(
    folds: Sequence[SharedVectors], labels: Sequence[int], subjects: Sequence[str], class_names: Sequence[str]
) -> dict[str, Any] | None:
    """Figures over the units of all folds, each ranked among those of its own fold; None where no fold has two units.

    labels, subjects: of every record. Intervals are by a bootstrap over subjects.
    """
    folds = [one for one in folds if len(one.row) > 1]
    if not folds:
        return None
    rows = np.concatenate([one.row for one in folds])
    of_units, owners = np.asarray(labels)[rows], np.asarray(subjects)[rows]
    directions = {
        "image_to_text": [retrieval(one.image, one.text, np.asarray(labels)[one.row]) for one in folds],
        "text_to_image": [retrieval(one.text, one.image, np.asarray(labels)[one.row]) for one in folds],
    }
    found = {name: _figures(of_folds, owners) for name, of_folds in directions.items()}
    zero_shot = scores(of_units, np.concatenate([one.image @ one.classes.T for one in folds]), list(class_names))
    lie = [alignment_and_uniformity(one.image, one.text) for one in folds]
    return {
        "units": len(rows),
        "candidates": [len(one.row) for one in folds],
        **found,
        "zero_shot": {key: zero_shot[key] for key in ("macro_f1", "balanced_accuracy")},
        "alignment": float(np.mean([a for a, _ in lie])),
        "uniformity": float(np.mean([u for _, u in lie])),
        "learnt": any(one["percentile"] and one["percentile"]["high"] < 0.5 for one in found.values()),
    }


def _figures(of_folds: Sequence[Retrieval], owners: np.ndarray) -> Mapping[str, Any]:
    percentiles = np.concatenate([one.percentiles for one in of_folds])
    same = np.concatenate([one.same_group for one in of_folds])
    known = ~np.isnan(same)
    interval = mean_interval(percentiles, owners)
    beyond = mean_interval((percentiles - same)[known], owners[known]) if known.any() else None
    return {
        "recall": {str(k): float(np.concatenate([one.recall(k) for one in of_folds]).mean()) for k in DEPTHS},
        "chance": {
            str(k): float(np.concatenate([np.full(n, min(k / n, 1)) for n in map(_size, of_folds)]).mean()) for k in DEPTHS
        },
        "median_rank": float(np.median(np.concatenate([one.ranks for one in of_folds]))),
        "percentile": asdict(interval) if interval else None,
        "beyond_the_diagnosis": asdict(beyond) if beyond else None,
    }


def _size(one: Retrieval) -> int:
    return len(one.ranks)
