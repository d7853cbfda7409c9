"""Measures how far our models lie from transformers + torch, and writes docs/parity.md.

    python -m scripts.parity            everything, and the page; some hours on two cores, most of it compiling
    python -m scripts.parity grid:bert  one part; what is measured is kept in docs/parity and not measured again
    python -m scripts.parity page       the page from what is there

Parts: grid:dinov2, grid:dinov2_with_registers, grid:dinov3, grid:modernbert, grid:bert, grid:bert_bare, grid:qwen3,
grid:llama, full (published sizes; 10 GB of memory), real (published weights, with PRIMA_REAL_WEIGHTS), port (another JAX
port, with EQUIMO_PYTHON), page. The configs of `full` and `port` are looked for by scripts/comparison/full_size.py.
"""

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers

from scripts.comparison import full_size, measure_full_size, measured, page, port, real_weights
from scripts.comparison.differences import compare
from scripts.comparison.random_configs import ARCHITECTURES, case


def grid(architecture: str) -> None:
    """Compares the random configurations of an architecture, a line of JSON for each; goes on where it was stopped."""
    for name, numbers, options in (
        ("", page.CONFIGURATIONS, {}),
        ("_optimized", page.COMPILED_FULLY, {"compiler_options": None}),
    ):
        path = measured.FOLDER / f"grid_{architecture}{name}.jsonl"
        done = {result["number"] for result in measured.read_grid(path)}
        for number in sorted(set(range(numbers)) - done):
            differences = compare(case(architecture, page.SEED, number), **options)
            measured.append(path, {"number": number, "differences": differences})
            print(f"{architecture}{name} {number:3}  {max(differences['ours to torch'].values()):.1e}", flush=True)


def full() -> None:
    """Compares the models of published sizes."""
    _by_name(measured.FOLDER / "full.json", full_size.MODELS, measure_full_size.measure)


def real() -> None:
    """Compares published weights on photographs; needs PRIMA_REAL_WEIGHTS, the folder that holds theirs."""
    _by_name(measured.FOLDER / "real.json", real_weights.MODELS, real_weights.measure_named)


def other_port() -> None:
    """Compares another port's DINOv3, and ours; needs EQUIMO_PYTHON, a Python that has equimo."""
    _by_name(measured.FOLDER / "port.json", port.MODELS, port.measure)


def _by_name(path: Path, names: Iterable[str], measure: Callable[[str], Any]) -> None:
    """{name: what was measured} in a JSON file, each in a process of its own, which gives back its memory."""
    for name in names:
        if name not in (results := measured.read(path)):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                results[name] = process.submit(measure, name).result()
            measured.write(path, results)
            print(name, results[name], flush=True)


def write_page() -> None:
    """docs/parity.md, from what is in docs/parity."""
    page.PAGE.write_text(page.render())


PARTS = {f"grid:{architecture}": partial(grid, architecture) for architecture in ARCHITECTURES} | {
    "full": full,
    "real": real,
    "port": other_port,
    "page": write_page,
}


if __name__ == "__main__":
    torch.set_num_threads(1)  # tiny models: threads only wait for each other
    transformers.utils.logging.disable_progress_bar()
    for part in sys.argv[1:] or PARTS:
        if part != "page":
            measured.note_versions()
        PARTS[part]()
