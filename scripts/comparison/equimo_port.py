"""Another JAX port's answer: DINOv3 of equimo (PyPI), from weights that transformers wrote.

    EQUIMO_PYTHON scripts/comparison/equimo_port.py FOLDER

Runs under a Python that has equimo and not what we need. FOLDER holds config.json, model.safetensors and inputs.npz
(pixel_values [B, H, W, C]); answers.npz gets last_hidden_state [B, T, d] for each of VARIANTS.

equimo's own conversion pairs a torch model's tensors one to one with its own, which has one matrix for query, key and
value; so they are mapped by name here: each of the checkpoint's is used once and each of equimo's is filled, or
ValueError is raised. The key's part of the bias is zero, since DINOv3's key has none.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equimo.conversion.utils import stringify_name
from equimo.models import vit
from safetensors.numpy import load_file

ROTATION = {"strategy": "period", "base": 100.0, "normalize_coords": "separate", "dtype": jnp.float32}
"""equimo's own default, to which the type of the periods is added."""
VARIANTS = {
    "as it is": {},
    "periods in float32": {"local_pos_embed_config_patch": {**ROTATION, "periods_dtype": jnp.float32}},
    "periods in float32, tanh GELU": {
        "local_pos_embed_config_patch": {**ROTATION, "periods_dtype": jnp.float32},
        "act_layer": "gelu",
    },
}
MODELS = {384: vit.dinov3_vits16_pretrain_lvd1689m, 768: vit.dinov3_vitb16_pretrain_lvd1689m}
COMPUTED = "local_pos_embed.patch_rope.freqs"
"""The periods are no tensor of the checkpoint; equimo computes them when it builds the model."""


def mapped(tensors: dict[str, np.ndarray], layers: int) -> dict[str, np.ndarray]:
    """A checkpoint of transformers under equimo's names; raises ValueError where a tensor of it is left over."""
    left = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    renamed = {
        "cls_token": left.pop("embeddings.cls_token")[0],
        "reg_tokens": left.pop("embeddings.register_tokens")[0],
        "mask_token": left.pop("embeddings.mask_token")[0],
        "patch_embed.proj.weight": left.pop("embeddings.patch_embeddings.weight"),
        "patch_embed.proj.bias": left.pop("embeddings.patch_embeddings.bias")[:, None, None],
        "norm.weight": left.pop("norm.weight"),
        "norm.bias": left.pop("norm.bias"),
    }
    for layer in range(layers):
        start, to = f"layer.{layer}.", f"blocks.0.blocks.{layer}."
        query, key, value = (left.pop(f"{start}attention.{name}_proj.weight") for name in "qkv")
        renamed[f"{to}attn.qkv.weight"] = np.concatenate([query, key, value])
        query, value = (left.pop(f"{start}attention.{name}_proj.bias") for name in "qv")
        renamed[f"{to}attn.qkv.bias"] = np.concatenate([query, np.zeros_like(query), value])
        for ours, theirs in (("norm1", "prenorm"), ("norm2", "norm"), ("attention.o_proj", "attn.proj")):
            renamed |= {f"{to}{theirs}.{part}": left.pop(f"{start}{ours}.{part}") for part in ("weight", "bias")}
        for ours, theirs in (("mlp.up_proj", "mlp.fc1"), ("mlp.down_proj", "mlp.fc2")):
            renamed |= {f"{to}{theirs}.{part}": left.pop(f"{start}{ours}.{part}") for part in ("weight", "bias")}
        for number in (1, 2):
            renamed[f"{to}ls{number}.gamma"] = left.pop(f"{start}layer_scale{number}.lambda1")
    if left:
        raise ValueError(f"tensors of the checkpoint without a place in equimo's model: {sorted(left)}")
    return renamed


def filled(model: eqx.Module, tensors: dict[str, np.ndarray]) -> eqx.Module:
    """The model with these tensors; raises ValueError where names or shapes are not exactly its own."""
    arrays, rest = eqx.partition(model, eqx.is_array)
    leaves, structure = jax.tree_util.tree_flatten_with_path(arrays)
    leaves = {stringify_name(path): leaf for path, leaf in leaves}
    shapes = {name: leaf.shape for name, leaf in leaves.items() if name != COMPUTED}
    if shapes != {name: tensor.shape for name, tensor in tensors.items()}:
        raise ValueError("the tensors are not those of equimo's model")
    new = [leaf if name == COMPUTED else jnp.asarray(tensors[name]) for name, leaf in leaves.items()]
    return eqx.nn.inference_mode(eqx.combine(jax.tree_util.tree_unflatten(structure, new), rest))


@eqx.filter_jit
def last_hidden_state(model: eqx.Module, images: jax.Array) -> jax.Array:
    """[B, C, H, W] -> [B, T, d]: class token, registers, patches, after the final norm."""

    def one(image: jax.Array) -> jax.Array:
        output = model.forward_features(image, key=jax.random.key(0), inference=True)
        tokens = output["x_norm_cls_token"][None], output["x_norm_reg_tokens"], output["x_norm_patchtokens"]
        return jnp.concatenate(tokens)

    return jax.vmap(one)(images)


def main(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    tensors = mapped(load_file(folder / "model.safetensors"), config["num_hidden_layers"])
    images = np.load(folder / "inputs.npz")["pixel_values"].transpose(0, 3, 1, 2)
    answers = {}
    for name, options in VARIANTS.items():
        model = filled(MODELS[config["hidden_size"]](**options), tensors)
        answers[name] = np.asarray(last_hidden_state(model, images))
    np.savez(folder / "answers.npz", version=version("equimo"), **answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
