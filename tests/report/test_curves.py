import json
from pathlib import Path

import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.report import curves


def write_history(path: Path, losses: list[float]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"step": n, "loss": v, "other": 1}) + "\n" for n, v in enumerate(losses, 1)))
    return path


def test_history_is_read_and_a_broken_line_is_named(tmp_path: Path):
    path = write_history(tmp_path / "history.jsonl", [3.0, 2.0])
    steps, losses = curves.read_history(path)
    assert (steps.tolist(), losses.tolist()) == ([1, 2], [3.0, 2.0])
    for broken in ('{"step": 3', "[]", '{"step": 3}', '{"step": 3, "loss": null}', "[" * 100_000):
        path.write_text('{"step": 1, "loss": 1.0}\n' + broken + "\n")
        with pytest.raises(UserError, match=r"history.jsonl, line 2"):
            curves.read_history(path)


def test_the_mean_line_is_the_mean_of_the_last_steps():
    steps, means = curves._smooth(np.arange(1, 101), np.arange(100.0))  # a fiftieth: two steps
    assert (steps[0], steps[-1]) == (2, 100)
    assert means == pytest.approx(np.arange(99) + 0.5)


def test_the_title_names_a_row_where_others_trained_the_stage_otherwise():
    assert curves.Curves("align", "", {}).title == "Stage 2: image-metadata alignment"
    assert curves.Curves("align", "L_img", {}).title.endswith("alignment, L_img")
