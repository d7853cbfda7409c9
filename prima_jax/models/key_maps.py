"""Tables from every tensor name in published checkpoints to our parameter for it.

A row is (kind, our module, their module), with `{i}` for the number of a layer. The kind says which tensors the module
has and how they are laid out; rows are read in both directions, to load and to save.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from prima_jax.models.checkpoint_files import Part

__all__ = ["BERT", "DINOV2", "DINOV3", "LLAMA", "MODERNBERT", "QWEN3", "KeyMap", "Link"]

Path = tuple[str, ...]
Layout = Callable[[np.ndarray], np.ndarray]


class Link(NamedTuple):
    """Our parameter at `path` is the tensor `name`; the layouts convert theirs to ours and back."""

    path: Path
    name: str
    to_ours: Layout
    to_theirs: Layout


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _transpose(x: np.ndarray) -> np.ndarray:
    return x.T


KINDS: dict[str, tuple[tuple[str, str, Layout, Layout], ...]] = {
    # their [out, in] is our [in, out]
    "linear": (("kernel", "weight", _transpose, _transpose), ("bias", "bias", _same, _same)),
    # their [out, in, height, width] is our [height, width, in, out]
    "convolution": (
        ("kernel", "weight", lambda x: x.transpose(2, 3, 1, 0), lambda x: x.transpose(3, 2, 0, 1)),
        ("bias", "bias", _same, _same),
    ),
    "norm": (("scale", "weight", _same, _same), ("bias", "bias", _same, _same)),
    "embedding": (("embedding", "weight", _same, _same),),
    "array": (("", "", _same, _same),),
    # their [1, d] is our [1, 1, d]
    "row": (("", "", lambda x: x[None], lambda x: x[0]),),
}


@dataclass(frozen=True)
class KeyMap:
    """All names of one architecture."""

    rows: tuple[tuple[str, str, str], ...]
    bare: tuple[str, str] | None = None
    """(pattern, replacement): the reference's spelling of a tensor in a loaded model without a head."""
    respelled: tuple[tuple[str, str], ...] = ()
    """(pattern, replacement): other spellings that checkpoints use for the same tensor."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Tensors that some files hold as well, or in its place: name -> name of the one it must equal, since the two are tied."""
    unused: tuple[str, ...] = ()
    """Patterns of tensors that are deliberately not part of our models."""
    fused: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(module, modules): a fused tensor in files, and the names in `rows` of its equal parts, in order."""
    mask: str = ""
    """Suffix of a tensor's name for a 0/1 mask that some files multiply it by."""
    zero: tuple[str, ...] = ()
    """Tensors that are zero where a file lacks them."""
    empty: tuple[str, ...] = ()
    """Tensors that files hold even if they are empty; we have no parameter for them then."""

    def links(self, layers: int, paths: Iterable[Path]) -> list[Link]:
        """Returns a link for each of our parameter `paths`; optional parts (biases, heads) may be absent."""
        ours_to_link = set(paths)
        links = [
            Link(path, name, to_ours, to_theirs)
            for kind, ours, theirs in self.rows
            for i in range(layers if "{i}" in ours else 1)
            for leaf, suffix, to_ours, to_theirs in KINDS[kind]
            for path in [tuple(part for part in (*ours.format(i=i).split("/"), leaf) if part)]
            for name in [".".join(part for part in (theirs.format(i=i), suffix) if part)]
            if path in ours_to_link
        ]
        unnamed = ours_to_link - {link.path for link in links}
        assert not unnamed, f"parameters without a name: {sorted(unnamed)}"
        return links

    def spellings(self, name: str) -> list[str]:
        """Returns `name` and every other spelling of it, in models and in files."""
        names = [name]
        for pattern, replacement in (*([self.bare] if self.bare else []), *self.respelled):
            names += [re.sub(pattern, replacement, n) for n in names if re.search(pattern, n)]
        return names

    def saved(self, name: str, *, bare: bool = False) -> Part:
        """Returns the place of the tensor `name` of `rows` in files that we write; `bare`: a text encoder without its head."""
        if bare and self.bare:
            return Part(re.sub(*self.bare, name))
        for whole, parts in self.fused:
            for number, part in enumerate(parts):
                if f".{part}." in name:
                    return Part(name.replace(f".{part}.", f".{whole}."), number, len(parts))
        return Part(name)

    def places(self, name: str) -> list[Part]:
        """Returns all places where a file may hold the tensor `name` of `rows`."""
        return list(dict.fromkeys([self.saved(name), *map(Part, self.spellings(name))]))


DINOV3 = KeyMap(
    rows=(
        ("array", "cls_token", "embeddings.cls_token"),
        ("array", "mask_token", "embeddings.mask_token"),
        ("array", "register_tokens", "embeddings.register_tokens"),
        ("convolution", "patch_embeddings", "embeddings.patch_embeddings"),
        ("norm", "layers_{i}/norm1", "layer.{i}.norm1"),
        ("linear", "layers_{i}/attention/q_proj", "layer.{i}.attention.q_proj"),
        ("linear", "layers_{i}/attention/k_proj", "layer.{i}.attention.k_proj"),
        ("linear", "layers_{i}/attention/v_proj", "layer.{i}.attention.v_proj"),
        ("linear", "layers_{i}/attention/o_proj", "layer.{i}.attention.o_proj"),
        ("array", "layers_{i}/layer_scale1", "layer.{i}.layer_scale1.lambda1"),
        ("norm", "layers_{i}/norm2", "layer.{i}.norm2"),
        ("linear", "layers_{i}/mlp/gate_proj", "layer.{i}.mlp.gate_proj"),
        ("linear", "layers_{i}/mlp/up_proj", "layer.{i}.mlp.up_proj"),
        ("linear", "layers_{i}/mlp/down_proj", "layer.{i}.mlp.down_proj"),
        ("array", "layers_{i}/layer_scale2", "layer.{i}.layer_scale2.lambda1"),
        ("norm", "norm", "norm"),
    ),
    bare=(r"^layer\.", "model.layer."),
    empty=("embeddings.register_tokens",),
)

DINOV2 = KeyMap(
    rows=(
        ("array", "cls_token", "embeddings.cls_token"),
        ("array", "mask_token", "embeddings.mask_token"),
        ("array", "position_embeddings", "embeddings.position_embeddings"),
        ("array", "register_tokens", "embeddings.register_tokens"),
        ("convolution", "patch_embeddings", "embeddings.patch_embeddings.projection"),
        ("norm", "layers_{i}/norm1", "encoder.layer.{i}.norm1"),
        ("linear", "layers_{i}/attention/q_proj", "encoder.layer.{i}.attention.attention.query"),
        ("linear", "layers_{i}/attention/k_proj", "encoder.layer.{i}.attention.attention.key"),
        ("linear", "layers_{i}/attention/v_proj", "encoder.layer.{i}.attention.attention.value"),
        ("linear", "layers_{i}/attention/o_proj", "encoder.layer.{i}.attention.output.dense"),
        ("array", "layers_{i}/layer_scale1", "encoder.layer.{i}.layer_scale1.lambda1"),
        ("norm", "layers_{i}/norm2", "encoder.layer.{i}.norm2"),
        ("linear", "layers_{i}/mlp/up_proj", "encoder.layer.{i}.mlp.fc1"),
        ("linear", "layers_{i}/mlp/down_proj", "encoder.layer.{i}.mlp.fc2"),
        ("linear", "layers_{i}/swiglu/gate_proj", "encoder.layer.{i}.mlp.gate_proj"),
        ("linear", "layers_{i}/swiglu/up_proj", "encoder.layer.{i}.mlp.up_proj"),
        ("linear", "layers_{i}/swiglu/down_proj", "encoder.layer.{i}.mlp.weights_out"),
        ("array", "layers_{i}/layer_scale2", "encoder.layer.{i}.layer_scale2.lambda1"),
        ("norm", "norm", "layernorm"),
    ),
    # how transformers 5 calls them in a loaded model
    respelled=(
        (r"attention\.attention\.query", "attention.q_proj"),
        (r"attention\.attention\.key", "attention.k_proj"),
        (r"attention\.attention\.value", "attention.v_proj"),
        (r"attention\.output\.dense", "attention.o_proj"),
        (r"mlp\.weights_out", "mlp.down_proj"),
    ),
    fused=(("mlp.weights_in", ("mlp.gate_proj", "mlp.up_proj")),),
)
"""Without and with registers; if a model with registers has zero of them, its file may hold an empty tensor."""

MODERNBERT = KeyMap(
    rows=(
        ("embedding", "tok_embeddings", "model.embeddings.tok_embeddings"),
        ("norm", "embedding_norm", "model.embeddings.norm"),
        ("norm", "layers_{i}/attn_norm", "model.layers.{i}.attn_norm"),
        ("linear", "layers_{i}/attn/Wqkv", "model.layers.{i}.attn.Wqkv"),
        ("linear", "layers_{i}/attn/Wo", "model.layers.{i}.attn.Wo"),
        ("norm", "layers_{i}/mlp_norm", "model.layers.{i}.mlp_norm"),
        ("linear", "layers_{i}/mlp/Wi", "model.layers.{i}.mlp.Wi"),
        ("linear", "layers_{i}/mlp/Wo", "model.layers.{i}.mlp.Wo"),
        ("norm", "final_norm", "model.final_norm"),
        ("linear", "head_dense", "head.dense"),
        ("norm", "head_norm", "head.norm"),
        ("array", "decoder_bias", "decoder.bias"),
    ),
    bare=(r"^model\.", ""),
    copies={"decoder.weight": "model.embeddings.tok_embeddings.weight"},
)

BERT = KeyMap(
    rows=(
        ("embedding", "word_embeddings", "bert.embeddings.word_embeddings"),
        ("embedding", "position_embeddings", "bert.embeddings.position_embeddings"),
        ("embedding", "token_type_embeddings", "bert.embeddings.token_type_embeddings"),
        ("norm", "embedding_norm", "bert.embeddings.LayerNorm"),
        ("linear", "layers_{i}/attention/query", "bert.encoder.layer.{i}.attention.self.query"),
        ("linear", "layers_{i}/attention/key", "bert.encoder.layer.{i}.attention.self.key"),
        ("linear", "layers_{i}/attention/value", "bert.encoder.layer.{i}.attention.self.value"),
        ("linear", "layers_{i}/attention/output", "bert.encoder.layer.{i}.attention.output.dense"),
        ("norm", "layers_{i}/attention_norm", "bert.encoder.layer.{i}.attention.output.LayerNorm"),
        ("linear", "layers_{i}/intermediate", "bert.encoder.layer.{i}.intermediate.dense"),
        ("linear", "layers_{i}/output", "bert.encoder.layer.{i}.output.dense"),
        ("norm", "layers_{i}/output_norm", "bert.encoder.layer.{i}.output.LayerNorm"),
        ("linear", "head_dense", "cls.predictions.transform.dense"),
        ("norm", "head_norm", "cls.predictions.transform.LayerNorm"),
        ("array", "decoder_bias", "cls.predictions.bias"),
    ),
    bare=(r"^bert\.", ""),
    respelled=(
        (r"LayerNorm\.weight$", "LayerNorm.gamma"),
        (r"LayerNorm\.bias$", "LayerNorm.beta"),
    ),
    copies={
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    # the pooler and the next-sentence head, and a buffer that counts from 0
    unused=(
        r"^(bert\.)?pooler\.dense\.(weight|bias)$",
        r"^cls\.seq_relationship\.(weight|bias)$",
        r"^(bert\.)?embeddings\.position_ids$",
    ),
)

QWEN3 = KeyMap(
    rows=(
        ("embedding", "embed_tokens", "model.embed_tokens"),
        ("norm", "layers_{i}/input_layernorm", "model.layers.{i}.input_layernorm"),
        ("linear", "layers_{i}/self_attn/q_proj", "model.layers.{i}.self_attn.q_proj"),
        ("linear", "layers_{i}/self_attn/k_proj", "model.layers.{i}.self_attn.k_proj"),
        ("linear", "layers_{i}/self_attn/v_proj", "model.layers.{i}.self_attn.v_proj"),
        ("linear", "layers_{i}/self_attn/o_proj", "model.layers.{i}.self_attn.o_proj"),
        ("norm", "layers_{i}/self_attn/q_norm", "model.layers.{i}.self_attn.q_norm"),
        ("norm", "layers_{i}/self_attn/k_norm", "model.layers.{i}.self_attn.k_norm"),
        ("norm", "layers_{i}/post_attention_layernorm", "model.layers.{i}.post_attention_layernorm"),
        ("linear", "layers_{i}/mlp/gate_proj", "model.layers.{i}.mlp.gate_proj"),
        ("linear", "layers_{i}/mlp/up_proj", "model.layers.{i}.mlp.up_proj"),
        ("linear", "layers_{i}/mlp/down_proj", "model.layers.{i}.mlp.down_proj"),
        ("norm", "norm", "model.norm"),
        ("array", "lm_head", "lm_head.weight"),
    ),
    bare=(r"^model\.", ""),
    copies={"lm_head.weight": "model.embed_tokens.weight"},
)

LLAMA = replace(QWEN3, unused=(r"\.rotary_emb\.inv_freq$",))
"""Without the norms of queries and keys, of which Llama has none; old files hold the rotary frequencies."""
