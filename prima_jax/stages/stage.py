"""One stage of one fold: trained where it is not finished, or only read; where it lies, and what it cost."""

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
from ml_collections import ConfigDict

from prima_jax.errors import UserError
from prima_jax.files import digest, folder_lock, write_whole
from prima_jax.hosts import as_first, is_first
from prima_jax.json_text import read_object
from prima_jax.stages.context import StageCost, Workspace
from prima_jax.training.checkpoint import load_tree, save_tree
from prima_jax.training.loop import BatchIterator, Loss, Objective, Trained, make_step, train
from prima_jax.training.made_with import made_with
from prima_jax.training.optimizer import adamw

__all__ = ["Stage", "Training", "load_stage", "read_done", "train_stage", "write_done"]

_TITLES = {
    "knowledge": "stage 1 of 3, knowledge",
    "align": "stage 2 of 3, alignment",
    "refine": "stage 2b of 3, refinement",
    "diagnose": "stage 3 of 3, diagnosis",
}


@dataclass(frozen=True)
class Stage:
    """A stage of one fold, or of all: a folder that is either finished or can be gone on with."""

    name: str
    context: Workspace
    fold: int | None
    """None: it is the same in every fold, and all share it."""
    settings: ConfigDict
    """With epochs, batch_size, learning_rate and weight_decay."""
    initial: Callable[[], Any]
    """Gives what is trained as it is before the first step; of a finished stage it is the structure alone that counts."""
    inside: str = ""
    """The stage in whose folder it has its own, where it is a part of that one."""

    @property
    def folder(self) -> Path:
        whole = self.context.place(self.inside or self.name, self.fold)
        return whole / self.name.removeprefix(f"{self.inside}_") if self.inside else whole

    def steps(self, items: int) -> int:
        """Steps of its epochs over a fold's training share of `items`."""
        return self.context.steps(self.settings.epochs, self.settings.batch_size, items)


class Training(NamedTuple):
    """What a stage minimises, over what, for how long."""

    loss: Loss
    frozen: Any
    """What the loss reads and no step changes, a tree of arrays."""
    steps: int
    batches: BatchIterator
    microbatches: int = 1
    """Pieces that a batch's gradients are accumulated over, of a loss that is a mean over examples."""


def train_stage(stage: Stage, training: Callable[[], Training], **rates: float) -> Any:
    """Returns the trained tree: read back if the stage is finished, else trained, saved and marked finished.

    training: called only where it has to be trained. rates: learning rates of their own for parts of what is trained, by name.
    """
    asked, waited, done = time.monotonic(), 0.0, read_done(stage.folder)
    if done is None:
        with folder_lock(stage.folder) if is_first() else nullcontext():  # rows that run at the same time may want the same stage
            waited, done = time.monotonic() - asked, read_done(stage.folder)
            if done is None:
                trained = _train(stage, training(), rates)
                save_tree(stage.folder / "trained", trained.tree)
                if is_first():
                    whole = digest(stage.folder / "trained")
                    write_done(stage.folder, seconds=trained.seconds, made_with=trained.made_with, trained=whole)
    tree = trained.tree if done is None else _read(stage, done)
    seconds = trained.seconds if done is None else done["seconds"]
    count = sum(leaf.size for leaf in jax.tree.leaves(tree)) if stage.settings.epochs else 0
    made = trained.made_with if done is None else done.get("made_with", {})
    reused = (0.0 if done is None else seconds) - waited
    stage.context.costs.note(stage.name, StageCost(seconds, reused, count, made, stage.folder))
    return tree


def load_stage(stage: Stage) -> Any:
    """Returns the trained tree of a finished stage; never trains. Raises UserError where it is not finished."""
    done = read_done(stage.folder)
    if done is None:
        raise UserError(f"{stage.folder} is not finished: give the command that made it again, which goes on to its end.")
    return _read(stage, done)


def read_done(folder: Path) -> dict[str, Any] | None:
    """What a finished piece of work noted about itself, None if it is not finished. Raises UserError if that has changed."""
    path = folder / "done.json"
    if not as_first(path.exists):
        return None
    advice = f"delete {folder} and give the same command again, which computes it anew."
    notes = read_object(path, advice)
    if notes.pop("sha256", "") != hashlib.sha256(_as_json(notes)).hexdigest():
        raise UserError(f"{path} is not as it was written; {advice}")
    return notes


def write_done(folder: Path, **notes: Any) -> None:
    """Marks a folder as finished, all or nothing, with a digest of the notes."""
    write_whole(folder / "done.json", _as_json({**notes, "sha256": hashlib.sha256(_as_json(notes)).hexdigest()}))


def _as_json(notes: dict[str, Any]) -> bytes:
    return json.dumps(notes, sort_keys=True).encode()


def _read(stage: Stage, done: dict[str, Any]) -> Any:
    folder = stage.folder / "trained"
    try:
        whole = done.get("trained") == digest(folder)
    except OSError:
        whole = False
    if not whole:
        raise UserError(
            f"{folder} is not as it was written: delete {stage.folder} and give the same command again, which trains it anew."
        )
    return jax.device_get(load_tree(folder, stage.initial()))


def _train(stage: Stage, training: Training, rates: dict[str, float]) -> Trained:
    initial, context = stage.initial(), stage.context
    if not training.steps:  # of no epochs: as it begins
        return Trained(jax.device_get(initial), 0.0, made_with())
    optimizer = adamw(
        learning_rate=stage.settings.learning_rate,
        weight_decay=stage.settings.weight_decay,
        steps=training.steps,
        warmup_fraction=context.config.warmup_fraction,
        b2=context.config.adam_b2,
        clip_norm=context.config.clip_norm,
        rates=rates,
    )
    whose = "all folds" if stage.fold is None else f"fold {stage.fold + 1} of {context.config.folds}"
    objective = Objective(
        name=f"{_TITLES.get(stage.name, stage.name)}, {whose}",
        loss=training.loss,
        trainable=initial,
        frozen=training.frozen,
        optimizer=optimizer,
        steps=training.steps,
        batches=training.batches,
    )
    key = (stage.name, training.steps)
    if key not in context.compiled:
        context.compiled[key] = context.parallel.map_step(make_step(training.loss, optimizer, training.microbatches))
    return train(
        objective,
        stage.folder,
        parallel=context.parallel,
        checkpoint_seconds=context.config.checkpoint_seconds,
        mapped_step=context.compiled[key],
    )
