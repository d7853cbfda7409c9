"""Stage 1's step beside the same step with every place of a text through the vocabulary, in one run.

    python -m benchmarks.masked_language

Forward and backward of the loss with adapters of rank 8, 32 texts of 128 tokens, three tenths of them masked, float32, on one
device. Turns alternate; a line says what each takes, as the median of wall time and of the processors' time, and how far
losses and gradients are apart.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import jax
import jax.numpy as jnp
import numpy as np
import optax

from prima_jax.models import lora, pretrained
from prima_jax.stages.knowledge import masked_language_loss, most_masked
from prima_jax.training.parallel import AXIS

TEXTS, LENGTH, PROBABILITY, ROUNDS = 32, 128, 0.3, 5
SIZES = {"hidden_size": 384, "num_hidden_layers": 6}
ENCODERS = {
    "BERT": {"model_type": "bert", **SIZES, "num_attention_heads": 12, "intermediate_size": 1536, "vocab_size": 30522},
    "ModernBERT": {"model_type": "modernbert", **SIZES, "num_attention_heads": 6, "intermediate_size": 576, "vocab_size": 50368},
}


def every_place(module: Any) -> Callable[..., Any]:
    """The loss as it would be with all places through the vocabulary."""

    def loss(trainable: Any, frozen: Any, batch: dict[str, jax.Array]) -> Any:
        logits = module.apply({**frozen, **trainable}, batch["input_ids"], batch["attention_mask"]).logits
        errors = optax.softmax_cross_entropy_with_integer_labels(logits, batch["labels"])
        masked = batch["loss_mask"].astype(jnp.float32)
        mean_count = jnp.maximum(jax.lax.pmean(masked.sum(), AXIS), 1e-6)
        correct = (masked * (logits.argmax(-1) == batch["labels"])).sum() / mean_count
        return (errors * masked).sum() / mean_count, {"masked_accuracy": correct}

    return loss


def measure(name: str) -> str:
    """One line on one encoder."""
    module = pretrained.build(ENCODERS[name])
    variables = pretrained.init_random(module, 0)
    targets = lora.all_linears(module.config)
    adapters = lora.init_adapters(jax.random.key(0), variables["params"], rank=8, alpha=16.0, targets=targets)
    trainable = {"lora": jax.tree.map(lambda leaf: leaf + 0.01, adapters["lora"])}
    frozen = {**variables, "lora_scale": adapters["lora_scale"]}
    given = batch(ENCODERS[name]["vocab_size"])
    steps = {
        "all": compiled(every_place(module), trainable, frozen, given),
        "masked": compiled(masked_language_loss(module, PROBABILITY), trainable, frozen, given),
    }
    answers = {kind: step() for kind, step in steps.items()}
    wall: dict[str, list[float]] = {kind: [] for kind in steps}
    processors: dict[str, list[float]] = {kind: [] for kind in steps}
    for _ in range(ROUNDS):
        for kind, step in steps.items():
            started, used = time.perf_counter(), time.process_time()
            step()
            wall[kind].append(time.perf_counter() - started)
            processors[kind].append(time.process_time() - used)
    (losses, gradients), timings = zip(*((a[0][0][0], flat(a[1])) for a in answers.values()), strict=True), []
    for what, times in (("s", wall), ("s of the processors", processors)):
        before, after = (statistics.median(times[kind]) for kind in ("all", "masked"))
        timings.append(f"{before:.2f} -> {after:.2f} {what} ({after / before:.2f})")
    apart = float(np.abs(gradients[0] - gradients[1]).max() / np.abs(gradients[0]).max())
    room = most_masked(TEXTS, LENGTH, PROBABILITY)
    return (
        f"{name}, {room} of {TEXTS * LENGTH} places: {', '.join(timings)}; losses {abs(float(losses[0] - losses[1])):.1e} apart, "
        f"gradients {apart:.1e}"
    )


def compiled(loss: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """A call of loss and gradients on one device, which waits for them."""

    def step(trainable: Any, frozen: Any, given: Any) -> Any:
        return jax.value_and_grad(loss, has_aux=True)(trainable, frozen, given)

    mapped = jax.jit(jax.vmap(step, in_axes=(None, None, 0), axis_name=AXIS))
    return lambda: jax.block_until_ready(mapped(*arguments))


def batch(vocabulary: int) -> dict[str, np.ndarray]:
    rng, shape = np.random.default_rng(0), (1, TEXTS, LENGTH)
    ids, labels = (rng.integers(5, vocabulary, shape).astype(np.int32) for _ in range(2))
    masked = rng.random(shape) < PROBABILITY
    return {"input_ids": ids, "labels": labels, "attention_mask": np.ones(shape, bool), "loss_mask": masked}


def flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


if __name__ == "__main__":
    for encoder in ENCODERS:
        print(measure(encoder), flush=True)
