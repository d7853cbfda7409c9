"""Small benches for the tests of the methods: a fold of the tiny study, and how well a method fits what it was given."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from configs import baselines
from prima_jax.experiment.opening import split_cases
from prima_jax.methods.frozen_encoders import row_bench
from prima_jax.methods.method import Bench, Method
from prima_jax.methods.registry import METHODS
from prima_jax.stages.cases import Case
from tests.stages.tiny import ONE_LAYER, Study

__all__ = ["by_heart", "make_bench", "training_accuracy"]

EPOCHS = {"knobo": 60.0, "medklip": 1.3, "medblip": 1.0, "mlrg": 0.8}
"""Where two take long, or are not enough."""


def make_bench(study: Study, folder: Path, **overrides: Any) -> tuple[Bench, list[Case], list[Case]]:
    """The first fold of the tiny study, with its training and its held-out cases; overrides as `tiny_config` takes them.

    Those that begin with `baselines__` go to the settings of a baseline: baselines__medklip__epochs=2.0.
    """
    own = {k.removeprefix("baselines__"): v for k, v in overrides.items() if k.startswith("baselines__")}
    others = {k: v for k, v in overrides.items() if not k.startswith("baselines__")}
    context = study.context(folder, **others)
    settings = baselines.small(context.config)
    for name, section in settings.items():
        section.update({"batch_size": 8, "class_weights": "none", "epochs": EPOCHS.get(name, 2.0)})
    for name in ("text_llm", "medblip", "mlrg"):
        settings[name].learning_rate = 1e-3
    settings.mlrg.align.update({"batch_size": 8, "epochs": 0.8})
    settings.update_from_flattened_dict({key.replace("__", "."): value for key, value in own.items()})
    config = ConfigDict({**context.config.to_dict(), "baselines": settings})
    context = replace(context, config=config)
    fold = study.fold(context)
    train, test = split_cases(context, fold)
    return row_bench(context, fold, METHODS["metadata_mlp"]), train, test


def by_heart(name: str, *, epochs: float, learning_rate: float) -> dict[str, Any]:
    """Overrides with which a method sees records as they are, for as long as it takes to learn 32 of them by heart."""
    still = {
        "scale": (1.0, 1.0),
        "ratio": (1.0, 1.0),
        "horizontal_flip": False,
        "brightness": 0.0,
        "contrast": 0.0,
        "saturation": 0.0,
    }
    own = {"epochs": epochs, "batch_size": 16, "learning_rate": learning_rate}
    return {
        **ONE_LAYER,
        **{f"image__augmentation__{key}": value for key, value in still.items()},
        **{f"baselines__{name}__{key}": value for key, value in own.items()},
        "diagnose__case": "record",
        "text__max_length": 136,  # whole sentences
    }


def training_accuracy(bench: Bench, method: Method, cases: list[Case]) -> float:
    """How many of the cases that it was fitted on a method gets right."""
    probabilities = method.predict(bench, method.fit(bench, cases), cases)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    return float(np.mean(probabilities.argmax(axis=1) == [case.label for case in cases]))
