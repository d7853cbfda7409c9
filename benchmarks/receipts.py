"""Compiles the steps of the full recipe for hardware that is not here, and writes what memory each needs; nothing is run.

    python -m benchmarks.receipts "v5e-8" --configs=DIR          # after pip install "jax[tpu]==0.10.2"
    python -m benchmarks.receipts "2 x RTX 4090" --configs=DIR   # after pip install "jax[cuda12]==0.10.2"

configs: a folder for each model with its published config.json. Writes docs/receipts.json and docs/receipts.md. A line takes
minutes of a CPU; lines that are there are not compiled again, so that a call that was stopped goes on.

Bytes are XLA's own account of one device (https://docs.jax.dev/en/latest/aot.html): what a step is given, and what it holds
beside that. Operations are those of the step as written, with what it computes twice to save memory.
"""

import argparse
import dataclasses
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the devices are compiled for, and not there

import jax
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from ml_collections import ConfigDict

from benchmarks.receipts_page import HARDWARE, PAGE, RECEIPTS, Hardware, Receipt, page, read
from benchmarks.recipe_steps import Cohort, Step, build, operations
from configs.aqua import get_config
from prima_jax.files import write_whole
from prima_jax.progress import progress_bar
from prima_jax.training.parallel import AXIS, Parallel

IMAGES = ("dinov3-vitb16-pretrain-lvd1689m", "dinov3-vitl16-pretrain-lvd1689m")
LLMS = ("Qwen3-0.6B", "Qwen3-1.7B", "Qwen3-4B", "Qwen3-8B")
MODELS = {"knowledge": ("ModernBERT-base",), "align": IMAGES, "refine": IMAGES, "diagnose": LLMS}


def main() -> int:
    """Compiles what is not compiled yet, and writes each line as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hardware", choices=[hardware.name for hardware in HARDWARE])
    parser.add_argument("--configs", type=Path, required=True)
    options = parser.parse_args()
    hardware = next(one for one in HARDWARE if one.name == options.hardware)
    devices = topologies.get_topology_desc(platform=hardware.platform, **hardware.topology).devices
    parallel, known = Parallel("shard_map", devices), {receipt.key for receipt in read()}
    todo = [plan for plan in plans(hardware) if plan.key not in known]
    with progress_bar(len(todo), f"compiling for {hardware.name}", "program") as bar:
        for plan in todo:
            described = json.loads((options.configs / plan.model / "config.json").read_text())
            step = build(recipe(plan), plan.stage, described, plan.batch * len(devices), Cohort())
            receipt = compiled(plan, step, parallel)
            so_far = [*read(), receipt]
            write_whole(RECEIPTS, (json.dumps([dataclasses.asdict(one) for one in so_far], indent=1) + "\n").encode())
            write_whole(PAGE, f"{page(so_far)}\n".encode())
            bar.update()
    return 0


def plans(hardware: Hardware) -> Iterator[Receipt]:
    """Yields the programs without their figures: the recipe's share of a batch and four times that, with remat and without.

    LLMs are also compiled with frozen kernels of four bits, with remat.
    """
    for remat, quantized, times in itertools.chain(
        itertools.product([True], ["", "nf4"], [1, 4]), [(False, "", 1), (False, "", 4)]
    ):
        for stage, models in MODELS.items():
            share = get_config()[stage].batch_size // hardware.devices
            for model in models if stage == "diagnose" or not quantized else ():
                yield Receipt(hardware.name, stage, model, remat, times * share, quantized=quantized)


def recipe(plan: Receipt) -> ConfigDict:
    """The full recipe, with what the plan changes."""
    config = get_config()
    config.remat, config.models.llm.quantized = plan.remat, plan.quantized
    return config


def compiled(plan: Receipt, step: Step, parallel: Parallel) -> Receipt:
    """The plan with its figures: bytes of one device, and the operations of its share of the batch."""
    started, mesh = time.monotonic(), Mesh(parallel.devices, (AXIS,))
    everywhere, shared = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(AXIS))
    arguments = placed(step.state, everywhere), placed(step.frozen, everywhere), placed(step.batch, shared)
    try:
        memory = parallel.map_step(step.function).lower(*arguments).compile().memory_analysis()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return dataclasses.replace(plan, refused=str(error).splitlines()[0][:200])
    return dataclasses.replace(
        plan,
        arguments=memory.argument_size_in_bytes,
        temporaries=memory.temp_size_in_bytes,
        outputs=memory.output_size_in_bytes - memory.alias_size_in_bytes,
        operations=operations(step, len(parallel.devices)),
        seconds=round(time.monotonic() - started),
    )


def placed(tree: Any, sharding: NamedSharding) -> Any:
    """The shapes, with where they lie."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


if __name__ == "__main__":
    sys.exit(main())
