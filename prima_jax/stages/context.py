"""What every stage is handed: the models as they start out, a place to write, and the study."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from prima_jax.data.images import Augmentation
from prima_jax.data.prepare import Prepared
from prima_jax.models import pretrained
from prima_jax.stages.backbones import Backbone, Backbones, described
from prima_jax.stages.places import stage_key
from prima_jax.stages.seeds import seed_of
from prima_jax.training.parallel import Parallel

__all__ = ["Context", "CostLog", "Fold", "StageCost", "Workspace", "held_out_in", "tree_hash"]


@dataclass(frozen=True)
class Fold:
    """Positions of the records that may train and of those that are held out."""

    index: int
    train: np.ndarray
    test: np.ndarray


def held_out_in(folds: Sequence[Fold]) -> np.ndarray:
    """The fold in which each record is held out: int [R]. Together the folds hold every record once."""
    assigned = np.zeros(sum(len(fold.test) for fold in folds), int)
    for fold in folds:
        assigned[fold.test] = fold.index
    return assigned


@dataclass(frozen=True)
class StageCost:
    """What a stage took."""

    seconds: float
    """Of training, over all its starts."""
    reused_seconds: float
    """Of these, what was reused from another row, minus the time spent waiting for its lock."""
    parameters: int
    """How many it trains."""
    made_with: Mapping[str, str]
    """The code and the devices that trained it (training/made_with.py); empty of an older one."""
    folder: Path
    """Where it lies."""


@dataclass
class CostLog:
    """What was computed or read back so far."""

    stages: dict[str, StageCost] = field(default_factory=dict)
    """By name."""
    tables: dict[Path, Mapping[str, str]] = field(default_factory=dict)
    """Files of features -> what they were made with."""

    def note(self, name: str, cost: StageCost) -> None:
        """What a stage took; of one that is read again, what was reused counts once."""
        before = self.stages.get(name)
        self.stages[name] = replace(cost, reused_seconds=before.reused_seconds) if before else cost

    @property
    def made_with(self) -> list[Mapping[str, str]]:
        """The code and the devices of all of it (training/made_with.py); empty where an older one did not note them."""
        return [*(cost.made_with for cost in self.stages.values()), *self.tables.values()]


@dataclass(frozen=True)
class Workspace:
    """Where models are trained: a config, its models as they start out, its devices, and a folder."""

    config: ConfigDict
    folder: Path
    """Where everything is written."""
    parallel: Parallel
    backbones: Backbones
    compiled: dict[Any, Callable[..., Any]] = field(default_factory=dict)
    """Compiled steps by name, which serve in every fold."""
    costs: CostLog = field(default_factory=CostLog)

    @property
    def image_encoder(self) -> Backbone:
        return self.backbones.image

    @property
    def text_encoder(self) -> Backbone:
        return self.backbones.text

    @property
    def llm(self) -> Backbone:
        return self.backbones.llm

    @property
    def frozen_blocks(self) -> int:
        """How many of the image encoder's first blocks no stage trains; 0 where adapters are in all (`image.blocks`)."""
        blocks = self.config.image.blocks
        return self.image_encoder.module.config.num_hidden_layers - blocks if blocks else 0

    def seed(self, *names: str | int | None) -> int:
        """A seed that depends on the run's seed and on what it is for (stage, fold, ...; None: no fold), and on nothing else."""
        return seed_of(self.config.seed, *(name for name in names if name is not None))

    def key(self, *names: str | int | None) -> jax.Array:
        return jax.random.key(self.seed(*names))

    def place(self, stage: str, fold: int | None = None) -> Path:
        """The folder of a stage of a fold, or, without one, of what all folds have in common: rows share both."""
        whose = "all_folds" if fold is None else f"fold_{fold}"
        return self.folder / "shared" / whose / f"{stage}-{stage_key(self.config, stage)}"

    def vocabulary_size(self, name: str) -> int:
        """The rows of the embeddings of the model `name`, from its config alone."""
        return pretrained.build(described(self.config.models[name])).config.vocab_size

    def steps(self, epochs: float, batch_size: int, items: int) -> int:
        """Steps of `epochs` over a fold's training share of `items`: the same number in every fold; none of no epochs."""
        share = int(items * (self.config.folds - 1) // self.config.folds * self.config.split.train_share)
        return max(1, round(epochs * max(1, share // batch_size))) if epochs else 0


@dataclass(frozen=True, kw_only=True)
class Context(Workspace):
    """One experiment: a workspace and the study that it is about."""

    prepared: Prepared
    study_folder: Path
    """Where the study's own files are read from."""

    @cached_property
    def units(self) -> dict[str, list[int]]:
        """Unit -> the positions of its records, in the order of the study's file."""
        units: dict[str, list[int]] = {}
        for position, record in enumerate(self.prepared.records):
            units.setdefault(record.unit, []).append(position)
        return units

    @property
    def augmentation(self) -> Augmentation:
        return Augmentation(**self.config.image.augmentation.to_dict())

    def reconfigured(self, config: ConfigDict) -> "Context":
        """The same experiment with another config of the same models, whose backbones it goes on using."""
        assert config.models == self.config.models
        return replace(self, config=config, compiled={})


def tree_hash(*trees: Any) -> str:
    """A hash of every array of the trees, by name and value."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(trees):
        array = np.asarray(jax.device_get(leaf))
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
