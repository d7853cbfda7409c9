"""A published DINOv2 on photographs: our last tokens beside those of transformers + torch, both in float32.

    python -m scripts.comparison.real_weights WEIGHTS/dinov2-small [SIZE ...]

`python -m scripts.parity real` keeps the same figures, with PRIMA_REAL_WEIGHTS for WEIGHTS. The photographs are those of
PAD-UFES-20, in shared/data beside the repository.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import torch
import transformers

from prima_jax.data.images import IMAGENET_MEAN, IMAGENET_SD, center_view
from prima_jax.models import pretrained
from prima_jax.studies.photographs import decode
from scripts.comparison.differences import ratio
from scripts.comparison.theirs import KeepFloat64

__all__ = ["COUNT", "MODELS", "PHOTOGRAPHS", "SIZES", "measure", "measure_named"]

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data" / "pad_ufes_20" / "images"
SIZES = (224, 154, 518)
"""Pixels a side: 16 x 16 and 11 x 11 patches, to which positions are interpolated, and the 37 x 37 of pre-training."""
COUNT, BATCH = 16, 4
MODELS = {f"DINOv2 ViT-S/14, {size} pixels": ("dinov2-small", size) for size in SIZES}
"""Name on the page -> folder and size."""


def measure_named(name: str) -> dict[str, float]:
    """One of MODELS, whose folder is looked for in that which PRIMA_REAL_WEIGHTS names; raises KeyError without it."""
    folder, size = MODELS[name]
    return measure(Path(os.environ["PRIMA_REAL_WEIGHTS"]) / folder, size)


def measure(folder: Path, size: int) -> dict[str, float]:
    """{"ours to torch", "ours to float64", "torch to float64"}: largest difference over largest value, of all last tokens."""
    module, variables = pretrained.from_pretrained(folder)
    apply = jax.jit(module.apply)
    single, double = (transformers.AutoModel.from_pretrained(folder, dtype=kind) for kind in (torch.float32, torch.float64))
    tokens: dict[str, list[np.ndarray]] = {"ours": [], "torch": [], "float64": []}
    for images in _batches(size):
        tokens["ours"].append(np.asarray(apply(variables, images).last_hidden_state))
        tokens["torch"].append(_theirs(single, images))
        tokens["float64"].append(_theirs(double, images))
    ours, theirs, exact = (np.concatenate(batches) for batches in tokens.values())
    return {
        "ours to torch": ratio(ours, theirs),
        "ours to float64": ratio(ours, exact),
        "torch to float64": ratio(theirs, exact),
    }


def _theirs(built: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    given = torch.tensor(images.transpose(0, 3, 1, 2), dtype=next(built.parameters()).dtype)
    with torch.no_grad(), KeepFloat64():
        return built.eval()(pixel_values=given).last_hidden_state.numpy()


def _batches(size: int) -> Iterator[np.ndarray]:
    """[BATCH, size, size, 3], normalised."""
    paths = sorted(path for path in PHOTOGRAPHS.iterdir() if path.suffix in (".jpg", ".png"))[:COUNT]
    for start in range(0, COUNT, BATCH):
        views = [center_view(decode(path.read_bytes(), path.name), size) for path in paths[start : start + BATCH]]
        yield ((np.stack(views) / 255 - IMAGENET_MEAN) / IMAGENET_SD).astype(np.float32)


if __name__ == "__main__":
    transformers.utils.logging.disable_progress_bar()
    for side in map(int, sys.argv[2:] or SIZES):
        print(side, {pair: f"{value:.2e}" for pair, value in measure(Path(sys.argv[1]), side).items()}, flush=True)
