"""What is diagnosed: one photograph with its metadata, or all the scans of a unit in one sequence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from prima_jax.errors import UserError
from prima_jax.models.diagnoser import Features
from prima_jax.stages.context import Context
from prima_jax.stages.text_features import TextTokens

__all__ = ["Case", "Sitting", "all_cases", "case_views", "gather", "sittings_of", "training_sitting", "whole_sittings"]


@dataclass(frozen=True)
class Case:
    """One row of predictions.csv. `slots` holds, for each view of the study, the positions of the photographs there."""

    name: str
    unit: str
    subject: str
    label: int
    row: int
    """Position of the record whose metadata speak for the case."""
    slots: tuple[tuple[int, ...], ...]


def case_views(context: Context) -> tuple[str, ...]:
    """The names of a case's slots."""
    if context.config.diagnose.case == "record":
        return ("clinical",)
    return tuple(context.prepared.study.image_types.values()) or ("clinical",)


def all_cases(context: Context) -> list[Case]:
    """Every case of the study, in the order of its file. `diagnose.case` is "record" or "unit"."""
    records, kind = context.prepared.records, context.config.diagnose.case
    if kind == "record":
        return [Case(r.id, r.unit, r.subject, r.label, i, ((i,),)) for i, r in enumerate(records)]
    if kind != "unit":
        raise UserError(f'diagnose.case is "record" or "unit", not {kind!r}.')
    views = tuple(context.prepared.study.image_types) or ("",)
    cases = []
    for unit, positions in context.units.items():
        slots = tuple(tuple(p for p in positions if records[p].image_type == view) for view in views)
        first = records[positions[0]]
        cases.append(Case(unit, unit, first.subject, first.label, positions[0], slots))
    return cases


class Sitting(NamedTuple):
    """What is shown of a case at a time: a photograph for each slot (-1: none), a stored view of each, and of its text."""

    row: int
    scans: tuple[int, ...]
    views: tuple[int, ...]
    text_view: int


def whole_sittings(case: Case, views: int = 1) -> list[Sitting]:
    """The case with all that is known, one photograph per slot at a time, until each was shown at least once.

    Photographs are whole and unchanged, and with more `views` also shown in their stored views 1 to views - 1.
    """
    count = max(len(slot) for slot in case.slots)
    scans = [tuple(slot[i % len(slot)] if slot else -1 for slot in case.slots) for i in range(count)]
    return [Sitting(case.row, chosen, (view,) * len(chosen), 0) for view in range(views) for chosen in scans]


def sittings_of(cases: Sequence[Case], views: int) -> tuple[list[Sitting], list[int]]:
    """`whole_sittings` of all cases, one after the other, and the case of each: 0, 1, ..."""
    shown = [whole_sittings(case, views) for case in cases]
    return [sitting for of_case in shown for sitting in of_case], [n for n, of_case in enumerate(shown) for _ in of_case]


def training_sitting(case: Case, draw: int, views: int, text_views: int, scan_dropout: float = 0.0) -> Sitting:
    """One photograph for each slot, one stored view of it, and one version of the text, chosen by `draw`.

    Each photograph is left out with probability `scan_dropout`, so that no single one is relied on.
    """
    generator = np.random.default_rng(draw)
    scans = tuple(int(slot[generator.integers(len(slot))]) if slot else -1 for slot in case.slots)
    scans = tuple(-1 if generator.random() < scan_dropout else scan for scan in scans)
    chosen = tuple(int(v) for v in generator.integers(views, size=len(scans)))
    return Sitting(case.row, scans, chosen, int(generator.integers(text_views)))


def gather(images: np.ndarray, texts: TextTokens, sittings: Sequence[Sitting]) -> Features:
    """Reads the features of B sittings from images [R, V, 1 + K, d] and from texts with an index [R, V']."""
    sentences = texts.index[[s.row for s in sittings], [s.text_view for s in sittings]]
    return Features(*gather_images(images, sittings), texts.tokens[sentences], texts.words[sentences])


def gather_images(images: np.ndarray, sittings: Sequence[Sitting]) -> tuple[np.ndarray, np.ndarray]:
    """Their photographs' tokens [B, S, 1 + K, d], zero where there is none, and which there are [B, S]."""
    scans = np.array([s.scans for s in sittings])
    present = scans >= 0
    tokens = images[np.maximum(scans, 0), np.array([s.views for s in sittings])]
    return np.where(present[..., None, None], tokens, 0).astype(images.dtype), present
