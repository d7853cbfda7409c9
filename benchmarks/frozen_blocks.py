"""A step of refinement with adapters in the last blocks alone, on stored tokens, beside one with adapters in all, on pixels.

    python -m benchmarks.frozen_blocks

Forward and backward of the loss of stage 2b, a vision transformer of DINOv2's small size with random weights, 16 photographs of
154 pixels, adapters of rank 32, float32, one device. Turns alternate; a line gives the medians of each kind and their ratio.
What computing the stored tokens takes is a line of its own: once for a cohort, whatever the folds, rows and epochs.
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

from prima_jax.data.images import normalize
from prima_jax.models import lora, pretrained
from prima_jax.models.dual_encoder import ClassifierHead
from prima_jax.stages.refine import ClassWeights, classification

PHOTOGRAPHS, SIZE, RANK, CLASSES, ROUNDS = 16, 154, 32, 6, 5
ENCODER = {"model_type": "dinov2", "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "image_size": 518}
LAST = (4, 2)
"""Numbers of last blocks with adapters that are compared with adapters in all twelve."""


def step(module: Any, variables: Any, last: int, photographs: np.ndarray) -> Callable[[], Any]:
    """A compiled call: loss and gradients of a batch, with adapters in the `last` blocks, 0 for all."""
    depth = module.config.num_hidden_layers
    options = {"rank": RANK, "alpha": 2.0 * RANK, "targets": lora.all_linears(module.config)}
    adapters = lora.init_adapters(jax.random.key(0), variables["params"], last_blocks=last, **options)
    head = ClassifierHead(CLASSES)
    parameters = head.init(jax.random.key(1), jnp.zeros((1, 2, module.config.hidden_size)))["params"]
    trainable = {"image_encoder": {"lora": adapters["lora"]}, "head": parameters}
    frozen = {
        "image_encoder": {**variables, "lora_scale": adapters["lora_scale"]},
        "labels": np.arange(PHOTOGRAPHS, dtype=np.int32) % CLASSES,
        "class_weights": ClassWeights(np.ones(CLASSES, np.float32)),
    }
    loss = classification(module, head, depth - last if last else 0)
    compiled = jax.jit(jax.value_and_grad(loss, has_aux=True))
    batch = {"image": photographs, "index": np.arange(PHOTOGRAPHS, dtype=np.int32)}
    return lambda: jax.block_until_ready(compiled(trainable, frozen, batch))


def main() -> None:
    """Prints a line for each number of blocks."""
    module = pretrained.build(ENCODER)
    variables = pretrained.init_random(module, 0)
    pixels = np.random.default_rng(0).integers(256, size=(PHOTOGRAPHS, SIZE, SIZE, 3), dtype=np.uint8)
    steps = {"12": step(module, variables, 0, pixels)}
    for last in LAST:
        blocks = module.config.num_hidden_layers - last
        prefix = jax.jit(lambda v, x, blocks=blocks: module.apply(v, normalize(x), blocks, method="prefix"))
        tokens = np.asarray(prefix(variables, pixels)).astype(np.float16)
        steps[str(last)] = step(module, variables, last, tokens)
        if last == LAST[0]:
            steps[f"tokens of the first {blocks}"] = lambda prefix=prefix: jax.block_until_ready(prefix(variables, pixels))
    times: dict[str, list[float]] = {name: [] for name in steps}
    for run in steps.values():  # compiles
        run()
    for _ in range(ROUNDS):
        for name, run in steps.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    whole = statistics.median(times["12"])
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(
            f"{name:>24}: {1000 * middle / PHOTOGRAPHS:6.1f} ms a photograph, {middle / whole:.2f} of adapters in all 12 blocks"
        )


if __name__ == "__main__":
    main()
