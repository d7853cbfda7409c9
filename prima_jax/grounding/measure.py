"""How often the attention of Eq. 4 meets the sign that its words speak of, on a study that has masks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prima_jax.evaluation.intervals import mean_interval
from prima_jax.evaluation.pointing import Pointing, pointing
from prima_jax.grounding.attention import Look
from prima_jax.progress import progress_bar
from prima_jax.studies.study import Record
from prima_jax.studies.synthetic import GROUNDING

__all__ = ["Met", "meetings", "read_mask", "summary"]

FIGURES = ("hit", "average_precision", "chance_hit", "chance_precision")


@dataclass(frozen=True)
class Met:
    """One look at a photograph whose mask is known."""

    look: Look
    unit: str
    sign: str
    figures: Pointing


def meetings(looks: Sequence[Look], records: Sequence[Record], study_folder: Path) -> list[Met]:
    """The looks whose sign can be seen in the photograph, beside its mask."""
    found = []
    with progress_bar(len(looks), "Beside the masks", "look") as bar:
        for look in looks:
            record, sign = records[look.record], GROUNDING[look.attribute]
            mask = read_mask(study_folder, record, sign)
            if mask is not None:
                found.append(Met(look, record.unit, sign, pointing(look.attention, mask)))
            bar.update()
    return found


def read_mask(study_folder: Path, record: Record, sign: str) -> np.ndarray | None:
    """bool [H, W] of a sign in a synthetic photograph; None where it is not seen."""
    path = study_folder / "masks" / Path(record.image).stem / f"{sign}.png"
    if not path.exists():
        return None
    mask = np.asarray(Image.open(path).convert("L")) > 0
    return mask if mask.any() else None


def summary(found: Mapping[str, Sequence[Met]], reference: str) -> dict[str, Any]:
    """Variant -> attribute, or "all" -> how many looks and units, and the mean of each figure with a 95% interval over units.

    Every variant looks at the same photographs with the same words, so that what it falls short of the reference by,
    `below_reference`, is of pairs.
    """
    table: dict[str, Any] = {}
    best = found[reference]
    for variant, met in found.items():
        assert [(m.look.record, m.look.attribute) for m in met] == [(m.look.record, m.look.attribute) for m in best]
        table[variant] = {}
        for attribute in ("all", *dict.fromkeys(m.look.attribute for m in met)):
            chosen = [k for k, m in enumerate(met) if attribute in ("all", m.look.attribute)]
            units = np.array([met[k].unit for k in chosen])
            ours, theirs = _figures(met, chosen), _figures(best, chosen)
            table[variant][attribute] = {
                "looks": len(chosen),
                "units": len(set(units.tolist())),
                **{name: _interval(ours[name], units) for name in FIGURES},
                "below_reference": {name: _interval(theirs[name] - ours[name], units) for name in FIGURES[:2]},
            }
    return table


def _interval(values: np.ndarray, units: np.ndarray) -> dict[str, float] | None:
    found = mean_interval(values, units)
    return None if found is None else asdict(found)


def _figures(met: Sequence[Met], chosen: Sequence[int]) -> dict[str, np.ndarray]:
    return {name: np.array([getattr(met[k].figures, name) for k in chosen]) for name in FIGURES}
