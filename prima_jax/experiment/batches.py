"""Batches that fit a small cohort: shrunk once, before a run is begun, so that all its processes have the same config."""

import sys
from pathlib import Path

import jax
from ml_collections import ConfigDict

from prima_jax.experiment.opening import fold_shares, open_records, read_study
from prima_jax.experiment.rows import PRIMA, row_config
from prima_jax.stages import knowledge
from prima_jax.studies.manifest import LoadedStudy

__all__ = ["with_batches_that_fit"]


def with_batches_that_fit(config: ConfigDict, workdir: Path, reading: LoadedStudy | None = None) -> ConfigDict:
    """Returns the config with each batch that is larger than what a fold trains on shrunk to that, and tells so on stderr.

    Without `config.shrink_batches` the config comes back as it is.
    """
    if not config.get("shrink_batches"):
        return config
    reading = reading or read_study(config, workdir)
    least: dict[str, int] = {}
    for seed in config.table.seeds:
        run = open_records(row_config(config, PRIMA, seed), workdir, reading)
        shares = fold_shares(run.context, run.folds, len(knowledge.corpus_texts(run.context)))
        for stage, (size, _) in shares.items():
            least[stage] = min(size, least.get(stage, size))
    shrunk, told = config.copy_and_resolve_references(), []
    smallest = min(least["align"], least["diagnose"], least["image_only"])  # whatever a baseline draws from
    fields = {f"{stage}.batch_size": size for stage, size in least.items() if size}
    fields |= {f"baselines.{name}.batch_size": smallest for name in config.baselines if "batch_size" in config.baselines[name]}
    fields |= {
        f"baselines.{name}.align.batch_size": least["align"] for name in config.baselines if "align" in config.baselines[name]
    }
    devices = jax.device_count()
    for field, size in fields.items():
        *sections, last = field.split(".")
        section = shrunk
        for name in sections:
            section = section[name]
        if section[last] > size >= devices:
            section[last] = size // devices * devices
            told.append(f"{field}={section[last]}")
    if told:
        print(f"Batches larger than what a fold trains on are shrunk: {', '.join(told)}.", file=sys.stderr)
    return shrunk
