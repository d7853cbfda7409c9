"""Scores the attention of Eq. 4 against the masks of the signs that its words describe, on a study that has masks.

Signs have usual places, so that a hit may come from knowing these rather than from the photograph. Two controls measure it: how
often the patch that was hit lies on the same sign of other subjects, and the score of the mean mask of the sign. The remainder
may come from the photograph or from the words, which can give a sign's place and size; the same words beside another subject's
photograph (`attention_maps(exchanged=True)`) separate the two.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prima_jax.grounding.attention import AttentionMap
from prima_jax.metrics.intervals import mean_interval
from prima_jax.metrics.pointing import Pointing, pointing
from prima_jax.progress import progress_bar
from prima_jax.studies.study import Record
from prima_jax.studies.synthetic.write import MASK_FOLDER, MASK_OF

__all__ = ["MaskMatch", "match_masks", "read_mask", "summary", "usual_places"]

FIGURES = ("hit", "elsewhere", "chance_hit", "average_precision", "chance_precision")
COMPARED = ("hit", "average_precision")


@dataclass(frozen=True)
class MaskMatch:
    """One attention map scored against the mask of its sign."""

    map: AttentionMap
    subject: str
    sign: str
    figures: Pointing
    elsewhere: float = 0.0
    """The share of other subjects' photographs that have this sign on the patch of the largest attention."""


def match_masks(maps: Sequence[AttentionMap], records: Sequence[Record], study_folder: Path) -> list[MaskMatch]:
    """Scores the maps whose sign is visible in the photograph against its mask; the others are left out."""
    matches = []
    with progress_bar(len(maps), "Comparing with masks", "map") as bar:
        for number, one in enumerate(maps):
            record, sign = records[one.record], MASK_OF[one.attribute]
            mask = read_mask(study_folder, record, sign)
            if mask is not None:
                matches.append(MaskMatch(one, record.subject, sign, pointing(one.attention, mask, (0, number))))
            bar.update()
    return _with_elsewhere(matches)


def usual_places(matches: Sequence[MaskMatch], folds_of: np.ndarray) -> list[AttentionMap]:
    """Returns the same maps with attention that does not depend on a photograph: the mean mask of the sign in the other folds.

    folds_of: the fold in which each record is held out, int [R].
    """
    means = {}
    for sign, of_sign in _photographs(matches).items():
        covers = np.array([match.figures.cover for match in of_sign])
        folds = folds_of[[match.map.record for match in of_sign]]
        for fold in np.unique(folds):
            others = covers[folds != fold]
            means[sign, fold] = others.mean(axis=0) if len(others) else np.full(covers.shape[1], 1 / covers.shape[1])
    return [replace(match.map, attention=means[match.sign, folds_of[match.map.record]]) for match in matches]


def read_mask(study_folder: Path, record: Record, sign: str) -> np.ndarray | None:
    """Returns the mask bool [H, W] of a sign in a synthetic photograph; None where it is not visible."""
    path = study_folder / MASK_FOLDER / Path(record.image).stem / f"{sign}.png"
    if not path.exists():
        return None
    mask = np.asarray(Image.open(path).convert("L")) > 0
    return mask if mask.any() else None


def summary(variants: Mapping[str, Sequence[MaskMatch]], reference: str) -> dict[str, Any]:
    """Variant -> attribute, or "all" -> number of maps and subjects, and each figure's mean with a 95% interval over subjects.

    Every variant has the same photographs and words, so that its difference from the reference, `below_reference`, is paired.
    """
    table: dict[str, Any] = {}
    best = variants[reference]
    for variant, matches in variants.items():
        assert [(m.map.record, m.map.attribute) for m in matches] == [(m.map.record, m.map.attribute) for m in best]
        table[variant] = {}
        for attribute in ("all", *dict.fromkeys(m.map.attribute for m in matches)):
            chosen = [k for k, m in enumerate(matches) if attribute in ("all", m.map.attribute)]
            subjects = np.array([matches[k].subject for k in chosen])
            ours, theirs = _figures(matches, chosen), _figures(best, chosen)
            table[variant][attribute] = {
                "looks": len(chosen),
                "subjects": len(set(subjects.tolist())),
                **{name: _interval(ours[name], subjects) for name in FIGURES},
                "below_reference": {name: _interval(theirs[name] - ours[name], subjects) for name in COMPARED},
            }
    return table


def _with_elsewhere(matches: Sequence[MaskMatch]) -> list[MaskMatch]:
    touched, subjects = {}, {}
    for sign, of_sign in _photographs(matches).items():
        touched[sign] = np.array([match.figures.touched for match in of_sign])
        subjects[sign] = np.array([match.subject for match in of_sign])

    def share(match: MaskMatch) -> float:
        others = touched[match.sign][subjects[match.sign] != match.subject]
        return float(others[:, match.map.attention.argmax()].mean()) if len(others) else 0.0

    return [replace(match, elsewhere=share(match)) for match in matches]


def _photographs(matches: Sequence[MaskMatch]) -> dict[str, list[MaskMatch]]:
    """Sign -> one match for each photograph that shows it."""
    once = {(match.sign, match.map.record): match for match in matches}
    signs: dict[str, list[MaskMatch]] = defaultdict(list)
    for (sign, _), match in once.items():
        signs[sign].append(match)
    return signs


def _interval(values: np.ndarray, subjects: np.ndarray) -> dict[str, float] | None:
    interval = mean_interval(values, subjects)
    return None if interval is None else asdict(interval)


def _figures(matches: Sequence[MaskMatch], chosen: Sequence[int]) -> dict[str, np.ndarray]:
    return {
        name: np.array([matches[k].elsewhere if name == "elsewhere" else getattr(matches[k].figures, name) for k in chosen])
        for name in FIGURES
    }
