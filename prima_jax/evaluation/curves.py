"""Pictures of a run as PNG bytes: the loss of each stage over its steps, and each method's confusion matrix."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prima_jax.errors import UserError
from prima_jax.evaluation.confusion import confusion
from prima_jax.evaluation.pictures import blank_figure, headed, png_bytes

__all__ = ["confusion_counts", "find_histories", "loss_picture", "read_history", "stage_name"]

_STAGES = {
    "knowledge": ("Stage 1: knowledge injection", "masked-language loss"),
    "align": ("Stage 2: image-metadata alignment", "alignment loss (Eq. 7)"),
    "refine": ("Stage 2b: supervised refinement", "cross-entropy"),
    "diagnose": ("Stage 3: diagnosis by the LLM", "cross-entropy"),
    "image_only": ("Image encoder, linear head", "cross-entropy"),
}

Row = Mapping[str, Any]


def stage_name(stage: str) -> str:
    """The name of a stage in words; one that is not known keeps its own."""
    return _STAGES.get(stage, (stage, "loss"))[0]


def find_histories(workdir: Path) -> dict[str, dict[str, Path]]:
    """Stage -> whose -> its `history.jsonl`: `fold_K/STAGE/` holds one fold's, `STAGE/` one that all folds share."""
    found: dict[str, dict[str, Path]] = {}
    for path in [*workdir.glob("*/history.jsonl"), *workdir.glob("fold_*/*/history.jsonl")]:
        shared = path.parent.parent == workdir
        whose = "all folds" if shared else path.parent.parent.name.replace("_", " ")
        found.setdefault(path.parent.name, {})[whose] = path
    order = [*_STAGES, *sorted(found.keys() - _STAGES.keys())]
    return {stage: dict(sorted(found[stage].items(), key=_by_number)) for stage in order if stage in found}


def read_history(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Steps and losses, `[S]` each, of a file with an object {"step": ..., "loss": ...} a line; UserError otherwise."""
    steps, losses = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            steps.append(int(row["step"]))
            losses.append(float(row["loss"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f'{path}, line {number}: expected an object with "step" and "loss", found {line[:60]!r}; take the line out.'
            ) from error
    return np.array(steps), np.array(losses)


def loss_picture(stage: str, histories: Mapping[str, Path], *, synthetic: bool) -> bytes:
    """One line per fold: the loss as it was in the background, and in front its mean over a fiftieth of the steps."""
    figure, axes = blank_figure(6.4, 3.6)
    for number, (whose, path) in enumerate(histories.items()):
        steps, losses = read_history(path)
        color = f"C{number % 10}"
        axes.plot(steps, losses, color=color, linewidth=0.4, alpha=0.25)
        axes.plot(*_smooth(steps, losses), color=color, linewidth=1.0, label=whose)
    title, quantity = _STAGES.get(stage, (stage, "loss"))
    axes.set(xlabel="step", ylabel=quantity, title=headed(title, synthetic))
    axes.grid(alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=2)
    return png_bytes(figure)


def confusion_counts(rows: Sequence[Row], method: str, classes: Sequence[str]) -> np.ndarray:
    """How often each class (first axis) was taken for each (second), over all folds: `[C, C]`."""
    own = [row for row in rows if row["method"] == method]
    labels, predicted = ([classes.index(row[column]) for row in own] for column in ("label", "predicted"))
    return confusion(np.array(labels, int), np.array(predicted, int), len(classes))


def _by_number(item: tuple[str, Path]) -> tuple[int, str]:
    """fold 10 after fold 9."""
    last = item[0].rsplit(" ", 1)[-1]
    return (int(last) if last.isdigit() else -1, item[0])


def _smooth(steps: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    width = max(1, len(losses) // 50)
    return steps[width - 1 :], np.convolve(losses, np.full(width, 1 / width), mode="valid")
