"""Another JAX port of DINOv3 (equimo), and ours, beside transformers + torch on the same random weights and image."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch

from prima_jax.models import pretrained
from scripts.comparison.differences import build, ratio
from scripts.comparison.full_size import full_size
from scripts.comparison.theirs import KeepFloat64

__all__ = ["MODELS", "measure"]

MODELS = ("DINOv3 ViT-S/16", "DINOv3 ViT-B/16")
SCRIPT = Path(__file__).with_name("equimo_port.py")
SEED = 0


def measure(name: str) -> dict[str, Any]:
    """{"version": equimo's, "to torch": {who: difference}, "to float64": the same}; float64 is torch's model in double.

    Differences of last_hidden_state, largest absolute one over largest absolute value. The environment variable
    EQUIMO_PYTHON names a Python that has equimo; raises KeyError without it.
    """
    model = full_size(name)
    built = build(model.architecture, model.config, SEED).eval()
    with tempfile.TemporaryDirectory() as folder:
        built.save_pretrained(folder)
        np.savez(Path(folder) / "inputs.npz", **model.inputs)
        subprocess.run([os.environ["EQUIMO_PYTHON"], str(SCRIPT), folder], check=True)
        with np.load(Path(folder) / "answers.npz") as file:
            answers = dict(file)
        module, variables = pretrained.from_pretrained(folder)
    version = str(answers.pop("version"))
    pixels = model.inputs["pixel_values"]
    answers = {"ours": np.asarray(jax.jit(module.apply)(variables, pixels).last_hidden_state)} | {
        f"equimo, {variant}": answer for variant, answer in answers.items()
    }
    single, double = _theirs(built, pixels), _theirs(built.double(), pixels)
    return {
        "version": version,
        "to torch": {who: ratio(answer, single) for who, answer in answers.items()},
        "to float64": {who: ratio(answer, double) for who, answer in ({"torch": single} | answers).items()},
    }


def _theirs(built: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    """last_hidden_state [B, T, d] in the type of the model's parameters."""
    given = torch.tensor(pixels.transpose(0, 3, 1, 2), dtype=next(built.parameters()).dtype)
    with torch.no_grad(), KeepFloat64():
        return built(pixel_values=given).last_hidden_state.numpy()
