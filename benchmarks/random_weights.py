"""Checkpoints of published sizes with random weights, to measure the full recipe where the published ones are not at hand.

    python -m benchmarks.random_weights --configs=DIR --tokenizers=DIR --folder=weights

configs: a folder for each model with its published config.json; tokenizers: folders `modernbert` and `qwen3`. Writes the
folders that configs/common.py asks for, in bfloat16. **They diagnose nothing**: time and memory do not depend on the values.
"""

import argparse
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp

from prima_jax.models import pretrained
from prima_jax.runtime import setup_process

RECIPE = {
    "dinov3-vitb16-pretrain-lvd1689m": ("dinov3-vitb16-pretrain-lvd1689m", ""),
    "Clinical_ModernBERT": ("ModernBERT-base", "modernbert"),
    "Qwen3-1.7B": ("Qwen3-1.7B", "qwen3"),
}
"""Folder that the recipe asks for -> folder of the published config.json, and of the tokenizer."""


def write(configs: Path, tokenizers: Path, folder: Path) -> None:
    """Writes every checkpoint of RECIPE that is not there yet."""
    for number, (name, (published, tokenizer)) in enumerate(RECIPE.items()):
        target = folder / name
        if (target / "config.json").exists():
            continue
        module = pretrained.build(json.loads((configs / published / "config.json").read_text()))
        variables = jax.tree.map(lambda x: x.astype(jnp.bfloat16), pretrained.init_random(module, number))
        pretrained.save_pretrained(target, module, variables)
        for file in (tokenizers / tokenizer).glob("*.json") if tokenizer else ():
            shutil.copy(file, target)
        print(f"{target}: {sum(x.size for x in jax.tree.leaves(variables)) / 1e6:,.0f} million random numbers")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("configs", "tokenizers", "folder"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    options = parser.parse_args()
    setup_process()
    write(options.configs, options.tokenizers, options.folder)
