"""DINOv3 as Meta's own repository and timm publish it: other names, fused tensors, and a config that is a name alone.

Meta's: github.com/facebookresearch/dinov3, dinov3/models/vision_transformer.py. timm's: timm/models/eva.py, which keeps
Meta's names but for registers, layer scale, the biases of query and value, and the gated MLP, and leaves out what is zero.
"""

import re
from collections.abc import Mapping
from typing import Any

from prima_jax.errors import UserError
from prima_jax.models.dinov3 import DinoV3Config
from prima_jax.models.key_maps import KeyMap

__all__ = ["ORIGINAL", "TIMM_SIZES", "from_timm"]

ORIGINAL = KeyMap(
    rows=(
        ("array", "cls_token", "cls_token"),
        ("row", "mask_token", "mask_token"),
        ("array", "register_tokens", "storage_tokens"),
        ("convolution", "patch_embeddings", "patch_embed.proj"),
        ("norm", "layers_{i}/norm1", "blocks.{i}.norm1"),
        ("linear", "layers_{i}/attention/q_proj", "blocks.{i}.attn.q"),
        ("linear", "layers_{i}/attention/k_proj", "blocks.{i}.attn.k"),
        ("linear", "layers_{i}/attention/v_proj", "blocks.{i}.attn.v"),
        ("linear", "layers_{i}/attention/o_proj", "blocks.{i}.attn.proj"),
        ("array", "layers_{i}/layer_scale1", "blocks.{i}.ls1.gamma"),
        ("norm", "layers_{i}/norm2", "blocks.{i}.norm2"),
        ("linear", "layers_{i}/mlp/gate_proj", "blocks.{i}.mlp.w1"),
        ("linear", "layers_{i}/mlp/up_proj", "blocks.{i}.mlp.fc1"),
        ("linear", "layers_{i}/mlp/down_proj", "blocks.{i}.mlp.fc2"),
        ("array", "layers_{i}/layer_scale2", "blocks.{i}.ls2.gamma"),
        ("norm", "norm", "norm"),
    ),
    fused=(("attn.qkv", ("attn.q", "attn.k", "attn.v")),),
    respelled=(
        (r"mlp\.fc1\.", "mlp.w2."),  # Meta's gated MLP is w3(silu(w1 x) * w2 x)
        (r"mlp\.fc2\.", "mlp.w3."),
        (r"^storage_tokens$", "reg_token"),  # timm's from here on
        (r"\.ls([12])\.gamma$", r".gamma_\1"),
        (r"\.attn\.([qkv])\.bias$", r".attn.\1_bias"),
        (r"mlp\.w1\.", "mlp.fc1_g."),
        (r"mlp\.fc1\.", "mlp.fc1_x."),
    ),
    zero=("mask_token",),
    mask="_mask",
    # the periods of the rotation, which follow from its base, and a norm for the small crops of pre-training
    unused=(r"^rope_embed\.periods$", r"^local_cls_norm\.(weight|bias)$"),
)
"""The names in both kinds of file: a file has one spelling of each."""

TIMM_SIZES = {
    "small": (384, 1536, 12, 6, False),
    "small_plus": (384, 1536, 12, 6, True),
    "base": (768, 3072, 12, 12, False),
    "large": (1024, 4096, 24, 16, False),
    "huge_plus": (1280, 5120, 32, 20, True),
    "7b": (4096, 8192, 40, 32, True),
}
"""Width, width of the MLP, layers, heads, and whether the MLP is gated, of timm's `vit_NAME_patch16_dinov3`."""
_HARMLESS = ("img_size", "dynamic_img_size", "num_classes")
"""Accepted keys of `model_args`, which change nothing here: images may have any size, and there is no head."""


def from_timm(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a config.json in transformers' form, converted from timm's; any other is returned unchanged.

    timm names an `architecture` and no `model_type`. Raises UserError where it is not a DINOv3 that is known here.
    """
    name = values.get("architecture")
    if "model_type" in values or not isinstance(name, str):
        return values
    match = re.fullmatch(r"vit_(\w+)_patch16_dinov3(_qkvb)?", name)
    if not match or match[1] not in TIMM_SIZES:
        known = ", ".join(f"vit_{size}_patch16_dinov3[_qkvb]" for size in TIMM_SIZES)
        raise UserError(f"timm's architecture {name!r} is not implemented; choose one of {known}.")
    changed = values.get("model_args") or {}
    if not isinstance(changed, Mapping) or any(key not in _HARMLESS for key in changed):
        raise UserError(f"timm's model_args = {changed!r} are not implemented; choose a checkpoint without them.")
    width, mlp, layers, heads, gated = TIMM_SIZES[match[1]]
    config = DinoV3Config(
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_register_tokens=4,
        use_gated_mlp=gated,
        hidden_act="silu" if gated else "gelu",
        query_bias=bool(match[2]),
        value_bias=bool(match[2]),
    )
    return config.to_dict()
