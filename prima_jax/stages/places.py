"""What each stage's outcome depends on in a config, in a hash: rows of a table that agree in it share the stage's folder."""

import hashlib
import json
from typing import Any

from ml_collections import ConfigDict

__all__ = ["stage_key"]

_CHAIN = ("knowledge", "align", "refine", "diagnose")
"""Each of PRIMA's stages stands on the ones before it."""
_OPTIMIZER = ("warmup_fraction", "adam_b2", "clip_norm")
_ALWAYS = ("seed", "folds", "dtype", *_OPTIMIZER, "study", "split", "data.size", "models", "image", "text")
_ADAPTERS = ("align.rank", "align.alpha_over_rank", "align.targets")
_ALONE = {
    "tokenizer": ("knowledge.corpus", "knowledge.field"),
    "image_only": ("image_only",),
    "frozen_features": ("image_only", "features"),
    "frozen_tokens": ("features.test_views",),
    "frozen_blocks": ("features",),
    "text_tokens": ("features",),
}
"""Stages that stand on nothing before them, and what else they depend on."""
_BEFORE_THE_LLM = (*_CHAIN[:3], "features", *_ALONE)
_HEADS = ("diagnose", "one_hot", "perceptron")
"""Stages that are trained on stage 3's tokens."""


def stage_key(config: ConfigDict, stage: str) -> str:
    """12 hex digits. Fields that say where things are and how often they are saved (data.dir, ...) do not count."""
    stored = ("features",) if config.image.blocks else ()  # the copies of a photograph that every stage trains on
    parts = {field: _at(config, field) for field in (*_ALWAYS, *stored, *_sections(config, stage))}
    if stage in _BEFORE_THE_LLM:
        parts["models"]["llm"].pop("random", None)
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=list).encode()).hexdigest()[:12]


def _sections(config: ConfigDict, stage: str) -> tuple[str, ...]:
    if stage in _ALONE:
        return _ALONE[stage]
    if stage in ("refine", "features"):
        # Without alignment nothing of the text has reached the image encoder; its adapters are still those of that stage.
        trained: tuple[str, ...] = _CHAIN[:3] if config.align.epochs else (*_ADAPTERS, "refine")
        return (*trained, "features") if stage == "features" else trained
    if stage in _HEADS:
        return (*_CHAIN, "features")
    if stage in _CHAIN:
        return _CHAIN[: _CHAIN.index(stage) + 1]
    # A baseline may use the frozen encoders, whatever the recipe of the alignment is.
    return ("image_only", "features", "knowledge", "diagnose", f"baselines.{stage}")


def _at(config: ConfigDict, field: str) -> Any:
    value: Any = config
    for name in field.split("."):
        value = value[name]
    return value.to_dict() if isinstance(value, ConfigDict) else value
