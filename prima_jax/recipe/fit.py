"""Checks the fields of a recipe against one another, the checkpoints and the devices."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from prima_jax.data.text import BYTES, SPECIALS
from prima_jax.errors import UserError
from prima_jax.models import lora, pretrained
from prima_jax.models.checkpoint_files import PICKLES, Tensors, read_json, weight_files
from prima_jax.models.dinov3_names import from_timm
from prima_jax.problems import Problems
from prima_jax.recipe.fields import Adapters, Features, Model, Recipe

__all__ = ["check_fit"]

_TRAINED = {"knowledge": "text", "align": "image", "refine": "image", "image_only": "image", "diagnose": "llm"}
"""Stage -> the model that it adapts, or trains whole at rank 0."""
_KINDS = {
    "image": ("dinov2", "dinov2_with_registers", "dinov3_vit"),
    "text": ("modernbert", "bert"),
    "llm": ("qwen3", "llama"),
}


def check_fit(recipe: Recipe, problems: Problems) -> None:
    """Adds fields that contradict one another, absent weights, and batches that the devices cannot share."""
    problems.attempt("recipe", _check_choices, recipe)
    modules = {name: problems.attempt(f"models.{name}", _module, name, getattr(recipe.models, name)) for name in _KINDS}
    for stage, name in _TRAINED.items():
        if modules[name] is not None:
            problems.attempt("recipe", _check_adapters, stage, recipe, name, modules[name])
    problems.attempt("recipe", _check_quantized, recipe)
    problems.attempt("recipe", _check_views, recipe.features)
    if modules["image"] is not None:
        problems.attempt("recipe", _check_sizes, recipe.image.size, modules["image"].config.patch_size, recipe.data.size)
    if None not in modules.values():
        problems.attempt("recipe", _check_vocabulary, recipe, modules)
    problems.attempt("recipe", _check_devices, recipe)


def _check_choices(recipe: Recipe) -> None:
    if recipe.split.without_fold >= recipe.folds:
        raise UserError(
            f"split.without_fold is {recipe.split.without_fold}, and the {recipe.folds} folds are numbered from 0: set "
            f"--config.split.without_fold to {recipe.folds - 1} or less, or to -1 for all records."
        )
    if recipe.split.group == "site" and recipe.split.without_fold >= 0:
        raise UserError(
            "With split.group=site each of the folds is a site, and none can be left out before they are drawn: set "
            "--config.split.without_fold=-1."
        )
    if recipe.align.local.pooling == "mean" and recipe.align.local.negatives == "printed":
        raise UserError(
            "With align.local.pooling='mean' and align.local.negatives='printed' L_loc is a constant and trains nothing: set "
            "--config.align.local.negatives=symmetric."
        )


def _module(name: str, settings: Model) -> Any:
    """Returns the model that the config describes, without its weights."""
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
        Tensors(weight_files(Path(settings.weights)))  # reads no values, but raises for damaged or missing files
    return module


def _description(name: str, settings: Model) -> dict[str, Any]:
    """Returns the content of the checkpoint's config.json, or of the section `architecture`."""
    if not settings.weights:
        return settings.architecture
    path = Path(settings.weights) / "config.json"
    return dict(from_timm(read_json(path)))


def _check_weights(name: str, settings: Model) -> None:
    if not settings.weights:
        if not settings.architecture:
            raise UserError(
                f"models.{name} has neither weights nor an architecture: set --config.models.{name}.weights, or run a preset "
                "that needs none, such as configs/aqua.py:demo."
            )
        return
    folder = Path(settings.weights)
    for pattern, exists in (
        ("config.json", (folder / "config.json").is_file()),
        # Pickles count: the error of `weight_files` tells how to convert them.
        ("*.safetensors", any(path.suffix in (".safetensors", *PICKLES) for path in folder.glob("*"))),
    ):
        if not exists:
            raise UserError(
                f"There are no weights for models.{name} at {folder} (looked for {folder}/{pattern}): download them, set "
                f"--config.models.{name}.weights, or run a preset that needs none, such as configs/aqua.py:demo."
            )


def _check_adapters(stage: str, recipe: Recipe, name: str, module: Any) -> None:
    settings = getattr(recipe, stage)
    if settings.rank == 0 and getattr(recipe.models, name).weights and recipe.dtype == "bfloat16":
        raise UserError(
            f"{stage}.rank=0 trains the whole of models.{name}, whose bfloat16 weights would lose most updates: set "
            f"--config.dtype=float32, or --config.{stage}.rank to 1 or more."
        )
    blocks = recipe.image.blocks if name == "image" else 0
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


def _check_targets(stage: str, settings: Adapters, module: Any) -> None:
    """Raises UserError if a LoRA target names no layer of the model, by its abstract shapes alone."""

    def adapters() -> Any:
        parameters = pretrained.init_random(module, 0)["params"]
        return lora.init_adapters(jax.random.key(0), parameters, rank=settings.rank, alpha=1.0, targets=settings.targets)

    try:
        jax.eval_shape(adapters)
    except UserError as error:
        raise UserError(f"{stage}.targets: {error}") from error


def _check_quantized(recipe: Recipe) -> None:
    """Raises UserError if kernels of the LLM are quantised that a row would train."""
    trained, rows = {"diagnose": recipe.diagnose.rank}, recipe.table.rows
    if "text_llm" in rows or (not rows and recipe.table.number in (1, 2)):
        trained["baselines.text_llm"] = recipe.baselines.text_llm.rank
    for section, rank in trained.items():
        if recipe.models.llm.quantized and rank == 0:
            raise UserError(
                f"models.llm.quantized is {recipe.models.llm.quantized!r}, which leaves adapters alone to train, and "
                f"{section}.rank=0 trains the whole LLM: set --config.models.llm.quantized= to nothing, or "
                f"--config.{section}.rank to 1 or more."
            )


def _check_views(features: Features) -> None:
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


def _check_vocabulary(recipe: Recipe, modules: dict[str, Any]) -> None:
    """Raises UserError if a trained tokenizer's vocabulary is too small, or larger than that of a model from random weights."""
    size = recipe.text.vocabulary_size
    least = BYTES + len(SPECIALS) + len(recipe.study.definition.get("classes", ()))
    for name in ("text", "llm"):
        if getattr(recipe.models, name).weights:
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


def _check_devices(recipe: Recipe) -> None:
    if jax.process_count() > 1 and recipe.parallel != "shard_map":
        raise UserError(
            f"parallel is {recipe.parallel}, which takes arrays through the host at every step where devices are in several "
            f"processes ({jax.process_count()} here): set --config.parallel=shard_map."
        )
    devices = jax.device_count()
    for field, value, pieces in _batch_sizes(recipe.model_dump()):
        if value % (devices * pieces):
            shared = f"{devices} devices" if pieces == 1 else f"{devices} devices in {pieces} microbatches"
            raise UserError(f"{field} is {value}, which {shared} cannot share evenly: make it a multiple of {devices * pieces}.")


def _batch_sizes(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, int, int]]:
    """Every batch size of a recipe, with its field's name and the pieces that it is computed in."""
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _batch_sizes(value, f"{prefix}{name}.")
        elif name == "batch_size":
            yield prefix + name, value, section.get("microbatches", 1)
