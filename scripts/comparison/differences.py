"""Differences of two answers, and the comparison of one configuration in float32 and with float64."""

import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import transformers

from prima_jax.models import pretrained
from scripts.comparison.ours import QUICK, Answer, ours, probe
from scripts.comparison.random_configs import Case
from scripts.comparison.theirs import theirs
from scripts.make_golden import randomize

__all__ = ["build", "compare", "compare_built", "differences", "ratio"]


CLASSES = {
    "dinov2": (transformers.Dinov2Config, transformers.Dinov2Model),
    "dinov2_with_registers": (transformers.Dinov2WithRegistersConfig, transformers.Dinov2WithRegistersModel),
    "dinov3": (transformers.DINOv3ViTConfig, transformers.DINOv3ViTModel),
    "modernbert": (transformers.ModernBertConfig, transformers.ModernBertForMaskedLM),
    "bert": (transformers.BertConfig, transformers.BertForMaskedLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "bert_bare": (transformers.BertConfig, transformers.BertModel),
}


def build(architecture: str, config: dict[str, Any], seed: int) -> torch.nn.Module:
    """A model of transformers, every parameter of it random, in float32 and in evaluation."""
    config_class, model_class = CLASSES[architecture]
    return randomize(model_class(config_class.from_dict(config)), seed)


def differences(answer: Answer, reference: Answer, seen: np.ndarray | None) -> dict[str, float]:
    """Largest absolute difference over largest absolute value of the reference, padding left out.

    States: the worst of all layers, each against its own largest value. Adapter gradients: all of them as one vector.
    """

    def real(array: np.ndarray) -> np.ndarray:
        return array if seen is None else array[..., seen, :]

    outputs = {name: ratio(real(answer.outputs[name]), real(value)) for name, value in reference.outputs.items()}
    layers = [ratio(real(a), real(b)) for a, b in zip(answer.states, reference.states, strict=True)]
    vectors = [
        np.concatenate([side[path].ravel() for path in reference.adapter_gradients])
        for side in (answer.adapter_gradients, reference.adapter_gradients)
    ]
    return {
        "states": max(*layers, outputs["last_hidden_state"]),
        **({"logits": outputs["logits"]} if "logits" in outputs else {}),
        "adapter gradients": ratio(*vectors),
        "input gradients": ratio(answer.input_gradients, reference.input_gradients),
    }


def compare(
    case: Case, compiler_options: Mapping[str, Any] | None = QUICK, *, double: bool = True
) -> dict[str, dict[str, float]]:
    """The comparison of a configuration's model, every parameter of which is random."""
    built = build(case.architecture, case.config, case.number)
    return compare_built(built, case.inputs, case.number, compiler_options, double=double)


def compare_built(
    built: torch.nn.Module,
    inputs: Mapping[str, np.ndarray],
    seed: int,
    compiler_options: Mapping[str, Any] | None,
    *,
    double: bool = True,
) -> dict[str, dict[str, float]]:
    """{"ours to torch", "ours to float64", "torch to float64"} -> differences; float64 is torch's model in double.

    Ours is read from the checkpoint that transformers writes. Without `double` the first alone is measured; with it `built`
    is left in double.
    """
    with tempfile.TemporaryDirectory() as folder:
        built.save_pretrained(folder)
        module, variables = pretrained.from_pretrained(folder)
    given = probe(module, variables, inputs, seed)
    seen = inputs.get("attention_mask")
    mine, single = ours(module, variables, given, compiler_options), theirs(built, module, given)
    del variables
    pairs = {"ours to torch": differences(mine, single, seen)}
    if double:
        exact = theirs(built.double(), module, given)
        pairs |= {"ours to float64": differences(mine, exact, seen), "torch to float64": differences(single, exact, seen)}
    return pairs


def ratio(values: np.ndarray, reference: np.ndarray) -> float:
    """Raises ValueError where either is not finite or the reference is zero throughout: that would compare nothing."""
    scale, difference = float(np.abs(reference).max()), float(np.abs(values - reference).max())
    if not np.isfinite(scale + difference) or scale == 0:
        raise ValueError(f"nothing to compare: the reference is at most {scale}, the difference {difference}")
    return difference / scale
