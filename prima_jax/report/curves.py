"""The loss of each stage over its steps, as PNG bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prima_jax.errors import UserError
from prima_jax.json_text import parse_json
from prima_jax.report.pictures import blank_figure, headed, png_bytes

__all__ = ["Curves", "loss_picture", "read_history", "stage_name"]

_STAGES = {
    "knowledge": ("Stage 1: knowledge injection", "masked-language loss"),
    "align": ("Stage 2: image-metadata alignment", "alignment loss (Eq. 7)"),
    "refine": ("Stage 2b: supervised refinement", "cross-entropy"),
    "diagnose": ("Stage 3: diagnosis by the LLM", "cross-entropy"),
    "image_only": ("Image encoder, linear head", "cross-entropy"),
}


@dataclass(frozen=True)
class Curves:
    """The losses of one stage, trained with the same settings in every fold."""

    stage: str
    row: str
    """The title of the row, if other rows trained this stage with other settings; else empty."""
    histories: Mapping[str, Path]
    """Fold ("fold 0", "all folds") -> its `history.jsonl`."""

    @property
    def title(self) -> str:
        return stage_name(self.stage) + (f", {self.row}" if self.row else "")


def stage_name(stage: str) -> str:
    """Returns the name of a stage in words; unknown stages keep their own."""
    return _STAGES.get(stage, (stage, "loss"))[0]


def read_history(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads steps and losses, `[S]` each, of a file with an object {"step": ..., "loss": ...} a line; UserError otherwise."""
    steps, losses = [], []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        row = parse_json(line, f"{path}, line {number},", "take the line out.")
        try:
            steps.append(int(row["step"]))
            losses.append(float(row["loss"]))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise UserError(
                f'{path}, line {number}: expected an object with "step" and "loss", found {str(row)[:60]}; take the line out.'
            ) from error
    if not steps:
        raise UserError(f"{path} holds no step: delete it, and the report is written without this curve.")
    return np.array(steps), np.array(losses)


def loss_picture(curves: Curves, *, synthetic: bool) -> bytes:
    """Draws a line per fold: the raw loss in the background, its moving mean over a fiftieth of the steps in front."""
    figure, axes = blank_figure(6.4, 3.6)
    for number, (whose, path) in enumerate(curves.histories.items()):
        steps, losses = read_history(path)
        color = f"C{number % 10}"
        axes.plot(steps, losses, color=color, linewidth=0.4, alpha=0.25)
        axes.plot(*_smooth(steps, losses), color=color, linewidth=1.0, label=whose)
    _, quantity = _STAGES.get(curves.stage, ("", "loss"))
    axes.set(xlabel="step", ylabel=quantity, title=headed(curves.title, synthetic))
    axes.grid(alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=2)
    return png_bytes(figure)


def _smooth(steps: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    width = max(1, len(losses) // 50)
    return steps[width - 1 :], np.convolve(losses, np.full(width, 1 / width), mode="valid")
