"""The rows of a plain run, of the paper's Tables 1 to 3 and of two more: a method, and what of the config is different for it."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ml_collections import ConfigDict

from prima_jax.errors import UserError

__all__ = ["PRIMA", "TABLES", "Row", "row_config", "row_title", "table_rows"]


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    name: str
    """Its folder and its key in results."""
    title: str
    method: str
    """A name in methods/registry.py."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Field of the config -> the value that this row has."""
    published: str = ""
    """The paper's row beside it, by its name in report/published.py."""
    title_without_weights: str = ""
    """Its title where the image encoder has no published weights, if that is another one."""
    note: str = ""
    """What a reader has to know of this row, beside what its method says."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Field of the config -> the field whose value it has in this row."""


def _ablation(name: str, title: str, note: str = "", **changes: Any) -> Row:
    return Row(name, title, "prima", {key.replace("__", "."): value for key, value in changes.items()}, note=note)


def _losses(*names: str) -> tuple[float, ...]:
    """The weights of Eq. 7 with those of the other losses at 0."""
    weights = {"image": 0.2, "global": 0.3, "local": 0.2, "soft": 0.3}
    return tuple(weight if name in names else 0.0 for name, weight in weights.items())


PRIMA = Row("prima", "PRIMA", "prima", published="PRIMA")
_COMPARED = (
    Row("image_only", "Image encoder, linear head", "image_only", published="DINOv3, LoRA"),
    Row(
        "metadata_mlp",
        "Image encoder + metadata via MLP (our adaptation)",
        "metadata_mlp",
        published="DINOv3 + metadata via MLP",
    ),
    Row("medklip", "MedKLIP (our adaptation)", "medklip", published="MedKLIP"),
    Row("deepik", "DeepIK (our adaptation)", "deepik", published="DeepIK"),
    Row("knobo", "KnoBo (our adaptation)", "knobo", published="KnoBo"),
    Row("medblip", "MedBLIP (our adaptation)", "medblip", published="MedBLIP"),
    Row("mlrg", "MLRG (our adaptation)", "mlrg", published="MLRG"),
    PRIMA,
)
_PLAIN = (
    Row("majority", "Majority class", "majority"),
    Row("missingness_only", "Missingness only", "missingness_only"),
    Row("missingness_balanced", "Missingness only, equal classes", "missingness_balanced"),
    Row("metadata_only", "Metadata, gradient boosting", "metadata_only"),
    Row("metadata_logistic", "Metadata, logistic regression", "metadata_logistic"),
    Row("text_llm", "Metadata sentence, LLM", "text_llm"),
    Row(
        "nearest_neighbours",
        "Frozen class token, nearest neighbours",
        "nearest_neighbours",
        title_without_weights="Untrained class token, nearest neighbours",
    ),
    Row(
        "frozen_tokens",
        "Frozen image tokens, logistic regression",
        "frozen_tokens",
        title_without_weights="Untrained image tokens, logistic regression",
    ),
    Row(
        "frozen_tokens_metadata",
        "Frozen image tokens + metadata, logistic regression",
        "frozen_tokens_metadata",
        title_without_weights="Untrained image tokens + metadata, logistic regression",
    ),
    Row("aligned_tokens", "PRIMA's image tokens after alignment, logistic regression", "aligned_tokens"),
    Row("refined_tokens", "PRIMA's image tokens after refinement, logistic regression", "refined_tokens"),
    Row("metablock", "MetaBlock fusion (our adaptation)", "metablock"),
)
_SHORTER = "its image encoder trains in refinement alone, hence for fewer steps than in the rows that align it"
_AS_LONG = "its image encoder trains in refinement alone, for as many epochs as the image-only row"
# The paper's text has lost the marks that say which parts each of its nine rows has: these follow its prose, from the class
# labels alone to the whole, one part at a time.
_ABLATION = (
    _ablation("labels_alone", "Neither knowledge nor alignment", _SHORTER, knowledge__corpus="", align__epochs=0.0),
    _ablation("image_loss", "L_img", knowledge__corpus="", align__weights=_losses("image")),
    _ablation("image_global", "L_img, L_glo", knowledge__corpus="", align__weights=_losses("image", "global")),
    _ablation(
        "image_global_local", "L_img, L_glo, L_loc", knowledge__corpus="", align__weights=_losses("image", "global", "local")
    ),
    _ablation("without_knowledge", "All losses, without knowledge", knowledge__corpus=""),
    _ablation("knowledge_alone", "Knowledge, without alignment", _SHORTER, align__epochs=0.0),
    _ablation(
        "local_direct",
        "PRIMA, L_loc without attention (loc_dir)",
        align__local__pooling="mean",
        align__local__negatives="symmetric",
    ),
    _ablation("label_vectors", "PRIMA, L_soft of class labels (sup_con)", align__soft__vectors="labels"),
    PRIMA,
    # Not in the paper:
    Row(
        "labels_longer",
        "Neither, longer refinement",
        "prima",
        {"knowledge.corpus": "", "align.epochs": 0.0},
        note=_AS_LONG,
        copies={"refine.epochs": "image_only.epochs"},
    ),
    _ablation("without_refinement", "PRIMA, without supervised refinement", refine__epochs=0.0),
    _ablation("printed_local", "PRIMA, Eq. 5 as printed", align__local__negatives="printed"),
    _ablation("symmetric_local", "PRIMA, Eq. 5 symmetric", align__local__negatives="symmetric"),
    _ablation("printed_soft", "PRIMA, Eq. 6 as printed, over 4N²", align__soft__normalizer="printed"),
    _ablation("batch_soft", "PRIMA, Eq. 6 over 4N", align__soft__normalizer="batch"),
)


def _unaligned(name: str, words: str, method: str = "prima", **changes: Any) -> Row:
    """Returns a row of Table 4 whose image encoder stays as it starts out; words: what else its title says."""
    changed = {"align.epochs": 0.0, "refine.epochs": 0.0, **{key.replace("__", "."): value for key, value in changes.items()}}
    title, untrained = f"Image encoder as published{words}", f"Untrained image encoder{words}"
    return Row(name, title, method, changed, title_without_weights=untrained)


# Parts of PRIMA exchanged one at a time; what an encoder is exchanged for is as large, with numbers drawn at random.
_PARTS = (
    PRIMA,
    _unaligned("frozen_image", ""),
    _unaligned("frozen_image_one_hot", ", one-hot metadata", "one_hot"),
    _unaligned("frozen_image_random_text", ", random text encoder", knowledge__epochs=0.0, models__text__random=True),
    _unaligned("frozen_image_perceptron", ", perceptron in place of the LLM", "perceptron"),
    Row("one_hot", "PRIMA, one-hot metadata in place of sentences in stage 3", "one_hot"),
    _ablation("random_llm", "PRIMA, random LLM", models__llm__random=True),
    Row("perceptron", "PRIMA, perceptron in place of the LLM", "perceptron"),
    _ablation("all_attributes", "PRIMA, no attribute left out in training", features__text_dropout=0.0),
    _ablation("unweighted", "PRIMA, stage 3 with classes as they are", diagnose__class_weights="none"),
    _ablation("balanced", "PRIMA, stage 3 with balanced class weights", diagnose__class_weights="balanced"),
    _ablation("sampled", "PRIMA, stage 3 with balanced sampling", diagnose__class_weights="sampled"),
    _ablation("logit_adjusted", "PRIMA, stage 3 with logit adjustment", diagnose__class_weights="logit_adjusted"),
    _ablation("focal", "PRIMA, stage 3 with focal loss", diagnose__class_weights="focal"),
)


def _of_tokens(row: Row) -> tuple[Row, ...]:
    """Returns two rows, a regression on the image tokens after a row's stage 2, and one on these and the metadata."""
    return (
        Row(f"{row.name}_tokens", f"{row.title}: tokens", "aligned_tokens", row.changes),
        Row(f"{row.name}_metadata", f"{row.title}: tokens + metadata", "aligned_tokens_metadata", row.changes),
    )


_ALIGNED = (
    *(row for row in _PLAIN if row.name in ("frozen_tokens", "frozen_tokens_metadata")),
    *(
        part
        for row in _ABLATION
        if row.method == "prima" and "align.epochs" not in row.changes and "refine.epochs" not in row.changes
        for part in _of_tokens(row)
    ),
)

_DEFAULT = (
    *("prima", "image_only", "frozen_tokens", "frozen_tokens_metadata", "metadata_only", "metadata_logistic"),
    *("missingness_only", "majority"),
)

TABLES: Mapping[int, tuple[Row, ...]] = {
    0: tuple(next(row for row in (*_COMPARED, *_PLAIN) if row.name == name) for name in _DEFAULT),
    1: (*(row for row in _COMPARED if row.name != "deepik"), *_PLAIN),
    2: (*(row for row in _COMPARED if row.name != "medklip"), *_PLAIN),
    3: _ABLATION,
    4: _PARTS,
    5: _ALIGNED,
}
"""By the number of the paper's table; 0: PRIMA and what everyone should see beside it, which a plain run has; 4: parts of PRIMA
exchanged; 5: the image encoders of Table 3 without what follows stage 2.

The paper compares MedKLIP on PAD-UFES-20 alone and DeepIK on AQUA alone.
"""


def table_rows(config: ConfigDict) -> tuple[Row, ...]:
    """The rows of config.table.number, or those of them that config.table.rows names. Raises UserError.

    Of rows that come to the same only the first is there: of "as printed" and its alternative one is the config's own, without
    a corpus there is no knowledge to leave out, and without weights nothing that random numbers could take the place of.
    """
    rows: dict[str, Row] = {}
    for row in sorted(TABLES[config.table.number], key=lambda row: bool(row.changes)):  # PRIMA itself first
        rows.setdefault(f"{row.method} {row_config(config, row, 0).to_json_best_effort()}", row)
    names = [row.name for row in TABLES[config.table.number] if row in rows.values()]
    chosen = tuple(config.table.rows) or tuple(names)
    unknown = [name for name in chosen if name not in names]
    if unknown:
        name = f"Table {config.table.number}" if config.table.number else "A plain run"
        raise UserError(f"{name} has no row {', '.join(unknown)}: set --config.table.rows to some of {', '.join(names)}.")
    return tuple(row for row in TABLES[config.table.number] if row.name in chosen and row.name in names)


def row_config(config: ConfigDict, row: Row, seed: int) -> ConfigDict:
    """The config of one row with one seed."""
    changed = config.copy_and_resolve_references()
    with changed.unlocked():
        changed.seed = seed
        changed.update_from_flattened_dict({name: value for name, value in row.changes.items() if _bears(changed, name)})
        changed.update_from_flattened_dict({name: _value(config, other) for name, other in row.copies.items()})
    return changed


def _bears(config: ConfigDict, name: str) -> bool:
    """Returns False for models.*.random where that model's numbers are random anyway."""
    section, _, field = name.rpartition(".")
    return field != "random" or bool(_value(config, section).weights)


def row_title(row: Row, config: ConfigDict) -> str:
    """Returns the row's title in this run."""
    return (not config.models.image.weights and row.title_without_weights) or row.title


def _value(config: ConfigDict, name: str) -> Any:
    """What the field `section.field` holds."""
    return functools.reduce(getattr, name.split("."), config)
