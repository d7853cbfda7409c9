"""Writes tests/models/golden: tiny random checkpoints saved by transformers, and what transformers + torch answer.

    python scripts/make_golden.py [folder [case ...]]

The tests of prima_jax.models compare with these files where torch is not installed, and with live models, built by the
functions below, where it is. Versions of torch and transformers stand in the metadata of each expected.safetensors.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

__all__ = ["BUILDERS", "CASES", "expected", "inputs", "model", "randomize", "write"]

GOLDEN = Path(__file__).parents[1] / "tests" / "models" / "golden"

VISION = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 24, "patch_size": 4}
DINOV2 = {**{name: value for name, value in VISION.items() if name != "intermediate_size"}, "image_size": 20, "mlp_ratio": 2}
TEXT = {"vocab_size": 40, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24, "pad_token_id": 0}
DECODER = {"num_hidden_layers": 2, "num_key_value_heads": 2, "head_dim": 8}


def _dinov3(**options: Any) -> torch.nn.Module:
    return transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**{**VISION, **options}))


def _dinov2(**options: Any) -> torch.nn.Module:
    return transformers.Dinov2Model(transformers.Dinov2Config(**{**DINOV2, **options}))


def _dinov2_with_registers(**options: Any) -> torch.nn.Module:
    return transformers.Dinov2WithRegistersModel(transformers.Dinov2WithRegistersConfig(**{**DINOV2, **options}))


def _modernbert(**options: Any) -> torch.nn.Module:
    special = dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1)
    sizes = {**TEXT, **special, "num_hidden_layers": 4, "local_attention": 4}
    config = transformers.ModernBertConfig(**{**sizes, **options})
    return transformers.ModernBertForMaskedLM(config)


def _bert(**options: Any) -> torch.nn.Module:
    return transformers.BertForMaskedLM(
        transformers.BertConfig(**{**TEXT, "num_hidden_layers": 2, "max_position_embeddings": 16, **options})
    )


def _qwen3(**options: Any) -> torch.nn.Module:
    return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**{**TEXT, **DECODER, "num_attention_heads": 4, **options}))


def _llama(**options: Any) -> torch.nn.Module:
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**TEXT, **DECODER, "num_attention_heads": 4, **options}))


BUILDERS = {
    "dinov2": _dinov2,
    "dinov2_with_registers": _dinov2_with_registers,
    "dinov3": _dinov3,
    "modernbert": _modernbert,
    "bert": _bert,
    "qwen3": _qwen3,
    "llama": _llama,
}
"""Architecture -> a tiny model of it, with any field of its config set otherwise."""

CASES: dict[str, Callable[[], torch.nn.Module]] = {
    "dinov2_plain": _dinov2,
    "dinov2_swiglu": lambda: _dinov2(use_swiglu_ffn=True, use_mask_token=False, qkv_bias=False, layer_norm_eps=1e-3),
    "dinov2_with_registers": lambda: _dinov2_with_registers(hidden_act="silu", layerscale_value=0.5),
    "dinov3_plain": lambda: _dinov3(num_register_tokens=4),
    "dinov3_gated": lambda: _dinov3(
        use_gated_mlp=True, hidden_act="silu", query_bias=False, value_bias=False, key_bias=True, layerscale_value=0.5
    ),
    "modernbert": _modernbert,
    "modernbert_biases": lambda: _modernbert(
        norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True, num_hidden_layers=3, local_attention=8
    ),
    "bert": _bert,
    "qwen3_tied": lambda: _qwen3(tie_word_embeddings=True),
    "qwen3_untied": lambda: _qwen3(tie_word_embeddings=False, attention_bias=True, num_key_value_heads=1),
    "llama_tied": lambda: _llama(tie_word_embeddings=True, head_dim=None),
    "llama_untied": lambda: _llama(tie_word_embeddings=False, attention_bias=True, mlp_bias=True, num_key_value_heads=1),
}


def model(case: str, seed: int = 0) -> torch.nn.Module:
    """A model in evaluation whose every parameter is random and large enough to matter: biases and norms as well."""
    return randomize(CASES[case](), seed)


def randomize(built: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Draws every parameter anew, in place."""
    torch.manual_seed(seed)
    built = built.float().eval()
    with torch.no_grad():
        for parameter in built.parameters():
            noise = torch.randn_like(parameter)
            if parameter.ndim > 1:
                parameter.copy_(noise * max(1, parameter[0].numel()) ** -0.5)
            else:
                parameter.copy_(parameter.mean() + 0.3 * noise)
    return built


def inputs(case: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Images that are not square, or texts of different lengths padded on the right."""
    rng = np.random.default_rng(seed)
    if case.startswith("dino"):
        return {"pixel_values": rng.standard_normal((2, 12, 8, 3)).astype(np.float32)}
    attention_mask = np.arange(13) < np.array([[13], [9]])
    inputs = {
        "input_ids": rng.integers(1, 40, (2, 13)).astype(np.int32) * attention_mask,
        "attention_mask": attention_mask,
    }
    if case == "bert":
        inputs["token_type_ids"] = (np.arange(13) > 5).astype(np.int32) * attention_mask
    return inputs


def expected(built: torch.nn.Module, given: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """hidden_states [layers + 1, B, T, d], last_hidden_state [B, T, d] and, with a head, logits [B, T, vocabulary]."""
    tensors = {name: torch.tensor(value) for name, value in given.items()}
    if "pixel_values" in tensors:
        tensors["pixel_values"] = tensors["pixel_values"].permute(0, 3, 1, 2)
    else:
        tensors = {name: value.long() for name, value in tensors.items()}
    output = built(**tensors, output_hidden_states=True)
    hidden = output.hidden_states
    answer = {
        "hidden_states": torch.stack(hidden),
        "last_hidden_state": getattr(output, "last_hidden_state", hidden[-1]),
    }
    return answer | ({"logits": output.logits} if "logits" in output else {})


def write(folder: Path, cases: Iterable[str] = tuple(CASES)) -> None:
    """Writes cases below `folder`."""
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "numpy": np.__version__}
    for case in cases:
        built, given = model(case), inputs(case)
        built.save_pretrained(folder / case)
        with torch.no_grad():
            answer = {name: value.numpy() for name, value in expected(built, given).items()}
        arrays = {**{f"input.{name}": value for name, value in given.items()}, **answer}
        save_file(
            {name: np.ascontiguousarray(a) for name, a in arrays.items()},
            folder / case / "expected.safetensors",
            versions,
        )
        (folder / case / "generation_config.json").unlink(missing_ok=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else GOLDEN, sys.argv[2:] or CASES)
