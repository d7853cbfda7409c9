"""What every stage is handed: the study, the models as they start out, and a place to write."""

import hashlib
from collections.abc import Callable, Sequence
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
from prima_jax.models.checkpoint_files import read_json
from prima_jax.stages.backbones import Backbone, Backbones
from prima_jax.stages.places import stage_key
from prima_jax.stages.seeds import seed_of
from prima_jax.training.parallel import Parallel

__all__ = ["Context", "CostLog", "Fold", "StageCost", "held_out_in", "tree_hash"]


@dataclass(frozen=True)
class Fold:
    """Positions of the records that may train and of those that are held out, and where this fold writes."""

    index: int
    train: np.ndarray
    test: np.ndarray
    folder: Path


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
    code: str
    """The code that trained it (sources.CODE)."""


@dataclass
class CostLog:
    """The stages that were trained or read back so far, by name."""

    stages: dict[str, StageCost] = field(default_factory=dict)

    def note(self, name: str, cost: StageCost) -> None:
        """What a stage took; of one that is read again, what was reused counts once."""
        before = self.stages.get(name)
        self.stages[name] = replace(cost, reused_seconds=before.reused_seconds) if before else cost

    @property
    def codes(self) -> list[str]:
        return [cost.code for cost in self.stages.values()]


@dataclass(frozen=True)
class Context:
    """One experiment: its config, its study, its models as they start out, its devices, and where it writes."""

    config: ConfigDict
    prepared: Prepared
    study_folder: Path
    """Where the study's own files are read from."""
    folder: Path
    """Where everything is written."""
    parallel: Parallel
    backbones: Backbones
    compiled: dict[Any, Callable[..., Any]] = field(default_factory=dict)
    """Compiled steps by name, which serve in every fold."""
    costs: CostLog = field(default_factory=CostLog)
    shared: Path | None = None
    """Where the rows of a table share the stages that they have in common; None: each stage has its place in its fold."""

    @property
    def image_encoder(self) -> Backbone:
        return self.backbones.image

    @property
    def text_encoder(self) -> Backbone:
        return self.backbones.text

    @property
    def llm(self) -> Backbone:
        return self.backbones.llm

    @cached_property
    def units(self) -> dict[str, list[int]]:
        """Unit -> the positions of its records, in the order of the study's file."""
        units: dict[str, list[int]] = {}
        for position, record in enumerate(self.prepared.records):
            units.setdefault(record.unit, []).append(position)
        return units

    @property
    def frozen_blocks(self) -> int:
        """How many of the image encoder's first blocks no stage trains; 0 where adapters are in all (`image.blocks`)."""
        blocks = self.config.image.blocks
        return self.image_encoder.module.config.num_hidden_layers - blocks if blocks else 0

    @property
    def augmentation(self) -> Augmentation:
        return Augmentation(**self.config.image.augmentation.to_dict())

    def seed(self, *names: str | int) -> int:
        """A seed that depends on the run's seed and on what it is for (stage, fold, ...), and on nothing else."""
        return seed_of(self.config.seed, *names)

    def key(self, *names: str | int) -> jax.Array:
        return jax.random.key(self.seed(*names))

    def place(self, fold: Fold, stage: str, *, every_fold: bool = False) -> Path:
        """The folder of a stage; `every_fold`: of one that all folds have in common."""
        if self.shared is None:
            return (self.folder if every_fold else fold.folder) / stage
        return self.shared / ("all_folds" if every_fold else f"fold_{fold.index}") / f"{stage}-{stage_key(self.config, stage)}"

    def shared_place(self, stage: str) -> Path:
        """The folder of what all folds have in common."""
        return self.place(Fold(0, np.zeros(0, int), np.zeros(0, int), self.folder), stage, every_fold=True)

    def reconfigured(self, config: ConfigDict) -> "Context":
        """The same experiment with another config of the same models, whose backbones it goes on using."""
        assert config.models == self.config.models
        return replace(self, config=config, compiled={})

    def vocabulary_size(self, name: str) -> int:
        """The rows of the embeddings of the model `name`, from its config alone."""
        settings = self.config.models[name]
        described = read_json(Path(settings.weights) / "config.json") if settings.weights else settings.architecture.to_dict()
        return pretrained.build(described).config.vocab_size

    def steps(self, epochs: float, batch_size: int, items: int) -> int:
        """Steps of `epochs` over a fold's training share of `items`: the same number in every fold; none of no epochs."""
        share = items * (self.config.folds - 1) // self.config.folds
        return max(1, round(epochs * max(1, share // batch_size))) if epochs else 0


def tree_hash(*trees: Any) -> str:
    """A hash of every array of the trees, by name and value."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(trees):
        array = np.asarray(jax.device_get(leaf))
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
