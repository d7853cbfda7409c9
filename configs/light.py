"""The preset `light`: small published encoders that nobody has to ask for, with adapters, on two cores or any GPU.

DINOv2 small, MiniLM and SmolLM2 (Apache-2.0) take the places of DINOv3, Clinical ModernBERT and Qwen3, at 154 px, with adapters
in the last four of the image encoder's twelve blocks, so that an epoch takes seconds. How each number was chosen, and on what:
docs/results/pretrained_choices.md. Get them with

    python scripts/download_weights.py dinov2-small all-MiniLM-L6-v2 SmolLM2-135M-Instruct
"""

from ml_collections import ConfigDict

__all__ = ["ROWS", "light"]

ROWS = (
    *("image_only", "metadata_mlp", "medblip", "prima", "majority", "missingness_only", "metadata_only", "metadata_logistic"),
    *("frozen_tokens", "frozen_tokens_metadata", "metablock"),
)
"""Of Tables 1 and 2: PRIMA, what fuses the same encoders, and the plain ones."""


def light(config: ConfigDict) -> ConfigDict:
    """The same recipe for small published encoders."""
    config.dtype = "float32"
    config.remat = False
    config.models.image.weights = "weights/dinov2-small"
    config.models.text.weights = "weights/all-MiniLM-L6-v2"
    config.models.llm.weights = "weights/SmolLM2-135M-Instruct"
    config.data.size = 176
    config.image.update({"size": 154, "blocks": 4})
    return config
