"""The settings of the baselines of Tables 1 and 2: config.baselines.NAME is that of prima_jax/baselines/NAME.py.

Where the original repository has a number it stands here (which repository: see the file's docstring); what is ours is
marked. `small` is what runs without weights train, at the budget of the other small rows.
"""

from ml_collections import ConfigDict


def published() -> ConfigDict:
    """For pre-trained encoders."""
    config = ConfigDict()
    config.metadata_mlp = _metadata_mlp()
    config.knobo = _knobo()
    config.metablock = _metablock()
    config.text_llm = _text_llm()
    config.medklip = _medklip()
    config.deepik = _deepik()
    config.medblip = _medblip()
    config.mlrg = _mlrg()
    return config


def small(*, epochs: float, batch_size: int, class_weights: str) -> ConfigDict:
    """For small encoders from random weights, with what the image-only row has."""
    config = published()
    for section in config.values():
        section.class_weights = class_weights
    for name in ("metadata_mlp", "metablock"):
        config[name].update({"epochs": epochs, "batch_size": batch_size, "learning_rate": 1e-3, "rank": 0})
    config.metadata_mlp.width = 128
    config.knobo.update({"epochs": 60.0, "batch_size": batch_size, "learning_rate": 1e-2})
    config.text_llm.update({"epochs": epochs, "batch_size": batch_size, "learning_rate": 1e-3, "rank": 0})
    config.medklip.update({"epochs": 0.65 * epochs, "batch_size": batch_size, "learning_rate": 1e-3, "rank": 0})
    config.medklip.update({"width": 64, "layers": 2, "heads": 2})
    config.deepik.update({"epochs": epochs, "batch_size": batch_size, "learning_rate": 2e-3})
    config.deepik.update({"blocks": (2, 2, 2), "growth": 12, "stem": 24})
    config.medblip.update({"epochs": min(0.5 * epochs, 3.0), "batch_size": min(batch_size, 16), "learning_rate": 1e-3})
    config.medblip.update({"queries": 16, "layers": 2, "width": 64, "heads": 2, "shared_width": 64})
    config.mlrg.update({"epochs": min(0.4 * epochs, 3.0), "batch_size": min(batch_size, 16), "learning_rate": 1e-3})
    config.mlrg.update({"layers": 1, "width": 64, "heads": 2})
    config.mlrg.align.update({"epochs": min(0.4 * epochs, 2.0), "batch_size": min(batch_size, 16), "learning_rate": 1e-3})
    return config


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


def _metadata_mlp() -> ConfigDict:
    return ConfigDict(
        {  # the paper names the row and no number: the image-only row's
            "epochs": 60.0,
            "batch_size": 64,
            "learning_rate": 3e-5,
            "weight_decay": 1e-3,
            "rank": 32,
            "alpha_over_rank": 2.0,
            "targets": (),
            "width": 512,  # ours
            "class_weights": "none",  # or "balanced"
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


def _metablock() -> ConfigDict:
    return ConfigDict(
        {  # the original: SGD at 1e-3 with momentum, plateau schedule, batch 30, 150 epochs at most; with LoRA these are ours
            "epochs": 60.0,
            "batch_size": 64,
            "learning_rate": 3e-5,
            "weight_decay": 1e-3,
            "rank": 32,
            "alpha_over_rank": 2.0,
            "targets": (),
            "class_weights": "none",  # or "balanced", as the original
        }
    )


def _text_llm() -> ConfigDict:
    return ConfigDict(
        {  # stage 3's
            "epochs": 80.0,
            "batch_size": 16,
            "learning_rate": 1e-5,
            "weight_decay": 3e-2,
            "rank": 16,
            "alpha_over_rank": 2.0,
            "targets": (),
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
