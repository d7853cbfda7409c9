"""A model of a published size against transformers + torch: float32 with gradients, and bfloat16 layer by layer."""

import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from prima_jax.models import pretrained
from scripts.comparison import bfloat16
from scripts.comparison.differences import build, compare_built
from scripts.comparison.full_size import full_size
from scripts.comparison.theirs import bfloat16_errors

__all__ = ["in_bfloat16", "in_float32", "measure"]

SEED = 0


def measure(name: str) -> dict[str, Any]:
    """One of full_size.MODELS, compiled with all optimisation. Qwen3-0.6B takes 10 GB of memory."""
    return {"differences": in_float32(name), "bfloat16": {side: e.tolist() for side, e in in_bfloat16(name).items()}}


def in_float32(
    name: str, compiler_options: Mapping[str, Any] | None = None, *, double: bool = True
) -> dict[str, dict[str, float]]:
    """Returns the same as differences.compare, for random weights."""
    model = full_size(name)
    built = build(model.architecture, model.config, SEED)
    return compare_built(built, model.inputs, SEED, compiler_options, double=double)


def in_bfloat16(name: str, compiler_options: Mapping[str, Any] | None = None, *, torch: bool = True) -> dict[str, np.ndarray]:
    """{"ours", "torch"} -> errors [layers + 1], as bfloat16.our_errors, with random weights that bfloat16 can hold.

    torch: whether its own errors are measured as well.
    """
    model = full_size(name)
    built = build(model.architecture, model.config, SEED)
    with tempfile.TemporaryDirectory() as folder:
        built.save_pretrained(folder)
        module, variables = pretrained.from_pretrained(folder)
    theirs = {"torch": bfloat16_errors(built, model.inputs)} if torch else {}
    del built
    return {"ours": bfloat16.our_errors(module, variables, model.inputs, compiler_options), **theirs}
