"""The page of receipts: what each step needs of a device, the largest batch that fits, and seconds at a share of its peak."""

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["HARDWARE", "PAGE", "RECEIPTS", "Hardware", "Receipt", "page", "read"]

RECEIPTS, PAGE = Path("docs/receipts.json"), Path("docs/receipts.md")


@dataclass(frozen=True)
class Hardware:
    """Devices that a program is compiled for."""

    name: str
    platform: str
    topology: dict[str, Any]
    """The keyword arguments of jax.experimental.topologies.get_topology_desc."""
    devices: int
    usable: float
    """Bytes of one device that a program may have."""
    peak: float
    """bfloat16 operations a second of one device, from its maker's data sheet."""


RTX_4090 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 shared_memory_per_core: 102400
  threads_per_core_limit: 1536 core_count: 128 fpus_per_core: 128 block_dim_limit_x: 2147483647 block_dim_limit_y: 65535
  block_dim_limit_z: 65535 memory_bandwidth: 1008096000000 l2_cache_size: 75497472 clock_rate_ghz: 2.52
  device_memory_size: 25393692672 shared_memory_per_block_optin: 101376 cuda_compute_capability { major: 8 minor: 9 }
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
runtime_version { major: 12 minor: 9 patch: 0 }
device_description_str: "NVIDIA GeForce RTX 4090"
"""
"""XLA's description of a GPU (stream_executor's GpuTargetConfigProto), with the figures of NVIDIA's Ada white paper."""

HARDWARE = (
    Hardware(
        "2 x RTX 4090",
        "cuda",
        {"topology_name": "two", "topology": "1x1x2", "target_config": RTX_4090},
        devices=2,
        usable=22.1 * 2**30,
        peak=165.2e12,
    ),
    Hardware("v5e-8", "tpu", {"topology_name": "v5e:2x4"}, devices=8, usable=15.75 * 2**30, peak=197e12),
)


@dataclass(frozen=True)
class Receipt:
    """One step's program for one device of some hardware; figures are 0 before it is compiled."""

    hardware: str
    stage: str
    model: str
    remat: bool
    batch: int
    """Examples on one device."""
    arguments: int = 0
    temporaries: int = 0
    outputs: int = 0
    """Bytes that are not in the place of arguments."""
    operations: float = 0.0
    seconds: int = 0
    """To compile it."""
    refused: str = ""
    """Why the compiler refused it."""
    quantized: str = ""
    """The type of the LLM's frozen kernels, where it is not the recipe's."""

    @property
    def key(self) -> tuple[Any, ...]:
        return self.hardware, self.stage, self.model, self.remat, self.batch, self.quantized

    @property
    def bytes(self) -> int:
        return self.arguments + self.temporaries + self.outputs


def read() -> list[Receipt]:
    """The receipts so far."""
    return [Receipt(**row) for row in json.loads(RECEIPTS.read_text())] if RECEIPTS.exists() else []


def page(receipts: list[Receipt]) -> str:
    """docs/receipts.md: a table for each hardware, of the pairs of batches that were compiled."""
    pairs: dict[Any, list[Receipt]] = defaultdict(list)
    for receipt in receipts:
        pairs[receipt.hardware, receipt.stage, receipt.model, receipt.remat, receipt.quantized].append(receipt)
    lines = [HEAD]
    for hardware in HARDWARE:
        rows = [row(hardware, pair) for (name, *_), pair in sorted(pairs.items(), key=order) if name == hardware.name]
        lines += [
            f"\n## {hardware.name}\n",
            described(hardware),
            "",
            *([TABLE, *rows] if rows else ["Nothing was compiled for it yet."]),
        ]
    return "\n".join(lines)


HEAD = """<!-- by: python -m benchmarks.receipts -->
# What fits where, before buying

Steps of the full recipe (`configs/aqua.py`: bfloat16, adapters in every linear layer, 224 px, 1,800 eyes of three photographs),
**compiled for hardware that was not there, and not run**: no figure here is a measurement of a device (`python -m
benchmarks.receipts`, JAX's ahead-of-time compilation for a described topology). Bytes are XLA's own account of one device: what a
step is given (weights, adapters and their optimiser state, its batch), and what it holds beside that. Where a largest batch is
given, the step was also compiled at four times the recipe's share: it is by the line through the two, and was not compiled
itself. Seconds are operations over a share of the peak that the maker states: what such a share would give, not what will be
reached. Operations are counted in the step as it is written."""

TABLE = (
    "| stage | model | remat | batch of a device | GiB given | GiB beside | largest batch that fits | TFLOP of a step "
    "| ms at 40% of peak | at 60% |\n|:--|:--|:--|--:|--:|--:|--:|--:|--:|--:|"
)
STAGES = {"knowledge": "1, texts", "align": "2, units of two views", "refine": "2b, photographs", "diagnose": "3, cases"}


def order(item: tuple[Any, Any]) -> Any:
    """Stage by stage, smaller models first, whole kernels and remat first."""
    (_, stage, model, remat, quantized), pair = item
    width = float(re.findall(r"[\d.]+(?=B$)", model)[0]) if stage == "diagnose" else pair[0].arguments
    return list(STAGES).index(stage), width, quantized, not remat


def described(hardware: Hardware) -> str:
    return (
        f"{hardware.devices} devices with {hardware.usable / 2**30:.2f} GiB that a program may have; "
        f"{hardware.peak / 1e12:.0f} bfloat16 TFLOP/s each, says the maker."
    )


def row(hardware: Hardware, pair: list[Receipt]) -> str:
    """A line of the table, with the figures of the smaller batch."""
    small = min(pair, key=lambda receipt: receipt.batch)
    model = small.model.removesuffix("-pretrain-lvd1689m") + (f", {small.quantized}" if small.quantized else "")
    named = f"| {STAGES[small.stage]} | {model} | {'yes' if small.remat else 'no'} "
    if small.refused:
        return f"{named}| {small.batch} | | | does not fit | | | |"
    milliseconds = [f"{1e3 * small.operations / hardware.peak / share:.1f}" for share in (0.4, 0.6)]
    return (
        f"{named}| {small.batch} | {small.arguments / 2**30:.2f} | {(small.temporaries + small.outputs) / 2**30:.2f} "
        f"| {largest(hardware, pair)} | {small.operations / 1e12:.2f} | {' | '.join(milliseconds)} |"
    )


def largest(hardware: Hardware, pair: list[Receipt]) -> str:
    """The largest batch of a device that fits, by the line through the two compiled ones."""
    small, *others = sorted(pair, key=lambda receipt: receipt.batch)
    if not others:
        return ""
    large = others[-1]
    if large.refused:
        return f"{small.batch} to {large.batch - 1}" if small.bytes <= hardware.usable else "none"
    slope = (large.bytes - small.bytes) / (large.batch - small.batch)
    return f"{max(0, int(small.batch + (hardware.usable - small.bytes) / slope)):,}"
