"""Why a case got its answer: what each attribute and photograph adds to it, and which parts of a photograph matter.

No training case is shown: of those there is the distance alone (Answer.unlike).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from prima_jax.clinic.answers import Answer
from prima_jax.clinic.cases import NewCase
from prima_jax.clinic.model import Model
from prima_jax.data.prepare import Prepared
from prima_jax.data.text import clauses, sentence
from prima_jax.errors import UserError
from prima_jax.grounding.attention import maps_of
from prima_jax.metrics.shapley import Subset, shapley
from prima_jax.stages import align, diagnose, text_features
from prima_jax.stages.cases import Sitting
from prima_jax.stages.context import Context
from prima_jax.stages.fold_model import FoldModel, photograph_tokens

__all__ = ["GRID", "Contribution", "Explanation", "explain", "square"]

GRID = 8
"""Squares of a photograph that are hidden one by one, in a row."""


@dataclass(frozen=True)
class Contribution:
    """Of one attribute, or one photograph, to the probability of the class that is explained."""

    name: str
    said: str
    """The clause that the models read, or the kind of the photograph."""
    left_out: float
    """How much the probability falls if it alone is not known."""
    shapley: float
    """What it adds on average, in whichever order things become known; all of them sum to the whole less nothing known."""
    standard_error: float


@dataclass(frozen=True)
class Explanation:
    """Of the answer for one case."""

    answer: Answer
    explained: str
    """The class."""
    probability: float
    nothing_known: float
    """The probability without any attribute and photograph."""
    contributions: tuple[Contribution, ...]
    photographs: tuple[np.ndarray, ...]
    """As the models are shown them: uint8 [H, W, 3]."""
    occlusion: tuple[np.ndarray, ...]
    """Of each photograph how much the probability falls where a square is hidden: [GRID, GRID]."""
    attention: tuple[dict[str, np.ndarray], ...]
    """Of each photograph: visible attribute -> the attention of its words to the patches (Eq. 4), [K]."""


def explain(model: Model, case: NewCase, *, explained: str = "", pairs: int = 8) -> Explanation:
    """Explains the probability of a class, by default the most probable one.

    pairs: of orders that the Shapley values are sampled with. Raises UserError as `Model.predict`, and for an unknown class.
    """
    if explained and explained not in model.study.class_names:
        raise UserError(f"{model.study.title} has no diagnosis {explained!r}; known: {', '.join(model.study.class_names)}.")
    answer = model.predict([case])[0]
    explained = explained or answer.predicted
    position = model.study.class_names.index(explained)
    context = model.context([case])
    said = clauses(model.study, context.prepared.records[0].fields)
    names = [*said, *(f"photograph {n + 1}" for n in range(len(context.prepared.records)))]
    kinds = [model.study.image_types.get(record.image_type, "") for record in context.prepared.records]

    def values(subsets: Sequence[Subset]) -> np.ndarray:
        return _probabilities(model, context, list(said), subsets)[:, position]

    everything = frozenset(range(len(names)))
    whole, nothing, *without = values([everything, frozenset(), *(everything - {n} for n in range(len(names)))])
    found, errors = shapley(len(names), values, pairs=pairs)
    contributions = [
        Contribution(name, what, float(whole - rest), float(value), float(error))
        for name, what, rest, value, error in zip(names, [*said.values(), *kinds], without, found, errors, strict=True)
    ]
    count = len(context.prepared.records)
    return Explanation(
        answer,
        explained,
        float(whole),
        float(nothing),
        tuple(contributions),
        tuple(context.prepared.image(n) for n in range(count)),
        tuple(_falls(model, context, n)[:, position].reshape(GRID, GRID) for n in range(count)),
        _attention(model, context),
    )


def square(shape: tuple[int, ...], number: int) -> tuple[slice, slice]:
    """Returns the rows and the columns of one of the GRID * GRID squares of a photograph [H, W, ...]."""
    edges = [np.linspace(0, side, GRID + 1).round().astype(int) for side in shape[:2]]
    row, column = divmod(number, GRID)
    return slice(edges[0][row], edges[0][row + 1]), slice(edges[1][column], edges[1][column + 1])


def _probabilities(model: Model, context: Context, attributes: list[str], subsets: Sequence[Subset]) -> np.ndarray:
    """The answer of all folds where only a subset of attributes and photographs is known: [subsets, C]."""
    fields = context.prepared.records[0].fields
    known = [{name: fields[name] for n, name in enumerate(attributes) if n in subset} for subset in subsets]
    sentences = [sentence(model.study, some) for some in known]
    photographs, views = range(len(context.prepared.records)), context.config.features.test_views
    shown = [
        _sittings(context, [n for n in photographs if len(attributes) + n in subset], text, views=views)
        for text, subset in enumerate(subsets)
    ]
    return _answered(model, context, sentences, shown, lambda fold: photograph_tokens(context, fold, views=views))


def _falls(model: Model, context: Context, photograph: int) -> np.ndarray:
    """Returns the fall of the probabilities with each square hidden behind the photograph's mean colour: [GRID * GRID, C].

    Photographs are shown whole alone, also where the models are shown random views besides, which could lack the square.
    """
    whole, records = context.prepared.image(photograph), context.prepared.records
    hidden = [_hidden(whole, number) for number in range(GRID * GRID)]
    there = replace(context, prepared=Prepared(model.study, (records[photograph],) * len(hidden), hidden))
    others = list(range(len(records)))
    shown = [_sittings(context, others, 0)]
    for number in range(len(hidden)):
        swapped = [len(records) + number if n == photograph else n for n in others]
        shown.append(_sittings(context, others, 0, swapped))
    text = sentence(model.study, records[0].fields)

    def tokens(fold: FoldModel) -> np.ndarray:
        return np.concatenate([photograph_tokens(one, fold, views=1) for one in (context, there)])

    unhidden, *found = _answered(model, context, [text], shown, tokens)
    return unhidden - np.array(found)


def _answered(model: Model, context: Context, sentences: list[str], shown: list[list[Sitting]], tokens) -> np.ndarray:
    """The calibrated mean over folds for each list of sittings: [lists, C]; tokens(fold): the photographs', [R, V, 1 + K, d]."""
    sittings = [sitting for of_one in shown for sitting in of_one]
    owners, by_fold = [n for n, of_one in enumerate(shown) for _ in of_one], []
    for fold in model.models:
        texts = text_features.text_tokens(context, fold.encoders.text, fold.tokenizers.text, [sentences])
        by_fold.append(diagnose.predict_sittings(context, fold.diagnoser, sittings, owners, tokens(fold), texts))
    return model.calibrated(np.stack(by_fold, axis=1)).mean(axis=1)


def _sittings(context: Context, known: list[int], text: int, rows: Sequence[int] = (), views: int = 1) -> list[Sitting]:
    """What is shown of a case of which only some photographs are known; rows: whose tokens stand in for each photograph."""
    rows = rows or range(len(context.prepared.records))
    records = context.prepared.records
    if context.config.diagnose.case == "record":
        return [Sitting(0, (row,), (view,), text) for view in range(views) for row in [rows[n] for n in known] or [-1]]
    slots = [[rows[n] for n in known if records[n].image_type == kind] for kind in context.prepared.study.image_types or ("",)]
    count = max(1, *(len(slot) for slot in slots))
    scans = [tuple(slot[turn % len(slot)] if slot else -1 for slot in slots) for turn in range(count)]
    return [Sitting(0, chosen, (view,) * len(chosen), text) for view in range(views) for chosen in scans]


def _hidden(photograph: np.ndarray, number: int) -> dict[str, bytes]:
    """The photograph with one of its squares in its mean colour, as the bytes of a PNG."""
    changed = photograph.copy()
    changed[square(photograph.shape, number)] = photograph.mean(axis=(0, 1)).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(changed).save(buffer, "PNG", compress_level=1)
    return {"image": buffer.getvalue()}


def _attention(model: Model, context: Context) -> tuple[dict[str, np.ndarray], ...]:
    """The mean over folds of Eq. 4 for each photograph and visible attribute; none where nothing was aligned."""
    records = context.prepared.records
    parts = {n: clauses(model.study, record.fields, visual_only=True) for n, record in enumerate(records)}
    found: list[dict[str, np.ndarray]] = [{} for _ in records]
    if not context.config.align.epochs or not parts[0]:
        return tuple(found)
    for number, fold in zip(model.folds, model.models, strict=True):
        aligned = align.load(context, number)
        for one in maps_of(context, fold.tokenizers, fold.encoders.text, aligned, parts, {n: n for n in parts}):
            before = found[one.record].get(one.attribute, 0.0)
            found[one.record][one.attribute] = before + one.attention / len(model.folds)
    return tuple(found)
