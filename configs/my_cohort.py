"""PRIMA on any other cohort: photographs, a CSV file, and this file. An example to copy: docs/your_own_cohort.md.

    python -m prima_jax.main --config=configs/my_cohort.py --workdir=runs/mine --config.data.dir=PATH

needs the weights (three folders under weights/) and two 24 GB GPUs, as the paper's studies do; with the preset `small`,
configs/my_cohort.py:small, it trains small models from random weights on a laptop.
"""

from ml_collections import ConfigDict

from configs.common import paper_recipe
from configs.pad_ufes_20 import small

STUDY = {
    "name": "my_cohort",
    "title": "My cohort of moles",
    "label_column": "diagnosis",
    "classes": (("benign", "benign mole"), ("malignant", "melanoma")),
    "image_column": "image",
    "missing": ("", "NA", "NaN", "unknown"),
    "subject_columns": ("patient",),
    "unit_columns": ("patient", "mole"),  # what has one diagnosis, and never lies in two folds
    "attributes": (
        {"name": "site", "kind": "category", "sentence": "The mole is on the {value}.", "visual": True},
        {"name": "bled", "kind": "yes_no", "sentence": "The mole has bled.", "negative": "The mole has not bled."},
        {"name": "age", "kind": "number", "sentence": "Aged {value}, in the band {band}.", "bins": (40, 60)},
    ),
}


def get_config(preset: str = "") -> ConfigDict:
    """The paper's recipe on this cohort, or with the preset `small` small models from random weights."""
    config = paper_recipe(STUDY, group="subject", folder="data/my_cohort")  # all moles of a patient in one fold
    if preset not in ("", "small"):
        raise ValueError(f"configs/my_cohort.py has no preset {preset!r}: it has small")
    return small(config) if preset else config
