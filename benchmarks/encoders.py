"""Speed of the encoders and the LLM beside transformers + torch: the same model, weights and batch, in one run.

    make benchmark

Both read one checkpoint that transformers saved, and have to agree before they are timed. float32 on the machine's
processors, which is where the two can be compared; turns alternate A-B-A-B, since a machine's speed drifts. What counts
is the ratio of medians: below 1 ours is faster. Times are those of whole calls, results waited for, compiled before.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import jax
import jax.numpy as jnp
import numpy as np
import torch
import transformers

from prima_jax.models import pretrained

ROUNDS = 7
AGREEMENT = 2e-3
"""Largest difference of two models' hidden states: float32 over tens of layers of random weights, values of order 1 to 10."""


class Workload(NamedTuple):
    """One architecture at a published width: how transformers builds it, and what it is given."""

    name: str
    build: Callable[[], torch.nn.Module]
    inputs: dict[str, np.ndarray]


def workloads() -> list[Workload]:
    """DINOv3 ViT-S/16 whole; ModernBERT-base and Qwen3-0.6B with fewer of their layers, which are all alike."""
    rng = np.random.default_rng(0)
    vision = transformers.DINOv3ViTConfig(num_register_tokens=4, key_bias=False)
    text = transformers.ModernBertConfig(num_hidden_layers=6)
    llm = transformers.Qwen3Config(
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=4,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
        vocab_size=4096,
    )
    images = rng.standard_normal((8, 224, 224, 3)).astype(np.float32)
    return [
        Workload("DINOv3 ViT-S/16, 8 images", lambda: transformers.DINOv3ViTModel(vision), {"pixel_values": images}),
        Workload("ModernBERT-base, 6 layers, 8 x 192 tokens", lambda: transformers.ModernBertModel(text), ids(rng, 8, 192)),
        Workload("Qwen3-0.6B, 4 layers, 8 x 128 tokens", lambda: transformers.Qwen3Model(llm), ids(rng, 8, 128)),
    ]


def ids(rng: np.random.Generator, batch: int, length: int) -> dict[str, np.ndarray]:
    """Texts without padding."""
    return {"input_ids": rng.integers(10, 4000, (batch, length)).astype(np.int32)}


def ours(folder: str, inputs: dict[str, np.ndarray]) -> dict[str, Callable[[], Any]]:
    """{"forward", "forward and backward"} -> a call that returns hidden states, or the gradient of every parameter."""
    module, variables = pretrained.from_pretrained(folder)
    (given,) = (jnp.asarray(value) for value in inputs.values())

    def hidden(variables: Any, given: jax.Array) -> jax.Array:
        return module.apply(variables, given).last_hidden_state

    forward = jax.jit(hidden)
    backward = jax.jit(jax.grad(lambda variables, given: jnp.square(hidden(variables, given)).mean()))
    return {
        "forward": lambda: jax.block_until_ready(forward(variables, given)),
        "forward and backward": lambda: jax.block_until_ready(backward(variables, given)),
    }


def theirs(model: torch.nn.Module, inputs: dict[str, np.ndarray]) -> dict[str, Callable[[], Any]]:
    """The same of transformers."""
    given = {name: torch.tensor(value) for name, value in inputs.items()}
    given = {n: v.permute(0, 3, 1, 2).contiguous() if n == "pixel_values" else v.long() for n, v in given.items()}

    def forward() -> torch.Tensor:
        with torch.no_grad():
            return model(**given).last_hidden_state

    def backward() -> None:
        model.zero_grad()
        model(**given).last_hidden_state.square().mean().backward()

    return {"forward": forward, "forward and backward": backward}


def compare(workload: Workload) -> None:
    """Prints a line for each direction: milliseconds of both, and their ratio."""
    torch.manual_seed(0)
    model = workload.build().float().eval()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        mine = ours(folder, workload.inputs)
    reference = theirs(model, workload.inputs)
    difference = float(np.abs(np.asarray(mine["forward"]()) - reference["forward"]().numpy()).max())
    if difference > AGREEMENT:
        raise SystemExit(f"{workload.name}: the two differ by {difference:.1e}, so their times cannot be compared.")
    for direction in mine:
        times: dict[str, list[float]] = {"jax": [], "torch": []}
        calls = {"jax": mine[direction], "torch": reference[direction]}
        for call in calls.values():
            call()
        for _ in range(ROUNDS):
            for name, call in calls.items():
                started = time.perf_counter()
                call()
                times[name].append(1e3 * (time.perf_counter() - started))
        jax_ms, torch_ms = (statistics.median(times[name]) for name in ("jax", "torch"))
        print(
            f"{workload.name:<42} {direction:<21} jax {jax_ms:7.1f} ms   torch {torch_ms:7.1f} ms   "
            f"ratio {jax_ms / torch_ms:5.2f}   largest difference {difference:.0e}",
            flush=True,
        )


if __name__ == "__main__":
    print(f"jax {jax.__version__}, torch {torch.__version__}, transformers {transformers.__version__}, {os.cpu_count()} cores")
    for each in workloads():
        compare(each)
