"""Writes the synthetic slit-lamp keratitis study to disk, in the AQUA format and with a mask for every visible sign.

The organism is drawn first; history and visible signs follow from it by the table of `evidence.py`. So the best
possible result is known for photographs, for metadata and for both; each holds evidence that the other lacks.
"""

import csv
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from prima_jax.errors import UserError
from prima_jax.json_text import read_object
from prima_jax.progress import progress_bar
from prima_jax.studies.synthetic.corpus import corpus_lines
from prima_jax.studies.synthetic.drawing import MASKS, draw
from prima_jax.studies.synthetic.evidence import (
    IMAGE_TYPE_RATES,
    MISSING_RATE,
    NEUTRAL,
    ORGANISMS,
    PRIOR,
    RING,
    RISK_FACTORS,
    SIGNS,
    Eye,
    Factor,
    ceiling,
    draw_eye,
    log_likelihood_ratios,
)

__all__ = ["COLUMNS", "MASK_FOLDER", "MASK_OF", "VERSION", "write_study"]

VERSION = 1
"""Rises whenever the files of a seed change."""

COLUMNS = (
    "image",
    "subject",
    "eye",
    "illumination",
    "organism",
    "infiltrate_size_mm",
    "infiltrate_location",
    "hypopyon",
    "prior_keratoplasty",
    "contact_lens",
    "trauma",
    "outdoor_work",
    "steroid_drops",
    "prior_antibiotic",
    "prior_antifungal",
    "ocular_surface_disease",
    "diabetes",
    "days_of_symptoms",
    "age",
    "sex",
)
"""The columns of manifest.csv, those of configs/aqua_study.py."""

MASK_OF = {
    "infiltrate_size_mm": "infiltrate",
    "infiltrate_location": "infiltrate",
    "hypopyon": "hypopyon",
    "prior_keratoplasty": "graft",
}
"""Attribute -> the sign that its sentence describes, which names its mask."""
MASK_FOLDER = "masks"
"""Their folder in the study's."""

README = """# SYNTHETIC slit-lamp keratitis study

Drawn by a program (generator version {version}, seed {seed}, {units} eyes, {image_size} px). **No patient, no
photograph: no number obtained here says anything about real keratitis.**

- `manifest.csv`: one row per photograph, in the format of configs/aqua_study.py; an empty field is missing.
- `images/<subject>_<eye>_<illumination>.png`
- `masks/<subject>_<eye>_<illumination>/<sign>.png`: 1-bit, white where one sees that sign; no file, not visible.
  Signs: {masks}.
- `corpus.jsonl`: the risk table in prose, for the masked-language stage.
- `truth.json`: the risk table, the signs of every eye, and the ceiling: what the Bayes rule reaches on one eye with all
  its photographs.

| evidence | accuracy | macro F1 |
|---|---|---|
{ceiling}
"""


def write_study(folder: str | Path, *, units: int, seed: int, image_size: int = 96) -> None:
    """Writes `units` eyes into `folder`; a folder that already holds this very study is left as it is.

    The same arguments give the same bytes, and eye number k is the same whatever `units` is. The folder appears only
    when it is complete, so an interrupted call is simply repeated. Raises UserError where the folder holds
    anything else.
    """
    folder = Path(folder).absolute()
    made_with = {"version": VERSION, "seed": seed, "units": units, "image_size": image_size}
    if _is_complete(folder, made_with):
        return
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "images").mkdir(parents=True)
    eyes = [draw_eye(seed, unit) for unit in range(units)]
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress_bar(units, "drawing eyes", "eye") as bar:
        for _ in pool.map(lambda unit: _write_photographs(partial, eyes[unit], [seed, 3, unit], image_size), range(units)):
            bar.update()
    _write_manifest(partial, eyes)
    _write_documents(partial, eyes, made_with)
    os.replace(partial, folder)


def _is_complete(folder: Path, made_with: dict[str, int]) -> bool:
    if not folder.exists() or not any(folder.iterdir()):
        return False
    truth = folder / "truth.json"
    made = read_object(truth, f"remove {folder}.").get("made_with") if truth.is_file() else "something else"
    if made != made_with:
        raise UserError(f"{folder} should be empty or hold the synthetic study {made_with}, but holds {made}; remove it.")
    return True


def _stem(eye: Eye, image_type: str) -> str:
    return f"S{eye.subject:04d}_{eye.eye}_{image_type}"


def _write_photographs(folder: Path, eye: Eye, entropy: list[int], size: int) -> None:
    for image_type in eye.image_types:
        rng = np.random.default_rng([*entropy, tuple(IMAGE_TYPE_RATES).index(image_type)])
        image, masks = draw(eye, image_type, rng, size)
        Image.fromarray(image).save(folder / "images" / f"{_stem(eye, image_type)}.png", compress_level=6)
        place = folder / MASK_FOLDER / _stem(eye, image_type)
        place.mkdir(parents=True)
        for sign, mask in masks.items():
            Image.fromarray(mask).save(place / f"{sign}.png")


def _write_manifest(folder: Path, eyes: list[Eye]) -> None:
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        rows.writeheader()
        for eye in eyes:
            for image_type in eye.image_types:
                row = {"image": f"{_stem(eye, image_type)}.png", "illumination": image_type, "organism": ORGANISMS[eye.organism]}
                rows.writerow(row | {"subject": f"S{eye.subject:04d}", "eye": eye.eye} | eye.fields)


def _write_documents(folder: Path, eyes: list[Eye], made_with: dict[str, int]) -> None:
    best = ceiling()
    truth = {
        "synthetic": True,
        "made_with": made_with,
        "prior": dict(zip(ORGANISMS, PRIOR, strict=True)),
        "missing_rate": MISSING_RATE,
        "photograph_rate": IMAGE_TYPE_RATES,
        "risk_factors": {factor.name: _rates(factor) for factor in RISK_FACTORS},
        "signs": {factor.name: _rates(factor) for factor in SIGNS},
        "ring_given_contact_lens": {wear: dict(zip(ORGANISMS, rates, strict=True)) for wear, rates in RING.items()},
        "uninformative": [*(factor.name for factor in NEUTRAL), "age", "infiltrate_size_mm"],
        "log_likelihood_ratios": log_likelihood_ratios(),
        "ceiling": best,
        "grounding": MASK_OF,
        "eyes": [
            {"subject": f"S{eye.subject:04d}", "eye": eye.eye, "organism": ORGANISMS[eye.organism]}
            | {"signs": eye.signs, "history": eye.history}
            for eye in eyes
        ],
    }
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in corpus_lines(made_with["seed"])))
    table = "\n".join(f"| {name} | {x['accuracy']:.3f} | {x['macro_f1']:.3f} |" for name, x in best.items())
    (folder / "README.md").write_text(README.format(masks=", ".join(MASKS), ceiling=table, **made_with))


def _rates(factor: Factor) -> dict[str, dict[str, float]]:
    return {outcome: dict(zip(ORGANISMS, factor.rates(outcome), strict=True)) for outcome in factor.outcomes}
