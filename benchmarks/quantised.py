"""Measures an LLM with quantised kernels: its bytes, and how far its next tokens are from those of its float32 weights.

    python -m benchmarks.quantised --weights=weights/SmolLM2-135M-Instruct
    python -m benchmarks.quantised --sizes=Qwen3-8B/config.json    # bytes alone, of any published config.json, without weights

Texts: the first tokens of README.md and of each page of docs/. Bytes are XLA's account of what a program is given. KL is that
of the float32 model's next token from the quantised one's, in nats, the mean over all tokens; perplexity is that of the texts.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from prima_jax.data.text import load_tokenizer
from prima_jax.models import pretrained
from prima_jax.models.quantized import keep_all
from prima_jax.runtime import setup_process

ROOT = Path(__file__).parents[1]
KINDS = ("", "int8", "nf4")
"""The first is what the others are compared with."""
LENGTH = 128
HEADER = "| kernels | MiB, all | MiB, kernels of the blocks | KL | perplexity |\n| :-- | --: | --: | --: | --: |"


def read_texts(tokenizer: Any) -> np.ndarray:
    """The token ids [N, LENGTH] with which each page begins, without pages that are shorter."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = [tokenizer(page.read_text("utf-8"), add_special_tokens=False)["input_ids"][:LENGTH] for page in pages]
    return np.array([ids for ids in found if len(ids) == LENGTH], np.int32)


def log_probabilities(module: Any, variables: Any, texts: np.ndarray) -> list[np.ndarray]:
    """The log-probabilities of the next token at every token of each text: [LENGTH, V], float32."""

    @jax.jit
    def of_text(variables: Any, ids: jax.Array) -> jax.Array:
        return jax.nn.log_softmax(module.apply(variables, ids[None], output_logits=True).logits[0])

    return [np.asarray(of_text(variables, ids)) for ids in texts]


def divergence(expected: np.ndarray, found: np.ndarray) -> float:
    """The mean of sum p (log p - log q) over the tokens of a text."""
    return float((np.exp(expected) * (expected - found)).sum(axis=-1, dtype=np.float64).mean())


def perplexity(found: list[np.ndarray], texts: np.ndarray) -> float:
    told = [np.take_along_axis(one[:-1], ids[1:, None], axis=-1) for one, ids in zip(found, texts, strict=True)]
    return float(np.exp(-np.mean(told, dtype=np.float64)))


def mebibytes(tree: Any) -> float:
    """On a device; `nbytes` counts a byte for each of two 4-bit values that share one."""
    program = jax.jit(lambda tree: 0, keep_unused=True).lower(tree).compile()
    return program.memory_analysis().argument_size_in_bytes / 2**20


def kernels(variables: Any) -> list[Any]:
    """Those of the blocks."""
    return [leaf for path, leaf in flatten_dict(variables["params"]).items() if path[-1] == "kernel"]


def sizes(config: Path) -> str:
    """Returns a line of bytes for each kind, of a model that is bfloat16 otherwise; nothing is allocated."""
    module = pretrained.build(json.loads(config.read_text("utf-8")))
    lines = ["| kernels | GiB, all | GiB, kernels of the blocks |", "| :-- | --: | --: |"]

    def parameters(kind: str) -> Any:
        read = jax.tree.map(lambda x: x.astype(jnp.bfloat16), pretrained.init_random(module, 0)["params"])
        return {"params": keep_all(read, kind)}

    for kind in KINDS:
        variables = jax.eval_shape(partial(parameters, kind))
        everything, blocks = (mebibytes(tree) / 2**10 for tree in (variables, kernels(variables)))
        lines.append(f"| {kind or 'bfloat16'} | {everything:.2f} | {blocks:.2f} |")
    return "\n".join(lines)


def measure(weights: Path) -> str:
    """Returns a line for each kind, and what was read."""
    texts, lines = read_texts(load_tokenizer(weights)), [HEADER]
    expected: list[np.ndarray] = []
    for kind in KINDS:
        module, variables = pretrained.from_pretrained(weights, quantized=kind)
        found = log_probabilities(module, variables, texts)
        expected = expected or found
        off = np.mean([divergence(*pair) for pair in zip(expected, found, strict=True)])
        bytes_ = f"{mebibytes(variables):.1f} | {mebibytes(kernels(variables)):.1f}"
        lines.append(f"| {kind or 'float32'} | {bytes_} | {off:.4f} | {perplexity(found, texts):.2f} |")
    return "\n".join([*lines, "", f"{weights.name}, {len(texts)} texts of {LENGTH} tokens, jax {jax.__version__}"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--weights", type=Path)
    asked.add_argument("--sizes", type=Path)
    options = parser.parse_args()
    setup_process()
    print(measure(options.weights) if options.weights else sizes(options.sizes))
