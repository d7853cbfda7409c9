"""A training step of every stage beside torch, transformers and PEFT on the same work, in one run.

    make benchmark

The preset `light`'s models and lengths with small batches, float32, on this machine's processors, which is where both run. Turns
alternate, since a machine's speed drifts; what counts is the ratio of medians: below 1 ours is faster. Programs are compiled
before. `align, last 4 blocks` is ours on the tokens that the frozen blocks have made, beside torch through the whole encoder.
"""

import os
from typing import Any, NamedTuple

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import jax
import torch

from benchmarks.recipe_steps import Cohort, build, filled, sequence_of
from benchmarks.timing import call_of, milliseconds
from benchmarks.torch_steps import reference_step
from configs.pad_ufes_20 import get_config
from prima_jax.training.parallel import Parallel

ROUNDS = 7
COHORT = Cohort(units=200, scans=1, classes=6, image_width=384, text_width=384, patch_size=14)
TEXT = {
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 30522,
}
IMAGE = {
    "model_type": "dinov2",
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "patch_size": 14,
    "image_size": 518,
}
LLM = {
    "model_type": "llama",
    "hidden_size": 576,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "intermediate_size": 1536,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}


class Workload(NamedTuple):
    """A stage's step at a batch, with adapters in so many of the image encoder's blocks (0: all)."""

    name: str
    stage: str
    described: dict[str, Any]
    batch: int
    blocks: int = 0


WORKLOADS = (
    Workload("1, knowledge: MiniLM, 8 texts of 256 tokens", "knowledge", TEXT, 8),
    Workload("2, align: DINOv2 small, 8 units of two views", "align", IMAGE, 8),
    Workload("2, align, last 4 blocks: the same", "align", IMAGE, 8, blocks=4),
    Workload("2b, refine: DINOv2 small, 16 photographs", "refine", IMAGE, 16),
    Workload("3, diagnose: SmolLM2-135M, 8 cases", "diagnose", LLM, 8),
)


def main() -> None:
    """Prints a line for each workload."""
    print(f"jax {jax.__version__}, torch {torch.__version__}, {os.cpu_count()} cores\n")
    print("| stage | ours, ms | torch, ms | ratio |\n|:--|--:|--:|--:|")
    for workload in WORKLOADS:
        config = get_config("light")
        config.image.blocks = workload.blocks
        step = filled(build(config, workload.stage, workload.described, workload.batch, COHORT))
        length = sequence_of(config, COHORT)
        peer = reference_step(config, workload.stage, workload.described, workload.batch, COHORT, length, "cpu")
        ours, theirs = milliseconds([call_of(step, Parallel("pmap")), peer], ROUNDS)
        print(f"| {workload.name} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
