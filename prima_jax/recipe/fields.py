"""The sections and fields of a recipe, each with its kind and range; configs/common.py says why they have their values."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError, PydanticKnownError

__all__ = ["Adapters", "Features", "Model", "Recipe"]


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise PydanticCustomError("stated", "is a share between 0 and 1")
    return value


def _rising(pair: Any, most: float) -> Any:
    if not (_are_numbers(pair, 2) and 0 < pair[0] <= pair[1] <= most):
        limit = " and at most 1" if most == 1 else ""
        raise PydanticCustomError("stated", f"should be two numbers above 0{limit}, the lower first")
    return pair


def _loss_weights(weights: Any) -> Any:
    if not (_are_numbers(weights, 4) and min(weights) >= 0 and max(weights) > 0):
        raise PydanticCustomError(
            "stated", "should be four numbers of 0 or more, for L_img, L_glo, L_loc and L_soft, and one of them above 0"
        )
    return weights


def _are_numbers(values: Any, count: int) -> bool:
    """Returns True if `values` are `count` finite numbers."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != count:
        return False
    return all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticKnownError("finite_number")
    return value


def _different_seeds(seeds: tuple[Any, ...]) -> tuple[Any, ...]:
    if not seeds or len(set(seeds)) < len(seeds) or not all(isinstance(seed, int) and 0 <= seed < 2**32 for seed in seeds):
        raise PydanticCustomError("stated", "should be one or more different numbers of 0 or more")
    return seeds


Number = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, AfterValidator(_share)]
Strength = Annotated[Number, Field(ge=0, le=1)]
Temperature = Annotated[Number, Field(ge=1e-4)]
Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Length = Annotated[int, Field(ge=4)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]  # scikit-learn takes no larger one
ClassWeights = Literal["none", "balanced", "logit_adjusted", "focal"]
Texts = tuple[str, ...]
Plain = dict[str, Any]
"""A section that is checked by its reader."""


class Section(BaseModel, extra="forbid", strict=True):
    """A section of a recipe: fields without a default are required, and others are refused."""


class Training(Section):
    """Settings of a training: length, batches, optimiser."""

    epochs: Amount
    batch_size: Count
    learning_rate: Amount
    weight_decay: Amount


class Adapters(Section):
    """Settings of LoRA; at rank 0 the whole model is trained."""

    rank: Whole
    alpha_over_rank: Number
    targets: Texts


class Classified(Training):
    """Settings of a training on the diagnoses."""

    class_weights: ClassWeights


class Adapted(Classified, Adapters):
    """Settings of a training of adapters on the diagnoses."""


class Synthetic(Section):
    units: Whole
    seed: Seed
    image_size: Annotated[int, Field(ge=16)]


class Study(Section):
    definition: Plain
    hide: str
    shuffle: Literal["", "metadata", "images", "labels"]
    synthetic: Synthetic


class Split(Section):
    group: Literal["unit", "subject", "site"]
    without_fold: Annotated[int, Field(ge=-1)]
    train_share: Annotated[Number, Field(ge=0.01, le=1)]


class Data(Section):
    dir: str
    prepared: str
    size: Count
    allow_contradictions: bool


class Model(Section):
    weights: str | None
    architecture: dict[str, Annotated[Any, AfterValidator(_finite)]] = {}


class TextModel(Model):
    random: bool = False  # numbers drawn at random in the published architecture, for rows of Table 4


class LanguageModel(TextModel):
    quantized: Literal["", "int8", "nf4"] = ""


class Models(Section):
    image: Model
    text: TextModel
    llm: LanguageModel


class Augmentation(Section):
    scale: Annotated[Any, BeforeValidator(partial(_rising, most=1))]
    ratio: Annotated[Any, BeforeValidator(partial(_rising, most=math.inf))]
    horizontal_flip: bool
    vertical_flip: bool
    quarter_turns: bool
    brightness: Strength
    contrast: Strength
    saturation: Strength
    rotation: Annotated[Number, Field(ge=0, le=180)]


class Image(Section):
    size: Count
    blocks: Whole
    augmentation: Augmentation


class Text(Section):
    max_length: Length
    vocabulary_size: int


class Knowledge(Training, Adapters):
    corpus: str
    field: str
    include_sentences: bool
    max_length: Length
    mask_probability: Share


class ImageLoss(Section):
    anchors: Literal["printed", "both"]


class LocalLoss(Section):
    negatives: Literal["printed", "symmetric"]
    pooling: Literal["attention", "mean"]


class SoftLoss(Section):
    normalizer: Literal["printed", "batch"]
    vectors: Literal["metadata", "labels"]


class Align(Training, Adapters):
    microbatches: Count
    projection_width: Count
    temperature: Temperature
    label_temperature: Temperature
    weights: Annotated[Any, BeforeValidator(_loss_weights)]
    label_weight: Number
    image: ImageLoss
    local: LocalLoss
    soft: SoftLoss


class Features(Section):
    views: Count
    test_views: Count
    text_views: Count
    text_dropout: Share
    dtype: Literal["float32", "float16"]
    batch_size: Count


class Refine(Adapted):
    microbatches: Count


class Diagnose(Training, Adapters):
    class_weights: Literal["none", "balanced", "logit_adjusted", "focal", "sampled"]
    microbatches: Count
    adapter_learning_rate: Amount
    case: Literal["record", "unit"]
    projector_width: Count
    standardized: bool
    scan_dropout: Share
    image_stride: Count
    text_stride: Count


class Table(Section):
    number: Literal[0, 1, 2, 3, 4, 5]  # 0: a plain run; 4 and 5 are not in the paper
    rows: Texts
    seeds: Annotated[tuple[Any, ...], AfterValidator(_different_seeds)]
    processes: Count
    subgroups: Texts
    error_photographs: Whole


class MetadataMlp(Adapted):
    width: int
    pooling: Literal["words", "class"]


class Knobo(Classified):
    concepts: int
    prior_weight: Number


class Medklip(Adapted):
    width: int
    layers: int
    heads: int


class DeepIK(Classified):
    blocks: tuple[int, ...]
    growth: int
    stem: int
    groups: tuple[Texts, ...]


class MedBlip(Classified):
    queries: int
    layers: int
    width: int
    heads: int
    shared_width: int


class Mlrg(Classified):
    views: Count
    width: int
    layers: int
    heads: int
    temperature: Temperature
    region_temperature: Number
    align: Training


class Baselines(Section):
    metadata_mlp: MetadataMlp
    metablock: Adapted
    text_llm: Adapted
    knobo: Knobo
    medklip: Medklip
    deepik: DeepIK
    medblip: MedBlip
    mlrg: Mlrg


class Recipe(Section):
    """Those that follow other sections are last, so that an error names the one that was set."""

    seed: Seed
    folds: Annotated[int, Field(ge=2, le=1000)]
    parallel: Literal["pmap", "shard_map"]
    dtype: Literal["float32", "bfloat16"]
    remat: bool
    warmup_fraction: Share
    adam_b2: Annotated[Number, Field(ge=0, le=0.9999)]  # at 1 nothing is ever divided by
    clip_norm: Amount
    checkpoint_seconds: Amount
    shrink_batches: bool = False
    study: Study
    split: Split
    data: Data
    models: Models
    image: Image
    text: Text
    knowledge: Knowledge
    align: Align
    refine: Refine
    features: Features
    diagnose: Diagnose
    table: Table
    search: Plain = {}  # from here on the steps of prima_jax.corpus
    retrieve: Plain = {}
    synthesise: Plain = {}
    check: Plain = {}
    review: Plain = {}
    learn: Plain = {}
    image_only: Refine
    baselines: Baselines
