"""The preset `light`: small published encoders that nobody has to ask for, with adapters, on two cores or any GPU.

DINOv2 small, MiniLM and SmolLM2 (Apache-2.0) take the places of DINOv3, Clinical ModernBERT and Qwen3, at 154 px, with adapters
in the last four of the image encoder's twelve blocks (what that saves: docs/results.md). Get them with

    prima weights dinov2-small all-MiniLM-L6-v2 SmolLM2-135M-Instruct

How each number was chosen, and which are guesses: docs/results/pretrained_choices.md.
"""

from ml_collections import ConfigDict

from configs.tables import with_table

__all__ = ["ROWS", "light"]

ROWS = (
    *("image_only", "metadata_mlp", "medblip", "prima", "majority", "missingness_only", "metadata_only", "metadata_logistic"),
    *("frozen_tokens", "frozen_tokens_metadata", "aligned_tokens", "refined_tokens", "metablock"),
)
"""Rows of Tables 1 and 2: PRIMA, the fusions of the same encoders, and the plain ones."""


def light(config: ConfigDict, table: int, *, subgroups: tuple[str, ...]) -> ConfigDict:
    """The paper's recipe on small published encoders, with all rows of a table, or ROWS of Table 1 or 2 for `light` alone.

    table: the number that the preset names; below zero, the table whose ROWS are run.
    """
    config.dtype = "float32"  # on CPUs bfloat16 is no faster
    config.remat = False
    config.adam_b2, config.clip_norm = 0.95, 1.0
    config.models.image.weights = "weights/dinov2-small"
    config.models.text.weights = "weights/all-MiniLM-L6-v2"
    config.models.llm.weights = "weights/SmolLM2-135M-Instruct"
    config.data.size = 176
    config.image.update({"size": 154, "blocks": 4})
    config.features.update({"views": 4, "test_views": 4, "text_views": 4, "text_dropout": 0.4, "batch_size": 32})
    config.align.update({"epochs": 10.0, "batch_size": 64, "learning_rate": 1e-4, "projection_width": 256})
    config.align.soft.normalizer = "batch"  # as printed, L_soft all but vanishes beside the others
    config.refine.update({"epochs": 2.0, "batch_size": 32})  # at the paper's learning rate
    config.image_only.update({"epochs": 8.0, "batch_size": 32, "learning_rate": 3e-4})
    config.diagnose.update({"epochs": 6.0, "batch_size": 16, "learning_rate": 1e-3, "projector_width": 512})
    config.diagnose.update({"adapter_learning_rate": 1e-4, "image_stride": 11, "text_stride": 128, "standardized": True})
    for stage in (config.refine, config.diagnose):
        stage.class_weights = "balanced"
    config = with_table(config, abs(table), weights=True, subgroups=subgroups)
    # A query former of BERT's size would be five times as large as the encoders that it stands between.
    config.baselines.medblip.update({"epochs": 4.0, "batch_size": 16, "learning_rate": 1e-4})
    config.baselines.medblip.update({"layers": 2, "width": 384, "heads": 6})
    config.baselines.metadata_mlp.width = 256
    if table < 0:
        config.table.rows = ROWS
    return config
