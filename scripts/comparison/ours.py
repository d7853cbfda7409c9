"""The inputs of our models and of transformers', and our answers: outputs, and gradients of a random linear functional.

Both sides have the same adapters (rank 3 on every linear layer of a block, neither factor zero), the same functional and
the same zeros added to the embedded input, with respect to which its gradient is taken.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from prima_jax.models import lora
from prima_jax.models.layers import EncoderOutput

__all__ = ["QUICK", "SCALE", "Answer", "Probe", "apply", "ours", "probe"]

QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
"""Compiler options that save three quarters of the time it takes to compile a tiny model, for what runs once."""
RANK, ALPHA = 3, 6.0
SCALE = ALPHA / RANK
EMBEDDINGS = ("tok_embeddings", "word_embeddings", "embed_tokens")


class Answer(NamedTuple):
    """Arrays of one side. What stands at padding means nothing, and is left out by whoever compares."""

    states: np.ndarray
    """[layers + 1, B, T, d]."""
    outputs: dict[str, np.ndarray]
    """last_hidden_state [B, T, d] and, where there is a head, logits [B, T, vocabulary]."""
    adapter_gradients: dict[tuple[str, ...], np.ndarray]
    """By path, the last part of which is A or B."""
    input_gradients: np.ndarray
    """Of the pixels [B, H, W, C], or of the embedded tokens [B, T, d]."""


class Probe(NamedTuple):
    """The inputs of both models."""

    inputs: Mapping[str, np.ndarray]
    adapters: dict[str, Any]
    """The collections `lora` and `lora_scale`."""
    functional: dict[str, np.ndarray]
    """A weight for each number of `Answer.outputs`; zero at padding."""


def probe(module: nn.Module, variables: Mapping[str, Any], inputs: Mapping[str, np.ndarray], seed: int) -> Probe:
    """Random adapters and a random functional for a model and its inputs."""
    rng = np.random.default_rng([seed, 7])
    targets = lora.all_linears(module.config)
    fresh = jax.eval_shape(
        lambda params: lora.init_adapters(jax.random.key(0), params, rank=RANK, alpha=ALPHA, targets=targets), variables["params"]
    )
    drawn = {
        path: (0.3 * rng.standard_normal(leaf.shape) / leaf.shape[0] ** 0.5).astype(np.float32)
        for path, leaf in flatten_dict(fresh["lora"]).items()
    }
    scale = jax.tree.map(lambda _: np.float32(SCALE), fresh["lora_scale"])
    shapes = jax.eval_shape(lambda: _outputs(apply(module, variables, inputs)))
    seen = inputs.get("attention_mask")
    functional = {
        name: (rng.standard_normal(shape.shape) * (1 if seen is None else seen[..., None])).astype(np.float32)
        for name, shape in shapes.items()
    }
    return Probe(inputs, {"lora": unflatten_dict(drawn), "lora_scale": scale}, functional)


def apply(module: nn.Module, variables: Mapping[str, Any], inputs: Mapping[str, Any]) -> EncoderOutput:
    """Our output with all hidden states, and with logits where the model has them, for inputs by transformers' names."""
    given = dict(inputs)
    first = given.pop("pixel_values" if "pixel_values" in given else "input_ids")
    options = {"output_logits": True} if hasattr(module, "class_logits") else {}
    return module.apply(variables, first, **given, **options, output_hidden_states=True)


def ours(
    module: nn.Module, variables: Mapping[str, Any], query: Probe, compiler_options: Mapping[str, Any] | None = None
) -> Answer:
    """Our answer, compiled as one program, in the type of `module` and of `variables`."""
    dtype = module.dtype
    rest = dict(variables) | {"lora_scale": query.adapters["lora_scale"]}
    text = "input_ids" in query.inputs
    shape = (*query.inputs["input_ids"].shape, module.config.hidden_size) if text else query.inputs["pixel_values"].shape

    def value(adapters: Any, offset: jax.Array, rest: Any) -> tuple[jax.Array, Any]:
        given = dict(query.inputs)
        if not text:
            given["pixel_values"] = given["pixel_values"] + offset
        with nn.intercept_methods(_add_to_embeddings(offset)):
            output = apply(module, rest | {"lora": adapters}, given)
        outputs = _outputs(output)
        total = sum((outputs[name] * weight).sum() for name, weight in query.functional.items())
        return total, (jnp.stack(output.hidden_states), outputs)

    compiled = jax.jit(jax.value_and_grad(value, (0, 1), has_aux=True), compiler_options=compiler_options)
    adapters = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), query.adapters["lora"])
    (_, (states, outputs)), gradients = compiled(adapters, jnp.zeros(shape, dtype), rest)
    outputs = {name: np.asarray(array) for name, array in outputs.items()}
    by_path = {path: np.asarray(leaf) for path, leaf in flatten_dict(gradients[0]).items()}
    return Answer(np.asarray(states), outputs, by_path, np.asarray(gradients[1]))


def _outputs(output: Any) -> dict[str, jax.Array]:
    logits = {} if output.logits is None else {"logits": output.logits}
    return {"last_hidden_state": output.last_hidden_state} | logits


def _add_to_embeddings(offset: jax.Array) -> Callable[..., Any]:
    def interceptor(call: Any, arguments: Any, options: Any, context: Any) -> Any:
        embeds = context.module.name in EMBEDDINGS and context.method_name == "__call__"
        return call(*arguments, **options) + offset if embeds else call(*arguments, **options)

    return interceptor
