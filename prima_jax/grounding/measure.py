"""How often the attention of Eq. 4 meets the sign that its words speak of, on a study that has masks.

Signs have their usual places, so that a hit may come from knowing these and not from looking. Two figures tell: how often the
patch that was hit lies on the same sign of other subjects, and what the map of the sign's usual places gets on its own. What is
left may come from the photograph or from the words, which can say where a sign lies and how large it is; the same words beside
another subject's photograph (`looks(exchanged=True)`) tell the two apart.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prima_jax.grounding.attention import Look
from prima_jax.metrics.intervals import mean_interval
from prima_jax.metrics.pointing import Pointing, pointing
from prima_jax.progress import progress_bar
from prima_jax.studies.study import Record
from prima_jax.studies.synthetic.write import GROUNDING, MASK_FOLDER

__all__ = ["Met", "meetings", "read_mask", "summary", "usual_places"]

FIGURES = ("hit", "elsewhere", "chance_hit", "average_precision", "chance_precision")
COMPARED = ("hit", "average_precision")


@dataclass(frozen=True)
class Met:
    """One look at a photograph whose mask is known."""

    look: Look
    subject: str
    sign: str
    figures: Pointing
    elsewhere: float = 0.0
    """How many of the photographs of other subjects have this sign on the patch of the largest attention."""


def meetings(looks: Sequence[Look], records: Sequence[Record], study_folder: Path) -> list[Met]:
    """The looks whose sign can be seen in the photograph, beside its mask."""
    found = []
    with progress_bar(len(looks), "Beside the masks", "look") as bar:
        for number, look in enumerate(looks):
            record, sign = records[look.record], GROUNDING[look.attribute]
            mask = read_mask(study_folder, record, sign)
            if mask is not None:
                found.append(Met(look, record.subject, sign, pointing(look.attention, mask, (0, number))))
            bar.update()
    return _with_elsewhere(found)


def usual_places(found: Sequence[Met], folds_of: np.ndarray) -> list[Look]:
    """The same looks with attention that has seen no photograph: the mean mask of the sign in the other folds.

    folds_of: the fold in which each record is held out, int [R].
    """
    means = {}
    for sign, of_sign in _photographs(found).items():
        covers = np.array([met.figures.cover for met in of_sign])
        folds = folds_of[[met.look.record for met in of_sign]]
        for fold in np.unique(folds):
            others = covers[folds != fold]
            means[sign, fold] = others.mean(axis=0) if len(others) else np.full(covers.shape[1], 1 / covers.shape[1])
    return [replace(met.look, attention=means[met.sign, folds_of[met.look.record]]) for met in found]


def _with_elsewhere(found: Sequence[Met]) -> list[Met]:
    touched, subjects = {}, {}
    for sign, of_sign in _photographs(found).items():
        touched[sign] = np.array([met.figures.touched for met in of_sign])
        subjects[sign] = np.array([met.subject for met in of_sign])

    def share(met: Met) -> float:
        others = touched[met.sign][subjects[met.sign] != met.subject]
        return float(others[:, met.look.attention.argmax()].mean()) if len(others) else 0.0

    return [replace(met, elsewhere=share(met)) for met in found]


def _photographs(found: Sequence[Met]) -> dict[str, list[Met]]:
    """Sign -> one look at each photograph that shows it."""
    once = {(met.sign, met.look.record): met for met in found}
    signs: dict[str, list[Met]] = defaultdict(list)
    for (sign, _), met in once.items():
        signs[sign].append(met)
    return signs


def read_mask(study_folder: Path, record: Record, sign: str) -> np.ndarray | None:
    """bool [H, W] of a sign in a synthetic photograph; None where it is not seen."""
    path = study_folder / MASK_FOLDER / Path(record.image).stem / f"{sign}.png"
    if not path.exists():
        return None
    mask = np.asarray(Image.open(path).convert("L")) > 0
    return mask if mask.any() else None


def summary(found: Mapping[str, Sequence[Met]], reference: str) -> dict[str, Any]:
    """Variant -> attribute, or "all" -> how many looks and subjects, and each figure's mean with a 95% interval over subjects.

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
            subjects = np.array([met[k].subject for k in chosen])
            ours, theirs = _figures(met, chosen), _figures(best, chosen)
            table[variant][attribute] = {
                "looks": len(chosen),
                "subjects": len(set(subjects.tolist())),
                **{name: _interval(ours[name], subjects) for name in FIGURES},
                "below_reference": {name: _interval(theirs[name] - ours[name], subjects) for name in COMPARED},
            }
    return table


def _interval(values: np.ndarray, subjects: np.ndarray) -> dict[str, float] | None:
    found = mean_interval(values, subjects)
    return None if found is None else asdict(found)


def _figures(met: Sequence[Met], chosen: Sequence[int]) -> dict[str, np.ndarray]:
    return {
        name: np.array([met[k].elsewhere if name == "elsewhere" else getattr(met[k].figures, name) for k in chosen])
        for name in FIGURES
    }
