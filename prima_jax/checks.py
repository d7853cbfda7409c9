"""What a config may say: told before anything is computed, rather than by a stage after hours."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from prima_jax.data.text import BYTES, SPECIALS
from prima_jax.errors import UserError
from prima_jax.models import lora, pretrained
from prima_jax.models.checkpoint_files import PICKLES, Tensors, weight_files
from prima_jax.models.dinov3_names import from_timm

__all__ = ["check"]

_NEEDED = (
    "data", "models", "image", "text", "knowledge", "align", "refine", "features", "diagnose", "image_only", "study", "split",
    "models.image.weights", "models.text.weights", "models.llm.weights",
    "study.definition", "study.hide", "study.shuffle", "study.synthetic.units", "split.group", "split.without_fold",
)  # fmt: skip
_WORDS = {
    "parallel": ("pmap", "shard_map"),
    "dtype": ("float32", "bfloat16"),
    "features.dtype": ("float32", "float16"),
    "split.group": ("unit", "subject"),
    "study.shuffle": ("", "metadata", "images", "labels"),
    "diagnose.case": ("record", "unit"),
    "align.image.anchors": ("printed", "both"),
    "align.local.negatives": ("printed", "symmetric"),
    "align.local.pooling": ("attention", "mean"),
    "align.soft.normalizer": ("printed", "batch"),
    "align.soft.vectors": ("metadata", "labels"),
    "baselines.metadata_mlp.pooling": ("words", "class"),
}
_CLASS_WEIGHTS = ("none", "balanced")
"""Of every section that has the field."""
_LEAST = {
    "seed": 0,
    "folds": 2,
    "epochs": 0,
    "rank": 0,
    "learning_rate": 0,
    "weight_decay": 0,
    "checkpoint_seconds": 0,
    "clip_norm": 0,
    "adam_b2": 0,
    "brightness": 0,
    "contrast": 0,
    "saturation": 0,
    "rotation": 0,
    "without_fold": -1,
    "batch_size": 1,
    "size": 1,
    "views": 1,
    "test_views": 1,
    "adapter_learning_rate": 0,
    "text_views": 1,
    "max_length": 4,
    "projection_width": 1,
    "projector_width": 1,
    "image_stride": 1,
    "text_stride": 1,
    "temperature": 1e-4,
    "label_temperature": 1e-4,
    "units": 0,
    "blocks": 0,
    "synthetic.image_size": 16,
}
_MOST = {
    "seed": 2**32 - 1,  # scikit-learn takes no larger one
    "brightness": 1,
    "contrast": 1,
    "saturation": 1,
    "rotation": 180,
    "adam_b2": 0.9999,  # at 1 nothing is ever divided by
}
_SHARES = ("warmup_fraction", "mask_probability", "text_dropout", "scan_dropout")
_TRAINED = {"knowledge": "text", "align": "image", "refine": "image", "image_only": "image", "diagnose": "llm"}
"""Stage -> the model that it adapts, or trains whole at rank 0."""
_KINDS = {
    "image": ("dinov2", "dinov2_with_registers", "dinov3_vit"),
    "text": ("modernbert", "bert"),
    "llm": ("qwen3", "llama"),
}


def check(config: ConfigDict) -> None:
    """Raises UserError for a value that no stage takes, absent weights, or batches that the devices cannot share."""
    absent = next((field for field in _NEEDED if not _holds(config, field)), None)
    if absent:
        raise UserError(f"The config lacks {absent}: start from configs.common.paper_recipe() and add what differs.")
    for field, value in _fields(config):
        _check_value(field, value)
    if config.split.without_fold >= config.folds:
        raise UserError(
            f"split.without_fold is {config.split.without_fold}, and the {config.folds} folds are numbered from 0: set "
            f"--config.split.without_fold to {config.folds - 1} or less, or to -1 for all records."
        )
    _check_augmentation(config.image.augmentation)
    _check_losses(config.align)
    modules = {name: _module(name, config.models[name]) for name in _KINDS}
    for stage, name in _TRAINED.items():
        _check_adapters(stage, config, name, modules[name])
    _check_views(config.features)
    _check_sizes(config.image.size, modules["image"].config.patch_size, config.data.size)
    _check_vocabulary(config, modules)
    _check_devices(config)


def _holds(config: ConfigDict, field: str) -> bool:
    section: Any = config
    for name in field.split("."):
        if not isinstance(section, ConfigDict) or name not in section:
            return False
        section = section[name]
    return True


def _fields(config: ConfigDict) -> list[tuple[str, Any]]:
    """Names and values; last those that follow other fields, so that an error names the one that was set."""
    return sorted(_numbers_and_words(config.to_dict()), key=lambda field: field[0].startswith(("image_only.", "baselines.")))


def _numbers_and_words(section: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, value in section.items():
        if isinstance(value, dict):
            found += _numbers_and_words(value, f"{prefix}{name}.")
        elif isinstance(value, int | float | str):
            found.append((prefix + name, value))
    return found


def _check_value(field: str, value: Any) -> None:
    leaf = field.rpartition(".")[2]
    words = _CLASS_WEIGHTS if leaf == "class_weights" else _WORDS.get(field, ())
    if words and value not in words:
        expected = " or ".join(repr(word) for word in words)
        raise UserError(f"{field} should be {expected}, not {value!r}: set --config.{field}.")
    if isinstance(value, str):
        return
    least = _LEAST.get(leaf, _LEAST.get(".".join(field.split(".")[-2:]), -math.inf))
    if not math.isfinite(value):
        raise UserError(f"{field} should be a finite number, not {value}: set --config.{field}.")
    if value < least:
        raise UserError(f"{field} should be {least} or more, not {value}: set --config.{field}.")
    if value > _MOST.get(leaf, math.inf):
        raise UserError(f"{field} should be {_MOST[leaf]} or less, not {value}: set --config.{field}.")
    if leaf in _SHARES and not 0 <= value <= 1:
        raise UserError(f"{field} is a share between 0 and 1, not {value}: set --config.{field}.")


def _check_augmentation(settings: ConfigDict) -> None:
    for name, most in (("scale", 1), ("ratio", math.inf)):
        pair = settings[name]
        if not (_are_numbers(pair, 2) and 0 < pair[0] <= pair[1] <= most):
            limit = " and at most 1" if most == 1 else ""
            raise UserError(
                f"image.augmentation.{name} should be two numbers above 0{limit}, the lower first, not {pair!r}: set "
                f"--config.image.augmentation.{name}."
            )


def _check_losses(align: ConfigDict) -> None:
    weights = align.weights
    if not (_are_numbers(weights, 4) and min(weights) >= 0 and max(weights) > 0):
        raise UserError(
            "align.weights should be four numbers of 0 or more, for L_img, L_glo, L_loc and L_soft, and one of them above 0, not "
            f"{weights!r}: set --config.align.weights."
        )
    if align.local.pooling == "mean" and align.local.negatives == "printed":
        raise UserError(
            "With align.local.pooling='mean' and align.local.negatives='printed' L_loc is a constant and trains nothing: set "
            "--config.align.local.negatives=symmetric."
        )


def _are_numbers(values: Any, count: int) -> bool:
    """Whether these are so many finite numbers."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != count:
        return False
    return all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values)


def _module(name: str, settings: ConfigDict) -> Any:
    """The model that the config describes, without its weights."""
    _check_weights(name, settings)
    description = _description(name, settings)
    kind = description.get("model_type")
    if kind not in _KINDS[name]:
        raise UserError(
            f"models.{name} has the model_type {kind!r}, where {' or '.join(_KINDS[name])} is expected: set "
            f"--config.models.{name}.weights to such a checkpoint."
        )
    try:
        module = pretrained.build(description)
    except UserError as error:
        raise UserError(f"models.{name}: {error}") from error
    if settings.weights:
        Tensors(weight_files(Path(settings.weights)))  # reads no number, but tells what is damaged or not there
    return module


def _description(name: str, settings: ConfigDict) -> dict[str, Any]:
    """The content of the checkpoint's config.json, or of the section `architecture`."""
    if not settings.weights:
        return settings.architecture.to_dict()
    path = Path(settings.weights) / "config.json"
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}); fetch it again.") from error
    if not isinstance(description, dict):
        raise UserError(f"{path} is damaged (a {type(description).__name__}, not an object); fetch it again.")
    return dict(from_timm(description))


def _check_weights(name: str, settings: ConfigDict) -> None:
    if not settings.weights:
        if "architecture" not in settings:
            raise UserError(
                f"models.{name} has neither weights nor an architecture: set --config.models.{name}.weights, or run a preset "
                "that needs none, such as configs/aqua.py:demo."
            )
        return
    folder = Path(settings.weights)
    for wanted, found in (
        ("config.json", (folder / "config.json").is_file()),
        # Of pickles `weight_files` says how to convert them.
        ("*.safetensors", any(path.suffix in (".safetensors", *PICKLES) for path in folder.glob("*"))),
    ):
        if not found:
            raise UserError(
                f"There are no weights for models.{name} at {folder} (looked for {folder}/{wanted}): download them, set "
                f"--config.models.{name}.weights, or run a preset that needs none, such as configs/aqua.py:demo."
            )


def _check_adapters(stage: str, config: ConfigDict, name: str, module: Any) -> None:
    settings = config[stage]
    if settings.rank == 0 and config.models[name].weights and config.dtype == "bfloat16":
        raise UserError(
            f"{stage}.rank=0 trains the whole of models.{name}, whose bfloat16 weights would lose most updates: set "
            f"--config.dtype=float32, or --config.{stage}.rank to 1 or more."
        )
    blocks = config.image.blocks if name == "image" else 0
    if blocks and not settings.rank:
        raise UserError(
            f"image.blocks is {blocks}, which places adapters, and {stage}.rank=0 trains the whole image encoder: set "
            f"--config.image.blocks=0, or --config.{stage}.rank to 1 or more."
        )
    if blocks > module.config.num_hidden_layers:
        raise UserError(
            f"image.blocks is {blocks}, more than the {module.config.num_hidden_layers} blocks of models.image: set "
            "--config.image.blocks lower."
        )
    if settings.rank and settings.targets:
        _check_targets(stage, settings, module)


def _check_targets(stage: str, settings: ConfigDict, module: Any) -> None:
    """Names are compared with those of the layers that would be there; no number is computed."""

    def adapters() -> Any:
        parameters = pretrained.init_random(module, 0)["params"]
        targets = tuple(settings.targets)
        return lora.init_adapters(jax.random.key(0), parameters, rank=settings.rank, alpha=1.0, targets=targets)

    try:
        jax.eval_shape(adapters)
    except UserError as error:
        raise UserError(f"{stage}.targets: {error}") from error


def _check_views(features: ConfigDict) -> None:
    if features.test_views > features.views:
        raise UserError(
            f"features.test_views is {features.test_views}, and {features.views} views of each photograph are stored: set "
            f"--config.features.views={features.test_views} or more."
        )


def _check_sizes(size: int, patch: int, stored: int) -> None:
    if size % patch:
        raise UserError(
            f"image.size is {size}, which is no multiple of the encoder's patch of {patch} pixels: set --config.image.size."
        )
    if stored < size:
        raise UserError(
            f"image.size is {size}, and photographs are stored with a shorter side of data.size {stored} pixels, so that they "
            f"would be enlarged: set --config.data.size={size} or more."
        )


def _check_vocabulary(config: ConfigDict, modules: dict[str, Any]) -> None:
    """Where a tokenizer is trained it needs room, and a token beyond a model's vocabulary would be read as another one."""
    size = config.text.vocabulary_size
    least = BYTES + len(SPECIALS) + len(config.study.definition.get("classes", ()))
    for name in ("text", "llm"):
        if config.models[name].weights:
            continue
        if size < least:
            raise UserError(
                f"text.vocabulary_size is {size}, and {least} or more are needed for the bytes, the special tokens and the "
                f"classes, since models.{name} has no weights and hence no tokenizer: set --config.text.vocabulary_size."
            )
        known = modules[name].config.vocab_size
        if known < size:
            raise UserError(
                f"models.{name}.architecture.vocab_size is {known}, less than text.vocabulary_size {size}: make it as large."
            )


def _check_devices(config: ConfigDict) -> None:
    if jax.process_count() > 1:
        raise UserError(f"Several hosts are not supported yet, and this is one of {jax.process_count()}: run one process.")
    devices = jax.device_count()
    for field, value in _fields(config):
        if field.endswith(".batch_size") and value % devices:
            raise UserError(f"{field} is {value}, which {devices} devices cannot share evenly: make it a multiple of {devices}.")
