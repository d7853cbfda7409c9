"""Measures how far our models lie from transformers + torch, and writes docs/parity.md.

    python -m scripts.parity            everything, and the page; some hours on two cores, most of it compiling
    python -m scripts.parity grid:bert  one part; what is measured is kept in docs/parity and not measured again
    python -m scripts.parity page       the page from what is there

Parts: grid:dinov3, grid:modernbert, grid:bert, grid:qwen3.
"""

import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers

from scripts.comparison import measured
from scripts.comparison.differences import compare
from scripts.comparison.random_configs import ARCHITECTURES, case

SEED, CONFIGURATIONS, COMPILED_FULLY = 0, 200, 10


def grid(architecture: str) -> None:
    """Compares the random configurations of an architecture, a line of JSON for each; goes on where it was stopped."""
    for name, numbers, options in (("", CONFIGURATIONS, {}), ("_optimized", COMPILED_FULLY, {"compiler_options": None})):
        path = measured.FOLDER / f"grid_{architecture}{name}.jsonl"
        done = {result["number"] for result in measured.read_grid(path)}
        for number in sorted(set(range(numbers)) - done):
            differences = compare(case(architecture, SEED, number), **options)
            measured.append(path, {"number": number, "differences": differences})
            print(f"{architecture}{name} {number:3}  {max(differences['ours to torch'].values()):.1e}", flush=True)


PARTS = {f"grid:{architecture}": (grid, architecture) for architecture in ARCHITECTURES}


if __name__ == "__main__":
    torch.set_num_threads(1)  # tiny models: threads only wait for each other
    transformers.utils.logging.disable_progress_bar()
    for part in sys.argv[1:] or PARTS:
        run, argument = PARTS[part]
        run(argument)
