"""PRIMA on AQUA: slit-lamp photographs of bacterial and fungal keratitis in three illuminations (paper, Table 2).

    prima run --config=configs/aqua.py --workdir=runs/aqua --config.data.dir=PATH

Hardware: two 24 GB GPUs (the paper: two RTX 4090), or a host with TPUs, which nobody has tried. The paper's score: macro
F1 85.22 (2.17), accuracy 86.04 (1.82), balanced accuracy 85.40 (2.27) over five patient-level folds; nobody has repeated it
with this code.
Needs the data (private; docs/your_own_cohort.md has the format) and the weights (three folders under weights/).

    prima run --config=configs/aqua.py:demo --workdir=runs/demo

needs neither: a SYNTHETIC study in the same format, small encoders from random weights, minutes on a laptop.

    prima run --config=configs/aqua.py:table2 --workdir=runs/aqua_tables --config.data.dir=PATH
    prima run --config=configs/aqua.py:table3 --workdir=runs/aqua_tables --config.data.dir=PATH

run all rows of Tables 2 and 3, with weights. `aqua.py:tpmka`, and `table2,tpmka`, take from an earlier system on such photographs
what the paper does not say (docs/ambiguities.md). Without weights, on the synthetic study:

    prima run --config=configs/aqua.py:table2,demo --workdir=runs/tables
"""

from collections.abc import Callable

from ml_collections import ConfigDict

from configs.aqua_study import get_study
from configs.common import paper_recipe, without_weights
from configs.light import light
from configs.tables import split_preset, with_table


def get_config(preset: str = "") -> ConfigDict:
    """The paper's recipe, or with the preset `demo` the small synthetic study, with `tpmka` an earlier system's choices.

    `light`: on small published encoders. `table2` to `table5`: all rows of a table.
    """
    table, variant = split_preset(preset)
    study = get_study()
    if variant == "tpmka":
        study["unit_columns"] = study["subject_columns"]  # a patient, both eyes together
    config = paper_recipe(study, group="subject", folder="data/aqua")
    config.diagnose.case = "unit"  # an eye's illuminations in one sequence
    if variant not in (*_VARIANTS, "light") or table == 1:
        raise ValueError(
            f"configs/aqua.py has no preset {preset!r}: it has demo, light, tpmka, table2, 3, 4, 5, two as table2,demo"
        )
    if variant == "light":
        return light(config, table or -2, subgroups=("age", "sex"))
    return with_table(_VARIANTS[variant](config), table, weights=variant != "demo", subgroups=("age", "sex"))


def tpmka(config: ConfigDict) -> ConfigDict:
    """Settings of TPMKA where the paper is silent; github.com/yqwang01/TPMKA, by some of the same authors."""
    config.image.size = 256
    config.image.augmentation.update(
        {
            "scale": (0.8, 1.0),
            "horizontal_flip": True,
            "vertical_flip": True,
            "brightness": 0.6,
            "contrast": 0.6,
            "saturation": 0.6,
            "rotation": 30.0,
        }
    )
    config.align.update({"batch_size": 32, "temperature": 0.1})
    config.align.image.anchors = "both"
    return config


def demo(config: ConfigDict) -> ConfigDict:
    """Five to ten minutes on two cores, all included. Lengths and sizes were chosen on a study drawn from another seed."""
    without_weights(config, image_size=48, patch_size=8, width=64, image_depth=3, language_depth=2, vocabulary_size=1024)
    config.study.synthetic.units = 1200
    config.data.dir = ""
    config.data.size = 54
    config.image.augmentation.scale = (0.8, 1.0)  # a cut at this size would lose the smaller signs
    config.text.max_length = 136
    config.knowledge.update({"corpus": "corpus.jsonl", "epochs": 3.0, "batch_size": 16, "learning_rate": 2e-3, "max_length": 136})
    config.align.update({"epochs": 3.0, "batch_size": 32, "learning_rate": 1e-3, "projection_width": 64})
    config.refine.update({"epochs": 2.7, "learning_rate": 1e-3})
    config.image_only.epochs = 5.2
    config.diagnose.update({"epochs": 7.0, "learning_rate": 1.5e-3, "projector_width": 64})
    return config


_VARIANTS: dict[str, Callable[[ConfigDict], ConfigDict]] = {"": lambda config: config, "demo": demo, "tpmka": tpmka}
