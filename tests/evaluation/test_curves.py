import json
from pathlib import Path

import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.metrics import curves
from tests.evaluation.examples import PAD, predictions

PNG = b"\x89PNG\r\n\x1a\n"


def write_history(path: Path, losses: list[float]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"step": n, "loss": v, "other": 1}) + "\n" for n, v in enumerate(losses, 1)))
    return path


def test_histories_are_found_by_stage_and_fold_in_order(tmp_path: Path):
    for place in ("fold_10/align", "fold_9/align", "fold_9/mine", "knowledge", "fold_9/refine"):
        write_history(tmp_path / place / "history.jsonl", [1.0])
    found = curves.find_histories(tmp_path)
    assert list(found) == ["knowledge", "align", "refine", "mine"]
    assert list(found["align"]) == ["fold 9", "fold 10"]
    assert list(found["knowledge"]) == ["all folds"]


def test_history_is_read_and_a_broken_line_is_named(tmp_path: Path):
    path = write_history(tmp_path / "history.jsonl", [3.0, 2.0])
    steps, losses = curves.read_history(path)
    assert (steps.tolist(), losses.tolist()) == ([1, 2], [3.0, 2.0])
    for broken in ('{"step": 3', "[]", '{"step": 3}', '{"step": 3, "loss": null}'):
        path.write_text('{"step": 1, "loss": 1.0}\n' + broken + "\n")
        with pytest.raises(UserError, match=r"history.jsonl, line 2"):
            curves.read_history(path)


def test_the_mean_line_is_the_mean_of_the_last_steps():
    steps, means = curves._smooth(np.arange(1, 101), np.arange(100.0))  # a fiftieth: two steps
    assert (steps[0], steps[-1]) == (2, 100)
    assert means == pytest.approx(np.arange(99) + 0.5)


@pytest.mark.parametrize("count", [1, 3, 200])
def test_the_same_losses_give_the_same_picture(tmp_path: Path, count: int):
    path = write_history(tmp_path / "history.jsonl", list(np.linspace(2, 1, count)))
    pictures = [curves.loss_picture("align", {"fold 0": path}, synthetic=False) for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(PNG)
    assert curves.loss_picture("align", {"fold 0": path}, synthetic=True) != pictures[0]


def test_confusion_counts_are_hand_counted():
    rows = predictions()
    counts = curves.confusion_counts(rows, "prima", PAD)
    # In each of two folds one BCC and one SCC, all taken for BCC.
    assert counts[0, 0] == counts[1, 0] == 2
    assert counts.sum() == 4
