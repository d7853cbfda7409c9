"""The settings of the baselines of Tables 1 and 2: config.baselines.NAME is that of prima_jax/methods/NAME.py.

Where the original repository has a number it stands here (which repository: see the file's docstring); what is ours is
marked. Rows that are ours train for as long as the part of PRIMA that they stand for. So do all rows in runs without weights,
for which no original's numbers are meant: what learns from photographs trains as the image-only row does, what ends in the
LLM as stage 3 does. Weight decay stays the original's, and two rows have a learning rate of their own (`small`): KnoBo, whose
classifier of concepts is no network, with epochs of its own, and DeepIK, whose DenseNet is trained from scratch everywhere.
"""

from ml_collections import ConfigDict

from configs.common import link_fields


def published(recipe: ConfigDict) -> ConfigDict:
    """Adds the settings for pre-trained encoders to this recipe."""
    config = ConfigDict()
    # Width and pooling of the sentence ("words" or "class", its class token) are ours: the paper gives neither.
    config.metadata_mlp = link_fields(ConfigDict({"width": 512, "pooling": "words"}), recipe.image_only, *_TRAINING)
    # The original: SGD at 1e-3 with momentum, plateau schedule, batch 30, 150 epochs at most, class weights.
    config.metablock = link_fields(ConfigDict(), recipe.image_only, *_TRAINING)
    config.text_llm = link_fields(ConfigDict(), recipe.diagnose, *_TRAINING)
    config.knobo = _knobo()
    config.medklip = _medklip()
    config.deepik = _deepik()
    config.medblip = _medblip()
    config.mlrg = _mlrg()
    for section in config.values():  # as the losses of PRIMA's rows
        link_fields(section, recipe.image_only, "class_weights")
    for section in (config.text_llm, config.medblip, config.mlrg):
        link_fields(section, recipe.diagnose, "class_weights")
    return config


def small(recipe: ConfigDict) -> ConfigDict:
    """Adds the settings for small encoders with random weights to this recipe."""
    config = published(recipe)
    for section in (config.medklip, config.deepik):
        link_fields(section, recipe.image_only, *_LENGTH)
    for section in (config.medblip, config.mlrg):
        link_fields(section, recipe.diagnose, *_LENGTH)
    config.metadata_mlp.width = 128
    config.text_llm.rank = 0  # whole: nothing but its own embeddings of words tells it what they mean
    link_fields(config.knobo, recipe.image_only, "batch_size").update({"epochs": 60.0, "learning_rate": 1e-2})
    config.medklip.update({"rank": 0, "width": 64, "layers": 2, "heads": 2})
    config.deepik.update({"learning_rate": 2e-3, "blocks": (2, 2, 2), "growth": 12, "stem": 24})
    config.medblip.update({"queries": 16, "layers": 2, "width": 64, "heads": 2, "shared_width": 64})
    config.mlrg.update({"layers": 1, "width": 64, "heads": 2})
    if recipe.diagnose.case == "unit":  # an epoch of MLRG takes every photograph once, one of stage 3 every case
        config.mlrg.epochs = recipe.diagnose.get_oneway_ref("epochs") / _ILLUMINATIONS
    link_fields(config.mlrg.align, recipe.align, *_LENGTH)
    return config


_LENGTH = ("epochs", "batch_size", "learning_rate")
_TRAINING = (*_LENGTH, "weight_decay", "rank", "alpha_over_rank", "targets", "class_weights")
_ILLUMINATIONS = 2.6
"""Photographs of an eye in the synthetic study, on average."""


def _medklip() -> ConfigDict:
    return ConfigDict(
        {
            "epochs": 100.0,
            "batch_size": 48,
            "learning_rate": 1e-4,
            "weight_decay": 0.02,
            "width": 256,  # of the decoder; its MLP has four times this
            "layers": 4,
            "heads": 4,
            "rank": 32,  # ours: the original trains its ResNet whole
            "alpha_over_rank": 2.0,
            "targets": (),
            "class_weights": "none",  # or "balanced"
        }
    )


def _deepik() -> ConfigDict:
    return ConfigDict(
        {
            "epochs": 80.0,
            "batch_size": 128,
            "learning_rate": 1e-4,
            "weight_decay": 5e-5,
            "blocks": (6, 12, 24, 16),  # DenseNet-121
            "growth": 32,
            "stem": 64,
            "groups": (),  # of raw labels, (("BCC", "MEL", "SCC"), ("ACK", "NEV", "SEK")); none: the kinds of photograph
            "class_weights": "none",  # or "balanced"; the original weighs its causes 3, 5, 3, 1, 1
        }
    )


def _knobo() -> ConfigDict:
    return ConfigDict(
        {
            "epochs": 200.0,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "weight_decay": 0.0,  # Adam
            "concepts": 150,  # the best are kept, as many as in the original's example; a study may have fewer
            "prior_weight": 1.0,  # 0 leaves the literature out
            "class_weights": "none",  # or "balanced"
        }
    )


def _medblip() -> ConfigDict:
    return ConfigDict(
        {
            "epochs": 100.0,
            "batch_size": 8,  # 7, which no number of devices divides
            "learning_rate": 2e-5,
            "weight_decay": 1e-4,
            "queries": 32,
            "layers": 6,  # ours: BERT's 12, every other one with cross-attention, cannot be had without its weights
            "width": 768,
            "heads": 12,
            "shared_width": 256,  # of the image-text contrast
            "class_weights": "none",  # or "balanced"
        }
    )


def _mlrg() -> ConfigDict:
    return ConfigDict(
        {
            "epochs": 50.0,  # stage 2
            "batch_size": 16,  # photographs; 14, which few numbers of devices divide
            "learning_rate": 5e-5,  # of the new parts; the loaded ones have 5e-6 in the original
            "weight_decay": 0.01,  # AdamW's own in torch
            "views": 3,  # ours: how many photographs of a unit are shown at a time
            "width": 768,
            "layers": 3,  # of the fusion
            "heads": 8,
            "temperature": 0.5,
            "region_temperature": 0.5,  # of the token loss; the repository gives none
            "class_weights": "none",  # or "balanced"
            "align": {  # stage 1; its batches are units
                "epochs": 50.0,
                "batch_size": 32,
                "learning_rate": 5e-5,
                "weight_decay": 0.01,
            },
        }
    )
