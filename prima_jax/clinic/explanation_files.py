"""An explanation as text, JSON and pictures."""

import json
from pathlib import Path
from typing import Any

from prima_jax.clinic.explain import Explanation
from prima_jax.files import write_whole
from prima_jax.report.attention_picture import Shown, attention_picture
from prima_jax.report.contributions_picture import contributions_picture

__all__ = ["as_json", "as_text", "pictures", "write_explanation"]

_OCCLUSION = "Hidden squares: the probability falls"


def write_explanation(found: Explanation, folder: Path, *, synthetic: bool) -> None:
    """Writes explanation.json, contributions.png and photographs.png."""
    write_whole(folder / "explanation.json", json.dumps(as_json(found), indent=1, ensure_ascii=False).encode())
    for name, picture in pictures(found, synthetic=synthetic).items():
        write_whole(folder / f"{name}.png", picture)


def as_json(found: Explanation) -> dict[str, Any]:
    """Plain values, all probabilities in 0 to 1."""
    return {
        "explained": found.explained,
        "probability": round(found.probability, 6),
        "nothing_known": round(found.nothing_known, 6),
        "contributions": [
            {
                "name": one.name,
                "said": one.said,
                "left_out": round(one.left_out, 6),
                "shapley": round(one.shapley, 6),
                "standard_error": round(one.standard_error, 6),
            }
            for one in found.contributions
        ],
        "occlusion": [grid.round(6).tolist() for grid in found.occlusion],
        "attention": [{name: grid.round(6).tolist() for name, grid in of_one.items()} for of_one in found.attention],
        "unlike": [round(share, 4) for share in found.answer.unlike],
    }


def as_text(found: Explanation) -> str:
    """A table for the terminal, the largest contribution first."""
    ranked = sorted(found.contributions, key=lambda one: -abs(one.shapley))
    width = max(len(one.name) for one in ranked)
    lines = [
        f"{found.explained}: {100 * found.probability:.1f} %, with nothing known {100 * found.nothing_known:.1f} %",
        f"{'':<{width}}   adds (points)   falls by, if left out",
    ]
    for one in ranked:
        adds = f"{100 * one.shapley:+6.1f} +- {100 * one.standard_error:.1f}"
        lines.append(f"{one.name:<{width}}   {adds:<13}   {100 * one.left_out:+6.1f}   {one.said}")
    return "\n".join(lines)


def pictures(found: Explanation, *, synthetic: bool) -> dict[str, bytes]:
    """Name -> PNG bytes: the contributions, and the photographs with what was hidden and where words look."""
    names = [f"{one.name}: {one.said}" if one.said else one.name for one in found.contributions]
    values, errors = zip(*((one.shapley, one.standard_error) for one in found.contributions), strict=True)
    title = f"{found.explained}: {100 * found.probability:.1f} %, with nothing known {100 * found.nothing_known:.1f} %"
    drawn = {"contributions": contributions_picture(title, names, values, errors, synthetic=synthetic)}
    rows = []
    for number, photograph in enumerate(found.photographs):
        words = {f"Words on {name}": grid for name, grid in found.attention[number].items()}
        shown = {_OCCLUSION: found.occlusion[number].ravel(), **words}
        rows.append(Shown(f"photograph {number + 1}", photograph, None, shown))
    drawn["photographs"] = attention_picture("What matters in the photographs", rows, synthetic=synthetic)
    return drawn
