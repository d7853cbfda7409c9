"""The answer of a model of transformers to the same inputs, and its own error in bfloat16."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from flax import linen as nn
from flax.traverse_util import flatten_dict
from torch.overrides import TorchFunctionMode

from prima_jax.models import pretrained
from scripts.comparison.bfloat16 import relative_errors
from scripts.comparison.ours import SCALE, Answer, Probe

__all__ = ["bfloat16_errors", "theirs"]


def theirs(built: torch.nn.Module, module: nn.Module, query: Probe) -> Answer:
    """The answer of a model of transformers, in the type of its parameters. `module` is ours, for the names of layers."""
    dtype = next(built.parameters()).dtype
    factors = {
        path: torch.tensor(leaf, dtype=dtype).requires_grad_() for path, leaf in flatten_dict(query.adapters["lora"]).items()
    }
    hooks = [
        layer.register_forward_hook(_add_adapter(factors[(*path, "A")], factors[(*path, "B")]))
        for path, layer in _linears(built, module, {path[:-1] for path in factors}).items()
    ]
    given = {name: torch.tensor(array) for name, array in query.inputs.items()}
    if "pixel_values" in given:
        source = given["pixel_values"].to(dtype).requires_grad_()
        given["pixel_values"] = source.permute(0, 3, 1, 2)
    else:
        given = {name: tensor.long() for name, tensor in given.items()}
        source = torch.zeros(*given["input_ids"].shape, module.config.hidden_size, dtype=dtype, requires_grad=True)
        hooks.append(built.get_input_embeddings().register_forward_hook(lambda _, __, embedded: embedded + source))
    built.requires_grad_(False)
    with KeepFloat64():
        output = built(**given, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    outputs = {"last_hidden_state": getattr(output, "last_hidden_state", output.hidden_states[-1])}
    outputs |= {"logits": output.logits} if "logits" in output else {}
    sum((outputs[name] * torch.tensor(weight)).sum() for name, weight in query.functional.items()).backward()
    return Answer(
        torch.stack(output.hidden_states).detach().numpy(),
        {name: tensor.detach().numpy() for name, tensor in outputs.items()},
        {path: factor.grad.numpy() for path, factor in factors.items()},
        source.grad.numpy(),
    )


def bfloat16_errors(built: torch.nn.Module, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns our_errors of a model of transformers, which is left in float32 with weights that bfloat16 can hold."""
    rounded, exact = (_states(_converted(built, dtype), inputs) for dtype in (torch.bfloat16, torch.float32))
    return relative_errors(rounded, exact, inputs.get("attention_mask"))


class KeepFloat64(TorchFunctionMode):
    """Leaves float64 tensors in float64 where transformers turns them into float32 on the way: RMS norms and rotations."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        to_float32 = function is torch.Tensor.float or (
            function is torch.Tensor.to and torch.float32 in (*args[1:], kwargs.get("dtype"))
        )
        return args[0] if to_float32 and args[0].dtype == torch.float64 else function(*args, **kwargs)


def _add_adapter(a: torch.Tensor, b: torch.Tensor) -> Callable[..., torch.Tensor]:
    return lambda _, arguments, output: output + arguments[0] @ a * SCALE @ b


def _linears(built: torch.nn.Module, module: nn.Module, paths: set[tuple[str, ...]]) -> dict[tuple[str, ...], torch.nn.Module]:
    """Their layer for each of our `paths`."""
    key_map, layers = pretrained.architecture_of(module).key_map, dict(built.named_modules())
    kernels = [(*path, "kernel") for path in paths]
    modules = {}
    for link in key_map.links(module.config.num_hidden_layers, kernels):
        names = [name.removesuffix(".weight") for name in key_map.spellings(link.name)]
        (modules[link.path[:-1]],) = {layers[name] for name in names if name in layers}
    return modules


def _states(built: torch.nn.Module, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    given = {name: torch.tensor(array) for name, array in inputs.items()}
    if "pixel_values" in given:
        given["pixel_values"] = given["pixel_values"].permute(0, 3, 1, 2).to(next(built.parameters()).dtype)
    with torch.no_grad():
        states = built(**given, output_hidden_states=True).hidden_states
    return [state.float().numpy() for state in states]


def _converted(built: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    """The model with parameters in another type; not its buffers, since transformers keeps rotary frequencies in float32."""
    for parameter in built.parameters():
        parameter.data = parameter.data.to(dtype)
    return built
