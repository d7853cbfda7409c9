"""PRIMA on PAD-UFES-20: smartphone photographs of six kinds of skin lesion, with clinical data (paper, Tables 1 and 3).

    prima run --config=configs/pad_ufes_20.py --workdir=runs/pad --config.data.dir=PATH

Hardware: two 24 GB GPUs (the paper: two RTX 4090), or a host with TPUs, which nobody has tried. The paper's score: macro
F1 73.75 (3.40), accuracy 78.27 (1.78), balanced accuracy 72.76 (2.86) over five lesion-level folds; nobody has repeated it
with this code.
Data: https://data.mendeley.com/datasets/zr7vgbcyr2/1, unpacked. Weights: three folders under weights/.

    prima run --config=configs/pad_ufes_20.py:light --workdir=runs/light --config.data.dir=PATH

runs PRIMA and what it is compared with on small published encoders (configs/light.py), on two cores or one GPU, and

    prima run --config=configs/pad_ufes_20.py:small --workdir=runs/small --config.data.dir=PATH

needs no weights: small encoders from random weights on the same photographs, within an hour on two cores.

    prima run --config=configs/pad_ufes_20.py:table1 --workdir=runs/pad_tables --config.data.dir=PATH

runs all rows of Table 1 (table3: of Table 3; table1,light: on small encoders; table1,small: without weights).

    --config.study.hide=form      hides the block of fields that are only missing in benign lesions
    --config.split.group=subject  keeps all lesions of a patient in one fold, which the paper does not
"""

from ml_collections import ConfigDict

from configs.common import paper_recipe, without_weights
from configs.light import light
from configs.pad_ufes_20_study import get_study
from configs.tables import split_preset, with_table


def get_config(preset: str = "") -> ConfigDict:
    """The paper's recipe; with the preset `light` on small published encoders, with `small` small models from random weights.

    `table1`, `table3` to `table5`: all rows of a table.
    """
    table, size = split_preset(preset)
    config = paper_recipe(get_study(), group="unit", folder="data/pad_ufes_20")  # a lesion, as in the paper
    config.image_only.epochs = 155.0  # 28 steps each; alignment has 150 epochs of 23 steps, refinement 30 of 28
    config.image.augmentation.update({"vertical_flip": True, "quarter_turns": True})  # skin has no up side
    subgroups = ("age", "gender", "fitspatrick")
    if size not in ("", "light", "small") or table == 2:
        raise ValueError(
            f"configs/pad_ufes_20.py has no preset {preset!r}: it has light, small, table1, 3, 4, 5, two as table1,small"
        )
    if size == "light":
        return light(config, table or -1, subgroups=subgroups)
    return with_table(small(config) if size else config, table, weights=not size, subgroups=subgroups)


def small(config: ConfigDict) -> ConfigDict:
    """Five folds on all photographs within an hour on two cores."""
    without_weights(config, image_size=64, patch_size=8, width=64, image_depth=4, language_depth=3, vocabulary_size=1024)
    config.data.size = 80
    config.text.max_length = 176
    config.knowledge.update({"epochs": 6.0, "batch_size": 16, "learning_rate": 2e-3, "max_length": 176})
    config.align.update({"epochs": 15.0, "batch_size": 32, "learning_rate": 1e-3, "projection_width": 64})
    config.align.soft.normalizer = "batch"  # as printed, L_soft all but vanishes beside the others
    config.refine.update({"epochs": 20.0, "batch_size": 32, "learning_rate": 1e-3})
    config.image_only.epochs = 40.0
    config.features.update({"views": 6, "text_views": 6, "text_dropout": 0.4})
    config.diagnose.update({"epochs": 30.0, "batch_size": 16, "learning_rate": 1e-3, "projector_width": 64})
    for stage in (config.refine, config.diagnose):
        stage.class_weights = "balanced"  # as the gradient boosting beside them: melanoma is 4% of the photographs
    return config
