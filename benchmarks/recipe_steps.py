"""One optimiser step of each stage as a recipe has it, its arguments as shapes alone: to be compiled, or filled and timed."""

import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from prima_jax.models import pretrained
from prima_jax.models.diagnoser import Features, Projector
from prima_jax.models.dual_encoder import ClassifierHead, SharedSpace
from prima_jax.models.quantized import keep_all
from prima_jax.stages.align import alignment
from prima_jax.stages.backbones import Adapted, Backbone, adapt
from prima_jax.stages.diagnose import diagnosis
from prima_jax.stages.knowledge import masked_language_loss
from prima_jax.stages.refine import ClassWeights, classification
from prima_jax.training.loop import make_step
from prima_jax.training.optimizer import adamw
from prima_jax.training.parallel import AXIS
from prima_jax.training.state import TrainState, create

__all__ = ["STAGES", "Cohort", "Step", "build", "filled", "operations", "sequence_of"]

STAGES = ("knowledge", "align", "refine", "diagnose")


class Cohort(NamedTuple):
    """The sizes of a study, and of the tokens that stage 3 reads, which the shapes of a step depend on."""

    units: int = 1800
    scans: int = 3
    """Photographs of a unit, all in one case."""
    classes: int = 2
    image_width: int = 768
    """The width of the image tokens that stage 3 reads."""
    text_width: int = 768
    patch_size: int = 16


class Step(NamedTuple):
    """A step (state, frozen, batch) -> (state, metrics) for one device and the axis `data`, and its arguments."""

    function: Callable[[TrainState, Any, Any], Any]
    state: Any
    frozen: Any
    batch: Any
    """Of all devices together."""


def build(config: ConfigDict, stage: str, described: Mapping[str, Any], batch: int, cohort: Cohort) -> Step:
    """The step of a stage of a recipe on a batch. described: the published config.json of the model that the stage trains."""
    module = pretrained.build(dict(described), dtype=jnp.dtype(config.dtype), remat=config.remat)
    module = module.clone(with_head=True) if stage == "knowledge" else module
    drawn = jax.eval_shape(lambda: pretrained.init_random(module, 0))
    variables = jax.tree.map(lambda leaf: _floats(leaf.shape, config.dtype), drawn)
    if stage == "diagnose":
        variables = {"params": jax.eval_shape(lambda tree: keep_all(tree, config.models.llm.quantized), variables["params"])}
    blocks = config.image.blocks if stage in ("align", "refine") else 0
    settings, key = config[stage], jax.random.key(0)
    adapted = jax.eval_shape(lambda tree: adapt(settings, Backbone(module, tree), key, last_blocks=blocks), variables)
    loss, trainable, frozen, given = _PARTS[stage](config, module, adapted, batch, cohort)
    rates = {"llm": settings.adapter_learning_rate} if stage == "diagnose" else {}
    optimizer = adamw(
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        steps=100,
        warmup_fraction=config.warmup_fraction,
        b2=config.adam_b2,
        clip_norm=config.clip_norm,
        rates=rates,
    )
    state = jax.eval_shape(lambda tree: create(tree, optimizer), trainable)
    return Step(make_step(loss, optimizer), state, frozen, given)


def filled(step: Step) -> Step:
    """The same with random numbers: weights of a small size, ids below two, all places seen."""

    def of(path: Any, leaf: Any) -> jax.Array:
        seed = zlib.crc32(jax.tree_util.keystr(path).encode())
        if leaf.dtype == bool:
            return jnp.ones(leaf.shape, bool)
        if jnp.issubdtype(leaf.dtype, jnp.integer):
            return jnp.asarray(np.random.default_rng(seed).integers(0, 2, leaf.shape), leaf.dtype)
        return jnp.asarray(0.02, leaf.dtype) * jax.random.normal(jax.random.key(seed), leaf.shape, leaf.dtype)

    state, frozen, batch = (jax.tree_util.tree_map_with_path(of, part) for part in step[1:])
    nothing = jax.tree.map(jnp.zeros_like, state.optimizer_state)
    return Step(step.function, state.replace(optimizer_state=nothing), frozen, batch)


def operations(step: Step, devices: int = 1) -> float:
    """Returns the floating-point operations of one device's share, as the step is written.

    Mapped by vmap over that one device: of what shard_map maps none are counted.
    """
    share = jax.tree.map(lambda leaf: _floats((1, leaf.shape[0] // devices, *leaf.shape[1:]), leaf.dtype), step.batch)
    mapped = jax.vmap(step.function, axis_name=AXIS, in_axes=(None, None, 0), out_axes=None)
    return jax.jit(mapped).lower(step.state, step.frozen, share).cost_analysis()["flops"]


def _knowledge(config: ConfigDict, module: Any, adapted: Adapted, batch: int, cohort: Cohort) -> Any:
    shape = (batch, config.knowledge.max_length)
    tokens = {name: _integers(shape) for name in ("input_ids", "labels")}
    masks = {name: _integers(shape, bool) for name in ("attention_mask", "loss_mask")}
    loss = masked_language_loss(module, config.knowledge.mask_probability)
    return loss, adapted.trainable, adapted.frozen, {**tokens, **masks}


def _align(config: ConfigDict, module: Any, adapted: Adapted, batch: int, cohort: Cohort) -> Any:
    space, length = SharedSpace(config.align.projection_width), config.text.max_length
    inputs = _floats((1, 2, 1, module.config.hidden_size)), _floats((1, 1, cohort.text_width))
    heads = jax.eval_shape(space.init, jax.random.key(0), *inputs)["params"]
    frozen = {
        "image_encoder": adapted.frozen,
        "y": _floats((cohort.units * cohort.scans, 64)),
        "first": _integers((cohort.units,)),
    }
    given = {
        "views": _photographs(config, module, (batch, 2)),
        "unit": _integers((batch,)),
        "text_tokens": _floats((batch, length, cohort.text_width), config.features.dtype),
        "text_words": _integers((batch, length - 1), bool),
    }
    loss = alignment(module, space, config.align, _frozen_blocks(config, module))
    return loss, {"image_encoder": adapted.trainable, "heads": heads}, frozen, given


def _refine(config: ConfigDict, module: Any, adapted: Adapted, batch: int, cohort: Cohort) -> Any:
    head = ClassifierHead(cohort.classes)
    parameters = jax.eval_shape(head.init, jax.random.key(0), _floats((1, 2, module.config.hidden_size)))["params"]
    frozen = {
        "image_encoder": adapted.frozen,
        "labels": _integers((cohort.units * cohort.scans,)),
        "class_weights": ClassWeights(_floats((cohort.classes,))),
    }
    loss = classification(module, head, _frozen_blocks(config, module))
    given = {"image": _photographs(config, module, (batch,)), "index": _integers((batch,))}
    return loss, {"image_encoder": adapted.trainable, "head": parameters}, frozen, given


def _diagnose(config: ConfigDict, module: Any, adapted: Adapted, batch: int, cohort: Cohort) -> Any:
    settings, side = config.diagnose, config.image.size // cohort.patch_size
    projector = Projector(
        module.config.hidden_size, settings.projector_width, (side, side), settings.image_stride, settings.text_stride
    )
    words = config.text.max_length - 1

    def features(cases: int) -> Features:
        return Features(
            _floats((cases, cohort.scans, 1 + side * side, cohort.image_width), config.features.dtype),
            _integers((cases, cohort.scans), bool),
            _floats((cases, 1 + words, cohort.text_width), config.features.dtype),
            _integers((cases, words), bool),
        )

    parameters = jax.eval_shape(projector.init, jax.random.key(0), features(1))["params"]
    frozen = {
        "llm": adapted.frozen,
        "class_ids": _integers((cohort.classes,)),
        "class_weights": ClassWeights(_floats((cohort.classes,))),
    }
    given = {**features(batch)._asdict(), "label": _integers((batch,))}
    return diagnosis(module, projector), {"llm": adapted.trainable, "projector": parameters}, frozen, given


_PARTS: dict[str, Callable[..., Any]] = dict(zip(STAGES, (_knowledge, _align, _refine, _diagnose), strict=True))
"""Stage -> what gives its loss, what is trained, what is frozen, and the batch."""


def _photographs(config: ConfigDict, module: Any, batch: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    """Pixels, or what the frozen blocks made of them."""
    size, model = config.image.size, module.config
    if not _frozen_blocks(config, module):
        return _integers((*batch, size, size, 3), jnp.uint8)
    tokens = 1 + model.num_register_tokens + (size // model.patch_size) ** 2
    return _floats((*batch, tokens, model.hidden_size), config.features.dtype)


def _frozen_blocks(config: ConfigDict, module: Any) -> int:
    return module.config.num_hidden_layers - config.image.blocks if config.image.blocks else 0


def _floats(shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def _integers(shape: tuple[int, ...], dtype: Any = jnp.int32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def sequence_of(config: Any, cohort: Cohort) -> int:
    """The tokens of a case in stage 3."""
    settings, side = config.diagnose, config.image.size // cohort.patch_size
    image = math.ceil(side / settings.image_stride) ** 2
    text = math.ceil((config.text.max_length - 1) / settings.text_stride)
    return cohort.scans * (image + 3) + text + 4
