"""Models of published sizes, with random weights, on short inputs."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["MODELS", "FullSize", "folder", "full_size"]


class FullSize(NamedTuple):
    """A published config.json, and what its model is given."""

    name: str
    architecture: str
    config: dict[str, Any]
    inputs: dict[str, np.ndarray]


MODELS = {
    "DINOv3 ViT-S/16": ("dinov3", "dinov3-vits16-pretrain-lvd1689m"),
    "DINOv3 ViT-B/16": ("dinov3", "dinov3-vitb16-pretrain-lvd1689m"),
    "ModernBERT-base": ("modernbert", "ModernBERT-base"),
    "Qwen3-0.6B": ("qwen3", "Qwen3-0.6B"),
}
"""Name -> architecture and folder of the config.json."""


def folder() -> Path:
    """Returns the folder of the published config.json files, beside the repository."""
    return Path(__file__).parents[3] / "shared" / "configs_hf"


def full_size(name: str) -> FullSize:
    """One of MODELS; raises FileNotFoundError where its config.json is not there."""
    architecture, published = MODELS[name]
    config = json.loads((folder() / published / "config.json").read_text())
    return FullSize(name, architecture, config, _inputs(architecture, config))


def _inputs(architecture: str, config: dict[str, Any]) -> dict[str, np.ndarray]:
    """One image of 224 x 224; two texts, one of them padded: of 192 tokens for ModernBERT, whose window is 128, else of 24."""
    rng = np.random.default_rng(0)
    if architecture == "dinov3":
        return {"pixel_values": rng.standard_normal((1, 224, 224, 3)).astype(np.float32)}
    length = 192 if architecture == "modernbert" else 24
    mask = np.arange(length) < np.array([[length], [length * 2 // 3]])
    ids = rng.integers(0, config["vocab_size"], mask.shape)
    return {"input_ids": np.where(mask, ids, 0).astype(np.int32), "attention_mask": mask}
