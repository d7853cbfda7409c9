"""What a config may say: told before anything is computed, rather than by a stage after hours."""

import json
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from prima_jax.errors import UserError

__all__ = ["check"]

_SECTIONS = (
    "data", "models", "image", "text", "knowledge", "align", "refine", "features", "diagnose", "image_only", "study", "split",
)  # fmt: skip
_WORDS = {
    "parallel": ("pmap", "shard_map"),
    "dtype": ("float32", "bfloat16"),
    "features.dtype": ("float32", "float16"),
    "split.group": ("unit", "subject"),
    "study.shuffle": ("", "metadata", "images"),
    "diagnose.case": ("record", "unit"),
    "align.image.anchors": ("printed", "both"),
    "align.local.negatives": ("printed", "symmetric"),
    "align.local.pooling": ("attention", "mean"),
    "align.soft.normalizer": ("printed", "batch"),
    "refine.class_weights": ("none", "balanced"),
    "image_only.class_weights": ("none", "balanced"),
    "diagnose.class_weights": ("none", "balanced"),
}
_LEAST = {
    "seed": 0,
    "folds": 2,
    "epochs": 0,
    "rank": 0,
    "learning_rate": 0,
    "batch_size": 1,
    "size": 1,
    "views": 1,
    "text_views": 1,
    "max_length": 4,
    "projection_width": 1,
    "projector_width": 1,
    "image_stride": 1,
    "text_stride": 1,
    "temperature": 1e-4,
    "label_temperature": 1e-4,
    "units": 0,
    "synthetic.image_size": 16,
}
_SHARES = ("warmup_fraction", "mask_probability", "text_dropout", "scan_dropout")
_STAGES = ("knowledge", "align", "refine", "features", "diagnose", "image_only")


def check(config: ConfigDict) -> None:
    """Raises UserError for a value that no stage takes, absent weights, or batches that the devices cannot share."""
    absent = [name for name in _SECTIONS if name not in config]
    if absent:
        raise UserError(f"The config lacks {', '.join(absent)}: start from configs.common.paper_recipe() and add what differs.")
    for field, value in _numbers_and_words(config.to_dict()):
        _check_value(field, value)
    for name in ("image", "text", "llm"):
        _check_weights(name, config.models[name])
    _check_patches(config)
    _check_vocabulary(config)
    devices = jax.device_count()
    for stage in _STAGES:
        if config[stage].batch_size % devices:
            raise UserError(
                f"{stage}.batch_size is {config[stage].batch_size}, which {devices} devices cannot share evenly: make it a "
                f"multiple of {devices}."
            )


def _numbers_and_words(section: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, value in section.items():
        if isinstance(value, dict):
            found += _numbers_and_words(value, f"{prefix}{name}.")
        elif isinstance(value, int | float | str):
            found.append((prefix + name, value))
    return found


def _check_value(field: str, value: Any) -> None:
    if field in _WORDS and value not in _WORDS[field]:
        expected = " or ".join(repr(word) for word in _WORDS[field])
        raise UserError(f"{field} should be {expected}, not {value!r}: set --config.{field}.")
    if isinstance(value, str):
        return
    leaf = field.rpartition(".")[2]
    least = _LEAST.get(leaf, _LEAST.get(".".join(field.split(".")[-2:])))
    if least is not None and not value >= least:
        raise UserError(f"{field} should be {least} or more, not {value}: set --config.{field}.")
    if leaf in _SHARES and not 0 <= value <= 1:
        raise UserError(f"{field} is a share between 0 and 1, not {value}: set --config.{field}.")


def _check_weights(name: str, settings: ConfigDict) -> None:
    if not settings.weights:
        return
    folder = Path(settings.weights)
    for wanted, found in (
        ("config.json", (folder / "config.json").is_file()),
        ("*.safetensors", any(folder.glob("*.safetensors"))),
    ):
        if not found:
            raise UserError(
                f"There are no weights for models.{name} at {folder} (looked for {folder}/{wanted}): download them, set "
                f"--config.models.{name}.weights, or run a preset that needs none, such as configs/aqua.py:demo."
            )


def _check_patches(config: ConfigDict) -> None:
    settings, size = config.models.image, config.image.size
    if settings.weights:
        path = Path(settings.weights) / "config.json"
        try:
            patch = json.loads(path.read_text(encoding="utf-8")).get("patch_size")
        except (OSError, ValueError, AttributeError) as error:
            raise UserError(f"{path} is damaged ({error}); fetch it again.") from error
    else:
        patch = settings.architecture.get("patch_size")
    if patch and size % patch:
        raise UserError(
            f"image.size is {size}, which is no multiple of the encoder's patch of {patch} pixels: set --config.image.size."
        )


def _check_vocabulary(config: ConfigDict) -> None:
    """A token beyond an encoder's vocabulary would be read as another one, without an error."""
    for name in ("text", "llm"):
        settings = config.models[name]
        known = None if settings.weights else settings.architecture.get("vocab_size")
        if known is not None and known < config.text.vocabulary_size:
            raise UserError(
                f"models.{name}.architecture.vocab_size is {known}, less than text.vocabulary_size "
                f"{config.text.vocabulary_size}: make it as large."
            )
