"""What a row of a table would have cost alone: the work of others that it read back, once, and without the waiting."""

import threading
import time

import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.files import digest, folder_lock
from prima_jax.stages.stage import Stage, load_stage, read_done, train_stage, write_done
from prima_jax.training.checkpoint import save_tree

TREE = {"w": np.arange(3.0)}


@pytest.fixture
def finished(study, tmp_path):
    """A stage that another row has trained in 100 seconds."""
    context = study.context(tmp_path)
    stage = Stage("refine", context, 0, context.config.refine, lambda: TREE)
    stage.folder.mkdir(parents=True)
    save_tree(stage.folder / "trained", TREE)
    write_done(stage.folder, seconds=100.0, trained=digest(stage.folder / "trained"))
    return stage


def read(stage):
    return train_stage(stage, lambda: pytest.fail("trained again"))


def test_a_stage_that_is_read_several_times_counts_once(finished):
    for _ in range(3):
        np.testing.assert_array_equal(read(finished)["w"], TREE["w"])
    assert list(finished.context.costs.stages) == ["refine"]
    assert 99 < finished.context.costs.stages["refine"].reused_seconds <= 100


def test_what_was_read_back_is_counted_and_its_code_named(finished):
    read(finished)
    assert finished.context.costs.stages["refine"].parameters == 3
    assert finished.context.costs.stages["refine"].made_with == {}  # an older one
    made = {"prima_jax": "0.0.1 (a)", "devices": "2 TPU v4"}
    write_done(finished.folder, **{**read_done(finished.folder), "made_with": made})
    read(finished)
    assert finished.context.costs.stages["refine"].made_with == made


def test_waiting_for_it_is_taken_off(finished):
    held, seconds, done = threading.Event(), 1.5, read_done(finished.folder)
    (finished.folder / "done.json").unlink()

    def other_row():
        with folder_lock(finished.folder):
            held.set()
            time.sleep(seconds)
            write_done(finished.folder, **done)

    other = threading.Thread(target=other_row)
    other.start()
    held.wait()
    read(finished)
    other.join()
    assert finished.context.costs.stages["refine"].reused_seconds <= 100 - 0.9 * seconds


def test_what_is_only_read_is_never_trained(finished):
    np.testing.assert_array_equal(load_stage(finished)["w"], TREE["w"])
    (finished.folder / "done.json").unlink()
    with pytest.raises(UserError, match="is not finished"):
        load_stage(finished)
