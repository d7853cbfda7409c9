"""What is missing at test time, the same for all rows: a share of the metadata, one attribute, a block, a kind of photograph.

The shares are those that MetaBlock-SE was tried with on PAD-UFES-20.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from prima_jax.data.prepare import Prepared
from prima_jax.stages.cases import Case
from prima_jax.stages.seeds import seed_of
from prima_jax.studies.study import Study

__all__ = ["INTACT", "SHARES", "Condition", "conditions", "without_fields", "without_photographs"]

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Of the attributes of a unit that are left out at random."""


def _nothing(unit: str) -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True)
class Condition:
    """What is missing."""

    name: str
    title: str
    removed: Callable[[str], frozenset[str]] = _nothing
    """Unit -> the attributes that nobody noted of it."""
    image_type: int = -1
    """The slot of a case whose photographs are missing, where it has others; -1: none is."""


INTACT = Condition("intact", "Nothing missing")


def conditions(study: Study, *, seed: int, by_unit: bool) -> list[Condition]:
    """Returns all conditions for a study, the intact one first. by_unit: a case has a slot for each image type."""
    shown = study.shown()
    drawn = {
        share: Condition(f"share_{share}", f"{share:.0%} of the metadata", _at_random(study, share, seed)) for share in SHARES
    }
    attributes = [_always(f"attribute_{a.name}", f"Attribute {a.name}", frozenset({a.name})) for a in shown]
    blocks = {a.block: frozenset(b.name for b in shown if b.block == a.block) for a in shown if a.block}
    types = list(study.image_types.values()) if by_unit and len(study.image_types) > 1 else []
    return [
        INTACT,
        *drawn.values(),
        _always("all_metadata", "All metadata", frozenset(a.name for a in shown)),
        *(_always(f"block_{name}", f"Block {name}", names) for name, names in blocks.items() if len(names) < len(shown)),
        *attributes,
        *(Condition(f"photograph_{name}", f"Photographs: {name}", image_type=slot) for slot, name in enumerate(types)),
    ]


def without_fields(prepared: Prepared, positions: set[int], condition: Condition) -> Prepared:
    """Returns the same study in which nobody noted what the condition removes of the records at these positions."""
    if condition.removed is _nothing:
        return prepared
    removed = {unit: condition.removed(unit) for unit in {prepared.records[p].unit for p in positions}}
    records = tuple(
        replace(r, fields={k: v for k, v in r.fields.items() if k not in removed[r.unit]}) if p in positions else r
        for p, r in enumerate(prepared.records)
    )
    return replace(prepared, records=records)


def without_photographs(case: Case, condition: Condition) -> Case:
    """Returns the case without the photographs that are missing; one that has no others keeps them."""
    slots = tuple(() if place == condition.image_type else slot for place, slot in enumerate(case.slots))
    return replace(case, slots=slots) if any(slots) else case


def _always(name: str, title: str, attributes: frozenset[str]) -> Condition:
    return Condition(name, title, lambda unit: attributes)


def _at_random(study: Study, share: float, seed: int) -> Callable[[str], frozenset[str]]:
    """What is left out at a share is left out at every larger one too, so that shares differ by what they add."""
    names = [attribute.name for attribute in study.shown()]

    def removed(unit: str) -> frozenset[str]:
        drawn = np.random.default_rng(seed_of(seed, "robustness", unit)).random(len(names))
        return frozenset(name for name, number in zip(names, drawn, strict=True) if number < share)

    return removed
