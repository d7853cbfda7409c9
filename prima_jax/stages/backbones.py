"""The three models that a run starts from, each read when it is first asked for, and what of a model a stage trains."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from prima_jax.models import lora, pretrained
from prima_jax.models.checkpoint_files import read_json
from prima_jax.models.quantized import keep_all
from prima_jax.stages.seeds import seed_of

__all__ = ["Adapted", "Backbone", "Backbones", "adapt", "described", "join"]


class Backbone(NamedTuple):
    """A Linen module and its variables, as read from a checkpoint or drawn at random."""

    module: Any  # an nn.Module, whose `apply` is typed as if it might always return mutated variables as well
    variables: dict[str, Any]


class Backbones:
    """The models of a config, read when first asked for: the LLM is only needed at the end. Rows and folds share them.

    place: puts a model's variables where all who share it read them.
    """

    def __init__(self, config: ConfigDict, place: Callable[[Any], Any] = lambda variables: variables):
        self._config = config
        self._place = place

    @cached_property
    def image(self) -> Backbone:
        return self._read("image")

    @cached_property
    def text(self) -> Backbone:
        return self._read("text")

    @cached_property
    def llm(self) -> Backbone:
        return self._read("llm")

    def _read(self, name: str) -> Backbone:
        config = self._config
        settings, dtype = config.models[name], jnp.dtype(config.dtype)
        kind = settings.get("quantized", "")  # a field of the LLM alone
        if settings.weights and not settings.get("random", False):
            module, variables = pretrained.from_pretrained(settings.weights, dtype=dtype, remat=config.remat, quantized=kind)
            return Backbone(module, self._place(variables))
        module = pretrained.build(described(settings), dtype=dtype, remat=config.remat)
        drawn = pretrained.init_random(module, seed_of(config.seed, name))["params"]
        if settings.weights:  # stored as the published ones would be
            drawn = jax.tree.map(lambda leaf: leaf.astype(dtype), drawn)
        return Backbone(module, self._place({"params": keep_all(drawn, kind)}))


def described(settings: ConfigDict) -> Mapping[str, Any]:
    """Returns the content of the config.json of a model, from its folder or from the recipe."""
    return read_json(Path(settings.weights) / "config.json") if settings.weights else settings.architecture.to_dict()


class Adapted(NamedTuple):
    """A backbone's variables, split into the collections that are trained and those that are not."""

    trainable: dict[str, Any]
    frozen: dict[str, Any]


def adapt(settings: ConfigDict, backbone: Backbone, key: jax.Array, *, last_blocks: int = 0) -> Adapted:
    """Adds LoRA adapters of `settings.rank`, or, at rank 0, trains the whole backbone (for runs without weights).

    `settings.targets` names the layers that get one; none named means every linear layer, of the `last_blocks` if any are given.
    """
    variables = backbone.variables
    if settings.rank == 0:
        return Adapted({"params": variables["params"]}, {k: v for k, v in variables.items() if k != "params"})
    if "lora" not in variables:
        alpha = settings.rank * settings.alpha_over_rank
        targets = tuple(settings.targets) or lora.all_linears(backbone.module.config)
        options = {"rank": settings.rank, "alpha": alpha, "targets": targets, "last_blocks": last_blocks}
        variables = {**variables, **lora.init_adapters(key, variables["params"], **options)}
    return Adapted({"lora": variables["lora"]}, {k: v for k, v in variables.items() if k != "lora"})


def join(frozen: dict[str, Any], trainable: dict[str, Any]) -> dict[str, Any]:
    """The variables of a backbone from its two parts."""
    return {**frozen, **trainable}
