"""Low-rank adapters (Hu et al. 2021, arXiv 2106.09685), kept in collections of their own beside frozen parameters.

`layers.Dense` adds (x A) B alpha / r wherever it finds an adapter: A [in, r] and B [r, out] in the collection `lora`,
the only one that is trained, and the scalar alpha / r in `lora_scale`.
"""

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict

from prima_jax.errors import UserError
from prima_jax.models.quantized import whole

__all__ = [
    "DEFAULT_TARGETS",
    "Share",
    "all_linears",
    "count",
    "init_adapters",
    "merge",
]

_VIT = ("q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj")
_DECODER = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
DEFAULT_TARGETS = {
    "dinov2": _VIT,
    "dinov2_with_registers": _VIT,
    "dinov3_vit": _VIT,
    "modernbert": ("Wqkv", "Wo", "Wi"),
    "bert": ("query", "key", "value", "output", "intermediate"),
    "qwen3": _DECODER,
    "llama": _DECODER,
}
"""`model_type` -> all linears of its blocks, by our names; "Wo" and "output" are attention's and the MLP's."""


class Share(NamedTuple):
    """The number of trainable parameters of an adapter, and of all parameters of the model with it."""

    trainable: int
    total: int

    @property
    def fraction(self) -> float:
        return self.trainable / self.total


def all_linears(config: Any) -> tuple[str, ...]:
    """Returns the default targets of an architecture: every linear layer of its blocks, without heads and embeddings."""
    targets = DEFAULT_TARGETS[config.to_dict()["model_type"]]
    return (*targets, "gate_proj") if getattr(config, "use_gated_mlp", False) else targets


def init_adapters(
    rng: jax.Array, params: Mapping[str, Any], *, rank: int, alpha: float, targets: tuple[str, ...], last_blocks: int = 0
) -> dict[str, Any]:
    """Returns {"lora": ..., "lora_scale": ...} for every Dense of `params` that `targets` names.

    A target is the last part of a module's dotted path, one name or several ("q_proj", "attn.Wo"), as PEFT's
    `target_modules`. A is drawn as PEFT draws it, Kaiming-uniform with a = sqrt(5), which is uniform within
    1 / sqrt(in); B is zero, so that a fresh adapter changes nothing. Both are float32.
    `last_blocks` restricts them to that many of the last layers; 0 means every module, also outside of layers.
    Raises UserError if a target names no module, the rank is not positive, or there are fewer layers.
    """
    if rank < 1:
        raise UserError(f"A LoRA rank of {rank} was asked for; choose 1 or more.")
    kernels = {path[:-1]: leaf for path, leaf in flatten_dict(params).items() if path[-1] == "kernel" and leaf.ndim == 2}
    kernels = _of_last_blocks(kernels, last_blocks)
    for target in targets:
        if not any(_matches(path, target) for path in kernels):
            known = ", ".join(sorted({path[-1] for path in kernels}))
            raise UserError(f"The LoRA target {target!r} names no linear layer of this model; it has {known}.")
    lora, scale = {}, {}
    for path, kernel in kernels.items():
        if any(_matches(path, target) for target in targets):
            inputs, outputs = kernel.shape
            bound = inputs**-0.5
            key = jax.random.fold_in(rng, zlib.crc32(".".join(path).encode()))
            lora[(*path, "A")] = jax.random.uniform(key, (inputs, rank), jnp.float32, -bound, bound)
            lora[(*path, "B")] = jnp.zeros((rank, outputs), jnp.float32)
            scale[(*path, "scale")] = jnp.float32(alpha / rank)
    return {"lora": unflatten_dict(lora), "lora_scale": unflatten_dict(scale)}


def merge(params: Mapping[str, Any], adapters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters with kernels W + A B alpha / r, computed in float32, for use without adapters.

    `adapters` holds the collections `lora` and `lora_scale`; raises UserError where one fits no kernel of `params`.
    """
    flat = flatten_dict(params)
    lora, scales = flatten_dict(adapters["lora"]), flatten_dict(adapters["lora_scale"])
    for path in sorted({path[:-1] for path in lora}):
        a, b, kernel = lora[(*path, "A")], lora[(*path, "B")], flat.get((*path, "kernel"))
        if kernel is None or kernel.shape != (a.shape[0], b.shape[1]):
            present = "no kernel" if kernel is None else f"a kernel {list(kernel.shape)}"
            expected = [a.shape[0], b.shape[1]]
            raise UserError(f"The adapter at {'.'.join(path)} expects a kernel {expected}, the model has {present} there.")
        update = a.astype(jnp.float32) @ b.astype(jnp.float32) * scales[(*path, "scale")]
        flat[(*path, "kernel")] = (whole(kernel).astype(jnp.float32) + update).astype(kernel.dtype)
    return unflatten_dict(flat)


def count(params: Mapping[str, Any], adapters: Mapping[str, Any]) -> Share:
    """Returns the share of the model that `adapters["lora"]` trains; accepts abstract values (jax.eval_shape)."""
    trainable = sum(leaf.size for leaf in jax.tree.leaves(adapters["lora"]))
    return Share(trainable, trainable + sum(leaf.size for leaf in jax.tree.leaves(params)))


def _of_last_blocks(kernels: Mapping[tuple[str, ...], Any], last_blocks: int) -> dict[tuple[str, ...], Any]:
    """Returns the kernels below the `last_blocks` highest `layers_i`; all of them for 0."""
    if not last_blocks:
        return dict(kernels)
    numbers = {path: int(path[0].removeprefix("layers_")) for path in kernels if path[0].startswith("layers_")}
    depth = 1 + max(numbers.values(), default=-1)
    if not 0 < last_blocks <= depth:
        raise UserError(
            f"Adapters on the last {last_blocks} blocks were asked for of a model that has {depth}; choose 0 to {depth}."
        )
    return {path: kernels[path] for path, number in numbers.items() if number >= depth - last_blocks}


def _matches(path: tuple[str, ...], target: str) -> bool:
    return f".{'.'.join(path)}".endswith(f".{target}")
