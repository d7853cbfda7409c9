"""A training step of every stage of the full recipe on this machine's GPUs or TPUs, beside torch and PEFT where they see one.

    python -m benchmarks.on_a_gpu --configs=DIR --out=FILE.json

configs: a folder for each model with its published config.json (DINOv3 ViT-B, ModernBERT-base, Qwen3-1.7B). Weights are random
numbers of the published shapes. On one device, and on all where there are several, each with the recipe's share of a batch.
Prints a table, and writes the same as JSON. Minutes, most of them compiling; compiled programs are kept for the next call.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import jax

from benchmarks.recipe_steps import STAGES, Cohort, build, filled, operations, sequence_of
from benchmarks.timing import call_of, milliseconds
from configs.aqua import get_config
from prima_jax.runtime import setup_process
from prima_jax.training.parallel import Parallel

MODELS = dict(
    zip(STAGES, ("ModernBERT-base", *2 * ("dinov3-vitb16-pretrain-lvd1689m",), "Qwen3-1.7B"), strict=True),
)
PEAKS = {
    "RTX 4090": 165.2,
    "H100": 989.5,
    "H200": 989.5,
    "A100": 312.0,
    "L40S": 362.0,
    "TPU v5 lite": 197.0,
    "TPU v6 lite": 918.0,
}
"""bfloat16 TFLOP/s without sparsity, by a part of the device's name, from its maker's data sheet."""
ROUNDS = 10
SHARES = 2
"""Devices that the recipe's batches are for (two RTX 4090)."""
HEADER = (
    "| stage | devices | batch | ms | share of peak | GiB of a device | torch, ms | ratio |\n|:--|--:|--:|--:|--:|--:|--:|--:|"
)


def main() -> int:
    """Prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    setup_process()
    kind = jax.devices()[0].device_kind
    print(f"{len(jax.devices())} x {kind}, jax {jax.__version__}, {get_config().dtype}\n\n{HEADER}", flush=True)
    rows: list[dict[str, Any]] = []
    for count in sorted({1, len(jax.devices())}):
        for stage in STAGES:
            rows.append({"device": kind, "jax": jax.__version__, **measure(stage, count, options.configs)})
            print(line(rows[-1]), flush=True)
            options.out.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def measure(stage: str, count: int, configs: Path) -> dict[str, Any]:
    """One stage's step on so many devices; torch's beside it on one, where it sees a GPU."""
    config, cohort = get_config(), Cohort()
    described = json.loads((configs / MODELS[stage] / "config.json").read_text())
    batch = count * config[stage].batch_size // SHARES
    devices = jax.devices()[:count]
    abstract = build(config, stage, described, batch, cohort)
    calls = [call_of(filled(abstract), Parallel("pmap" if count == len(jax.devices()) else "shard_map", devices))]
    if count == 1 and torch_sees_a_gpu():
        from benchmarks.torch_steps import reference_step

        calls.append(reference_step(config, stage, described, batch, cohort, sequence_of(config, cohort), "cuda"))
    ours, *theirs = milliseconds(calls, ROUNDS)
    teraflops = operations(abstract, count) / 1e12
    peak = next((peak for name, peak in PEAKS.items() if name in devices[0].device_kind), None)
    memory = (devices[0].memory_stats() or {}).get("peak_bytes_in_use")
    return {
        "stage": stage,
        "devices": count,
        "batch": batch,
        "milliseconds": ours,
        "share_of_peak": teraflops / (ours / 1e3) / peak if peak else None,
        "peak_bytes_so_far": memory,
        "torch_milliseconds": theirs[0] if theirs else None,
    }


def torch_sees_a_gpu() -> bool:
    """Returns True if torch and PEFT are installed and torch sees a GPU."""
    try:
        import peft  # noqa: F401
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def line(row: dict[str, Any]) -> str:
    """A line of the table; what is not known is a dash."""
    share = f"{100 * row['share_of_peak']:.0f}%" if row["share_of_peak"] else "-"
    memory = f"{row['peak_bytes_so_far'] / 2**30:.1f}" if row["peak_bytes_so_far"] else "-"
    peer, ratio = "-", "-"
    if row["torch_milliseconds"]:
        peer, ratio = f"{row['torch_milliseconds']:.1f}", f"{row['milliseconds'] / row['torch_milliseconds']:.2f}"
    cells = row["stage"], row["devices"], row["batch"], f"{row['milliseconds']:.1f}", share, memory, peer, ratio
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
