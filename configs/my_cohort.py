"""PRIMA on any other cohort: photographs, a CSV file, and this file. An example to copy: docs/your_own_cohort.md.

    prima run --config=configs/my_cohort.py --workdir=runs/mine --config.data.dir=PATH

needs the weights (three folders under weights/) and two 24 GB GPUs, as the paper's studies do; with the preset `light`,
configs/my_cohort.py:light, it adapts small published encoders (configs/light.py) on two cores or one GPU, and with `small` it
trains small models from random weights on a laptop. All rows of the paper's Table 1, or 3:

    prima run --config=configs/my_cohort.py:table1 --workdir=runs/my_table --config.data.dir=PATH
"""

from ml_collections import ConfigDict

from configs.common import paper_recipe
from configs.light import light
from configs.pad_ufes_20 import small
from configs.tables import split_preset, with_table

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
    """The paper's recipe on this cohort, or with a preset, `light` or `small`, on smaller models; `table1`, ...: a table."""
    table, size = split_preset(preset)
    config = paper_recipe(STUDY, group="subject", folder="data/my_cohort")  # all moles of a patient in one fold
    config.shrink_batches = True  # where the cohort is smaller than a batch
    config.image_only.epochs = 180.0  # as many steps as alignment and refinement together where a mole has one photograph
    if size not in ("", "light", "small") or table == 2:
        raise ValueError(f"{__file__} has no preset {preset!r}: it has light, small, table1, 3, 4, 5, two as table1,small")
    if size == "light":
        return light(config, table or -1, subgroups=("age",))
    return with_table(small(config) if size else config, table, weights=not size, subgroups=("age",))
