"""What every stage is handed: the study, the fold, the encoders as they start out, and a place to write."""

import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from prima_jax.data.folders import waiting_lock
from prima_jax.data.images import Augmentation
from prima_jax.data.prepare import Prepared
from prima_jax.models import lora, pretrained
from prima_jax.models.checkpoint_files import read_json
from prima_jax.sources import CODE
from prima_jax.stages.places import stage_key
from prima_jax.training.checkpoint import load_tree, save_tree
from prima_jax.training.loop import Objective, Trained, make_step, train
from prima_jax.training.optimizer import adamw
from prima_jax.training.parallel import Parallel

__all__ = ["Backbone", "Context", "Fold", "Stage", "adapt", "held_out_in", "join", "read_done"]


class Backbone(NamedTuple):
    """A Linen module and its variables, as read from a checkpoint or drawn at random."""

    module: Any  # an nn.Module, whose `apply` is typed as if it might always return mutated variables as well
    variables: dict[str, Any]


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
class Context:
    """One experiment. Backbones are read when first asked for, since the LLM is only needed at the end."""

    config: ConfigDict
    prepared: Prepared
    study_folder: Path
    """Where the study's own files are read from."""
    folder: Path
    """Where everything is written."""
    parallel: Parallel
    compiled: dict[Any, Callable[..., Any]] = field(default_factory=dict)
    """Compiled steps by name, which serve in every fold."""
    used: dict[str, float] = field(default_factory=dict)
    """Stage -> the seconds that it took, of all that were run or read back so far."""
    spared: dict[str, float] = field(default_factory=dict)
    """Stage -> the seconds that it would have taken here, had nobody done it before, less those spent waiting for it."""
    parameters: dict[str, int] = field(default_factory=dict)
    """Stage -> the number of parameters that it trains, of all that were run or read back so far."""
    codes: dict[str, str] = field(default_factory=dict)
    """Stage -> the code that trained it (sources.CODE), of all that were run or read back so far."""
    shared: Path | None = None
    """Where the rows of a table share the stages that they have in common; None: each stage has its place in its fold."""

    @cached_property
    def image_encoder(self) -> Backbone:
        return self._load("image")

    @cached_property
    def text_encoder(self) -> Backbone:
        return self._load("text")

    @cached_property
    def llm(self) -> Backbone:
        return self._load("llm")

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
        words = [n if isinstance(n, int) else zlib.crc32(n.encode()) for n in names]
        return int(np.random.SeedSequence([self.config.seed, *words]).generate_state(1)[0] >> 1)

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
        other = replace(self, config=config, compiled={})
        other.__dict__.update(
            {name: self.__dict__[name] for name in ("image_encoder", "text_encoder", "llm") if name in self.__dict__}
        )
        return other

    def vocabulary_size(self, name: str) -> int:
        """The rows of the embeddings of the model `name`, from its config alone."""
        settings = self.config.models[name]
        described = read_json(Path(settings.weights) / "config.json") if settings.weights else settings.architecture.to_dict()
        return pretrained.build(described).config.vocab_size

    def steps(self, epochs: float, batch_size: int, items: int) -> int:
        """Steps of `epochs` over a fold's training share of `items`: the same number in every fold; none of no epochs."""
        share = items * (self.config.folds - 1) // self.config.folds
        return max(1, round(epochs * max(1, share // batch_size))) if epochs else 0

    def _load(self, name: str) -> Backbone:
        settings = self.config.models[name]
        dtype = jnp.dtype(self.config.dtype)
        if settings.weights:
            return Backbone(*pretrained.from_pretrained(settings.weights, dtype=dtype, remat=self.config.remat))
        module = pretrained.build(settings.architecture.to_dict(), dtype=dtype, remat=self.config.remat)
        return Backbone(module, pretrained.init_random(module, self.seed(name)))


class Adapted(NamedTuple):
    """A backbone's variables, split into the collections that are trained and those that are not."""

    trainable: dict[str, Any]
    frozen: dict[str, Any]


def adapt(context: Context, settings: ConfigDict, backbone: Backbone, *seed: str | int, last_blocks: int = 0) -> Adapted:
    """Adds LoRA adapters of `settings.rank`, or, at rank 0, trains the whole backbone (for runs without weights).

    `settings.targets` names the layers that get one; none named means every linear layer, of the `last_blocks` if any are given.
    """
    variables = backbone.variables
    if settings.rank == 0:
        return Adapted({"params": variables["params"]}, {k: v for k, v in variables.items() if k != "params"})
    if "lora" not in variables:
        alpha = settings.rank * settings.alpha_over_rank
        targets = tuple(settings.targets) or lora.all_linears(backbone.module.config)
        key = context.key(*seed)
        options = {"rank": settings.rank, "alpha": alpha, "targets": targets, "last_blocks": last_blocks}
        adapters = lora.init_adapters(key, variables["params"], **options)
        variables = {**variables, **adapters}
    return Adapted({"lora": variables["lora"]}, {k: v for k, v in variables.items() if k != "lora"})


def join(frozen: dict[str, Any], trainable: dict[str, Any]) -> dict[str, Any]:
    """The variables of a backbone from its two parts."""
    return {**frozen, **trainable}


@dataclass(frozen=True)
class Stage:
    """One stage of one fold (or of all folds): a folder that is either finished or can be gone on with."""

    name: str
    context: Context
    folder: Path
    settings: ConfigDict

    def run(self, prepare: Callable[[], Objective], template: Callable[[], Any]) -> Any:
        """Returns the trained tree: read back if the stage is finished, else trained, saved and marked finished.

        `template` gives the tree's structure; `prepare` builds the objective and is called only where needed.
        """
        result = self.folder / "trained"
        asked, waited, done = time.monotonic(), 0.0, read_done(self.folder)
        if done is None:
            with waiting_lock(self.folder):  # rows of a table that run at the same time may want the same stage
                waited, done = time.monotonic() - asked, read_done(self.folder)
                if done is None:
                    trained = self._train(prepare())
                    save_tree(result, trained.tree)
                    write_done(self.folder, seconds=trained.seconds, code=CODE)
        self.context.used[self.name] = trained.seconds if done is None else done["seconds"]
        self.context.spared.setdefault(self.name, (0.0 if done is None else done["seconds"]) - waited)  # once, if read again
        tree = trained.tree if done is None else jax.device_get(load_tree(result, template()))
        self.context.parameters[self.name] = sum(leaf.size for leaf in jax.tree.leaves(tree)) if self.settings.epochs else 0
        self.context.codes[self.name] = CODE if done is None else done.get("code", "not noted")
        return tree

    def optimizer(self, steps: int, **rates: float) -> Any:
        """That of the settings; `rates`: learning rates of their own for parts of what is trained, by name."""
        s, config = self.settings, self.context.config
        return adamw(
            learning_rate=s.learning_rate,
            weight_decay=s.weight_decay,
            steps=steps,
            warmup_fraction=config.warmup_fraction,
            b2=config.adam_b2,
            clip_norm=config.clip_norm,
            rates=rates,
        )

    def _train(self, objective: Objective) -> Trained:
        if not objective.steps:  # of no epochs: as it begins
            return Trained(jax.device_get(objective.trainable), 0.0)
        compiled, parallel = self.context.compiled, self.context.parallel
        key = (self.name, objective.steps)
        if key not in compiled:
            compiled[key] = parallel.map_step(make_step(objective.loss, objective.optimizer))
        return train(
            objective,
            self.folder,
            parallel=parallel,
            checkpoint_seconds=self.context.config.checkpoint_seconds,
            mapped_step=compiled[key],
        )


def read_done(folder: Path) -> dict[str, Any] | None:
    """What a finished piece of work noted about itself, None if it is not finished."""
    path = folder / "done.json"
    return json.loads(path.read_text()) if path.exists() else None


def write_done(folder: Path, **notes: Any) -> None:
    """Marks a folder as finished, all or nothing."""
    temporary = folder / "done.json.part"
    temporary.write_text(json.dumps(notes, sort_keys=True))
    os.replace(temporary, folder / "done.json")


def tree_hash(*trees: Any) -> str:
    """A hash of every array of the trees, by name and value."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(trees):
        array = np.asarray(jax.device_get(leaf))
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
