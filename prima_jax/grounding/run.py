"""Trains stages 1 and 2 of PRIMA and of what it is compared with, where the workdir does not hold them yet, and measures."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from prima_jax.data.text import clauses
from prima_jax.errors import UserError
from prima_jax.experiment.job import Job, open_job
from prima_jax.experiment.opening import data_fingerprint, report_reading
from prima_jax.experiment.rows import PRIMA, TABLES, Row
from prima_jax.grounding import pages
from prima_jax.grounding.attention import AttentionMap, attention_maps
from prima_jax.grounding.measure import match_masks, read_mask, summary, usual_places
from prima_jax.json_text import read_object
from prima_jax.recipe.check import check
from prima_jax.report.attention_picture import Shown, attention_picture
from prima_jax.report.captions import title
from prima_jax.stages.context import Context, held_out_in
from prima_jax.stages.pipeline import make_tokenizers
from prima_jax.studies.synthetic.write import MASK_FOLDER, MASK_OF
from prima_jax.workdir import claim, open_workdir

__all__ = ["VARIANTS", "run"]

VARIANTS = (
    PRIMA,
    next(row for row in TABLES[3] if row.name == "local_direct"),
    Row("global_alone", "L_glo alone", "prima", {"align.weights": (0.0, 0.3, 0.0, 0.0)}),
    Row("untrained", "Untrained heads and image encoder", "prima", {"align.epochs": 0.0}),
)
"""Whose attention is compared; all read the same sentences through the same text encoder."""
EXCHANGED = "exchanged"
PLACES = "usual_places"
PICTURES = 4
"""Photographs of each attribute."""
VERSION = 2
"""Rises whenever grounding.json would hold other figures, so that older ones are not read back."""


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Measures all variants on all folds of the first seed and writes the pages; returns what grounding.json holds.

    A workdir holds one config and one cohort, so that what was measured there once is read back.
    """
    check(config)
    seed = config.table.seeds[0]
    with open_workdir(workdir, config):
        run = open_job(config, workdir, Job(PRIMA, seed))
        context, folds = run.context, run.folds
        if not context.prepared.study.shown(visual_only=True):
            raise UserError(f"{context.prepared.study.name} has no visible attribute, so that no word attends to a photograph.")
        report_reading(run.reading)
        claim(workdir, config, data_fingerprint(context, run.reading))
        measured = _measured(workdir / "grounding.json", seed)
        if measured is not None:
            return measured
        if not any(clauses(context.prepared.study, r.fields, visual_only=True) for r in context.prepared.records):
            raise UserError(f"No record of {context.prepared.study.name} says anything of a visible attribute: fill some in.")
        maps = {row.name: maps_of_row(config, workdir, row, seed) for row in VARIANTS}
        study, records, folder = context.prepared.study, context.prepared.records, context.study_folder
        masks = study.synthetic and (folder / MASK_FOLDER).is_dir()
        matches = {name: match_masks(of_row, records, folder) for name, of_row in maps.items()} if masks else {}
        if masks:
            matches[EXCHANGED] = match_masks(maps_of_row(config, workdir, PRIMA, seed, exchanged=True), records, folder)
            matches[PLACES] = match_masks(usual_places(matches[PRIMA.name], held_out_in(folds)), records, folder)
        results = {
            "version": VERSION,
            "title": title({"study": study.name, "title": study.title, "synthetic": study.synthetic}),
            "synthetic": study.synthetic,
            "shuffled": config.study.shuffle,
            "random_weights": not (config.models.image.weights and config.models.text.weights),
            "hidden_block": config.study.hide,
            "without_fold": config.split.without_fold,
            "seed": seed,
            "folds": config.folds,
            "reference": PRIMA.name,
            "variants": {
                **{row.name: row.title for row in VARIANTS},
                EXCHANGED: f"{PRIMA.title}, words beside another's photograph",
                PLACES: "Usual places, no photograph",
            },
            "figures": summary(matches, PRIMA.name) if matches.get(PRIMA.name) else {},
        }
        pages.write(workdir, results, pictures(context, maps, masks=masks))
        return results


def _measured(path: Path, seed: int) -> dict[str, Any] | None:
    """Returns the results of an earlier call with this seed; None where there are none, or of another version."""
    try:
        results = read_object(path, "it is measured anew.")
    except UserError:
        return None
    return results if [results.get("version"), results.get("seed")] == [VERSION, seed] else None


def maps_of_row(config: ConfigDict, workdir: Path, row: Row, seed: int, *, exchanged: bool = False) -> list[AttentionMap]:
    """Returns the attention maps of all held-out photographs by one row's encoders, fold after fold."""
    run = open_job(config, workdir, Job(row, seed))
    maps = []
    for fold in run.folds:
        print(f"{row.title}, fold {fold.index + 1} of {len(run.folds)}", file=sys.stderr)
        maps += attention_maps(run.context, fold, make_tokenizers(run.context, fold), exchanged=exchanged)
    return maps


def pictures(context: Context, maps: dict[str, list[AttentionMap]], *, masks: bool) -> dict[str, bytes]:
    """Attribute -> its picture: photographs taken at random among those in which the sign is seen, the same for all variants."""
    drawn: dict[str, bytes] = {}
    titles = {row.name: row.title for row in VARIANTS}
    generator = np.random.default_rng(0)
    for attribute in dict.fromkeys(one.attribute for one in maps[PRIMA.name]):
        numbers = [n for n, one in enumerate(maps[PRIMA.name]) if one.attribute == attribute]
        seen = {n: _mask(context, maps[PRIMA.name][n]) if masks else None for n in numbers}
        usable = [n for n in numbers if not masks or seen[n] is not None]
        if not usable:
            continue
        chosen = sorted(generator.choice(usable, min(PICTURES, len(usable)), replace=False).tolist())
        rows = []
        for n in chosen:
            shown = maps[PRIMA.name][n]
            photograph, mask = context.prepared.image(shown.record), seen[n]
            if mask is not None:
                photograph = _enlarged(photograph, mask.shape)
            attention = {titles[name]: of_row[n].attention for name, of_row in maps.items()}
            rows.append(Shown(shown.clause, photograph, mask, attention))
        drawn[attribute] = attention_picture(attribute, rows, synthetic=context.prepared.study.synthetic)
    return drawn


def _mask(context: Context, attention_map: AttentionMap) -> np.ndarray | None:
    return read_mask(context.study_folder, context.prepared.records[attention_map.record], MASK_OF[attention_map.attribute])


def _enlarged(photograph: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(Image.fromarray(photograph).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
