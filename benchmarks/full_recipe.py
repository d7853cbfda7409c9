"""Measures the memory and time of a recipe on this machine's devices: a few steps of each stage of one fold.

    python -m benchmarks.full_recipe --config=configs/aqua.py --workdir=runs/trial --config.data.dir=PATH

Everything is the run's own: weights, photographs, batches, programs. Only the steps are fewer, 25 of each stage, of which
the first five do not count. Each step is waited for, which a run does not do, so that what the devices need can be told from
what the next batch needs. The memory of a program is XLA's own account, for one device: what it is given, its weights among
it, and what it holds beside that. Operations are counted in the program as written, with what it computes twice to save
memory. The workdir is for this alone; a run there is refused, since these steps are not its own. A call that is
stopped tells what it has measured so far.

Photographs of a study drawn by a program (`--config.study.synthetic.units=160 --config.study.synthetic.image_size=256`) and
random weights of the published sizes (benchmarks/random_weights.py) need as much time and memory as real ones; the number of
steps of a fold is then that of the synthetic study.
"""

import dataclasses
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import jax
from ml_collections import ConfigDict

from prima_jax.experiment.job import Job, run_fold
from prima_jax.experiment.measured import peak_device_memory_bytes, peak_memory_bytes
from prima_jax.experiment.opening import check_late_stages, data_fingerprint, open_run, split_cases
from prima_jax.experiment.rows import PRIMA, TABLES
from prima_jax.main import command
from prima_jax.recipe.check import check
from prima_jax.stages import knowledge
from prima_jax.stages.context import Context, Fold
from prima_jax.stages.pipeline import training_sentences
from prima_jax.training.parallel import Parallel
from prima_jax.workdir import claim, open_workdir

IMAGE_ONLY = next(row for row in TABLES[0] if row.name == "image_only")
STEPS, LEFT_OUT = 25, 5
HEADER = (
    "| program | batch | compiled in s | ms a step | TFLOP/s | ms between | GiB given | GiB beside | steps of a fold "
    "| hours of all folds |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


class Program:
    """A mapped function compiled for arguments of certain shapes, whose calls are waited for and timed."""

    def __init__(self, function: Any, arguments: Any) -> None:
        started = time.perf_counter()
        lowered = function.lower(*arguments)
        self._compiled = lowered.compile()
        self.compile_seconds = time.perf_counter() - started
        self.operations = (lowered.cost_analysis() or {}).get("flops", 0.0)
        self.examples = jax.tree.leaves(arguments[-1])[0].shape[0]
        self._busy: list[float] = []
        self._between: list[float] = []
        self._left = time.perf_counter()

    def __call__(self, *arguments: Any) -> Any:
        entered = time.perf_counter()
        result = jax.block_until_ready(self._compiled(*arguments))
        self._busy.append(time.perf_counter() - entered)
        self._between.append(entered - self._left)
        self._left = time.perf_counter()
        return result

    @property
    def calls(self) -> int:
        return len(self._busy)

    def milliseconds(self) -> tuple[float, float]:
        """The median call, and the median of what lies between two."""
        kept = slice(min(LEFT_OUT, self.calls - 1), None)
        return 1e3 * statistics.median(self._busy[kept]), 1e3 * statistics.median(self._between[kept])

    def memory(self) -> tuple[float, float]:
        """GiB of one device: what the program is given, and the most that it holds beside that."""
        memory = self._compiled.memory_analysis()
        written = max(0, memory.output_size_in_bytes - memory.alias_size_in_bytes)
        return memory.argument_size_in_bytes / 2**30, (memory.temp_size_in_bytes + written) / 2**30


class Timed:
    """A mapped function, with a program for each of the shapes that it is called with."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.programs: dict[Any, Program] = {}

    def __call__(self, *arguments: Any) -> Any:
        shapes = tuple(leaf.shape for leaf in jax.tree.leaves(arguments[-1]))
        if shapes not in self.programs:
            self.programs[shapes] = Program(self._function, arguments)
        return self.programs[shapes](*arguments)


class TimedParallel(Parallel):
    """The run's own way of sharing work among devices, with every program timed."""

    def map_step(self, step: Any) -> Any:
        return Timed(super().map_step(step))

    def map_inference(self, function: Any) -> Any:
        return Timed(super().map_inference(function))


def measure(config: ConfigDict, workdir: Path) -> str:
    """Runs the few steps; returns the table."""
    check(config)
    run = open_run(config, workdir)
    context, folds = run.context, run.folds
    check_late_stages(context, folds)
    steps = steps_of_a_fold(context, folds[0])
    with config.unlocked():
        for name in steps:
            config[name].epochs *= STEPS / steps[name]
    context = dataclasses.replace(context, parallel=TimedParallel(config.parallel))
    with open_workdir(workdir, config):  # a run in this folder is refused: its config has more epochs
        claim(workdir, config, data_fingerprint(context, run.reading))
        try:
            for row in (PRIMA, IMAGE_ONLY):
                run_fold(context, folds[0], Job(row, config.seed))
        except BaseException:
            print(table(context, steps), file=sys.stderr)
            raise
    return table(context, steps)


def steps_of_a_fold(context: Context, fold: Fold) -> dict[str, int]:
    """Returns stage -> the number of steps of the recipe in a fold, for its stages only."""
    config, photographs = context.config, len(context.prepared.records)
    cases = sum(map(len, split_cases(context, fold)))
    items = {"align": len(context.units), "refine": photographs, "diagnose": cases, "image_only": photographs}
    steps = {name: context.steps(config[name].epochs, config[name].batch_size, items[name]) for name in items}
    texts = len(knowledge.corpus_texts(context))
    if config.knowledge.include_sentences:
        texts += len(training_sentences(context, fold))
    steps["knowledge"] = max(1, round(config.knowledge.epochs * max(1, texts // config.knowledge.batch_size))) if texts else 0
    return {name: count for name, count in steps.items() if count and config[name].epochs}


def table(context: Context, steps: dict[str, int]) -> str:
    """A line for each program, in the order of their first calls; a batch is that of all devices together."""
    config, devices = context.config, jax.devices()
    lines = [
        f"{len(devices)} x {devices[0].device_kind}, jax {jax.__version__}, {config.dtype}, {config.image.size} px, "
        f"{len(context.prepared.records)} photographs, {len(knowledge.corpus_texts(context))} texts",
        "",
        HEADER,
    ]
    for key, timed in context.compiled.items():
        name = key if isinstance(key, str) else key[0]
        lines += [row(config, name, program, steps.get(name, 0)) for program in timed.programs.values() if program.calls]
    device = peak_device_memory_bytes()
    held = [f"{device / 2**30:.1f} GiB of a device"] if device else []
    return "\n".join([*lines, "", f"At most {' and '.join([*held, f'{peak_memory_bytes() / 2**30:.1f} GiB of the host'])}."])


def row(config: ConfigDict, name: str, program: Program, steps: int) -> str:
    """A program's line; stage 1 of a corpus alone is done once for all folds."""
    batch = config[name].batch_size if name in config else program.examples
    busy, between = program.milliseconds()
    given, beside = program.memory()
    folds = 1 if name == "knowledge" and not config.knowledge.include_sentences else config.folds
    hours = f"{folds * steps * (busy + between) / 3.6e6:.2f}" if steps else ""
    return (
        f"| {name} | {batch} | {program.compile_seconds:.0f} | {busy:.1f} | {program.operations / busy / 1e9:.1f} "
        f"| {between:.1f} | {given:.2f} | {beside:.2f} | {steps or ''} | {hours} |"
    )


if __name__ == "__main__":
    example = "--config=configs/aqua.py --workdir=runs/trial"
    sys.exit(command(sys.argv, measure, program="python -m benchmarks.full_recipe", example=example))
