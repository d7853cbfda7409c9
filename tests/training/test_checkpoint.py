"""What is saved is what is read, bit for bit, or an error."""

import shutil
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.training.checkpoint import Progress, load_tree, save_tree
from prima_jax.training.parallel import Parallel
from prima_jax.training.state import create
from tests.damages import DAMAGES
from tests.training import toy


@pytest.fixture
def progress(tmp_path):
    with Progress(tmp_path / "checkpoint") as opened:
        yield opened


def awkward_tree() -> dict:
    """Values that a round trip through text or another precision would change."""
    return {
        "float": jnp.array([1 / 3, jnp.pi, 1e-38, -0.0, 1e-45], jnp.float32),
        "half": jnp.array([1 / 3, 65504.0], jnp.float16),
        "bfloat": jnp.array([1 / 3, 1e30], jnp.bfloat16),
        "whole": {"count": jnp.array(2**31 - 1, jnp.int32), "flag": jnp.array([True, False])},
    }


def assert_identical(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_a_finished_tree_comes_back_bit_for_bit(tmp_path):
    save_tree(tmp_path / "trained", awkward_tree())
    assert_identical(load_tree(tmp_path / "trained", awkward_tree()), awkward_tree())


def test_a_finished_tree_replaces_an_earlier_one(tmp_path):
    save_tree(tmp_path / "trained", {"w": jnp.zeros(3)})
    save_tree(tmp_path / "trained", {"w": jnp.ones(3)})
    np.testing.assert_array_equal(load_tree(tmp_path / "trained", {"w": jnp.zeros(3)})["w"], np.ones(3))


@pytest.mark.parametrize(
    "target", [{"w": jnp.zeros(4)}, {"w": jnp.zeros((3, 1))}, {"v": jnp.zeros(3)}, {"w": jnp.zeros(3), "v": jnp.zeros(3)}]
)
def test_a_tree_of_another_shape_or_name_is_an_error(tmp_path, target):
    save_tree(tmp_path / "trained", {"w": jnp.zeros(3)})
    with pytest.raises(Exception, match=r"(?i)shape|structure|key|mismatch"):
        load_tree(tmp_path / "trained", target)


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("kind", ["pmap", "shard_map"])
def test_progress_comes_back_bit_for_bit_with_its_data_position(progress, kind, devices):
    parallel = Parallel(kind, jax.devices()[:devices])
    trainable, _ = toy.trees()
    state = parallel.replicate(create(trainable, toy.optimizer()))
    position = {"batches": {"nested": {"next": [1, 2, 3]}}, "seconds": 1.25}
    progress.save(7, state, position)
    progress.wait()
    assert progress.latest() == 7
    restored, where = progress.restore(7, state)
    assert_identical(restored, state)
    assert where == position
    assert all(a.sharding == b.sharding for a, b in zip(jax.tree.leaves(restored), jax.tree.leaves(state), strict=True))


def test_what_is_saved_is_the_state_at_that_time(progress):
    """Saving goes on in the background while the next step reuses the state's memory."""
    bump = jax.jit(lambda tree: jax.tree.map(lambda x: x + 1, tree), donate_argnums=0)
    state = {"w": jnp.zeros((512, 512))}
    progress.save(1, state, {})
    for _ in range(5):
        state = bump(state)
    progress.wait()
    restored, _ = progress.restore(1, state)
    np.testing.assert_array_equal(restored["w"], 0)


def test_progress_of_another_shape_is_an_error(progress):
    progress.save(1, {"w": jnp.zeros(3)}, {})
    progress.wait()
    with pytest.raises(Exception, match=r"(?i)shape|mismatch"):
        progress.restore(1, {"w": jnp.zeros(5)})


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_told_in_one_sentence_or_makes_no_difference(tmp_path, damage):
    """Of training's checkpoint and of a finished stage, one file after the other."""
    whole, tree = tmp_path / "whole", {"w": jnp.arange(300.0), "b": {"c": jnp.ones((20, 30))}}
    with Progress(whole / "checkpoint") as progress:
        progress.save(4, tree, {"batches": 4})
    told = 0
    for file in [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(whole, tmp_path / "copy")
        DAMAGES[damage](tmp_path / "copy" / file)
        try:
            with Progress(tmp_path / "copy" / "checkpoint") as again:
                found = again.restore(again.latest(), tree) if again.latest() else None
        except UserError as error:
            told += 1
            assert "trains this stage anew" in str(error) and "\n" not in str(error)
        else:
            assert found is None or found[1] == {"batches": 4}
            if found:
                assert_identical(found[0], tree)
    assert told > 2


def test_no_checkpoint_is_none_and_only_the_newest_is_kept(progress, tmp_path):
    assert progress.latest() is None
    for step in (3, 5, 9):
        progress.save(step, {"w": jnp.full(3, float(step))}, {})
        progress.wait()
    assert progress.latest() == 9
    assert [p.name for p in (tmp_path / "checkpoint").iterdir()] == ["9"]


def test_a_half_written_checkpoint_is_not_seen(progress, tmp_path):
    """Orbax writes under a temporary name and renames at the end; what a kill leaves is such a folder."""
    progress.save(3, {"w": jnp.ones(3)}, {"batches": 3})
    progress.wait()
    (tmp_path / "checkpoint" / "9.orbax-checkpoint-tmp-0" / "state").mkdir(parents=True)
    with Progress(tmp_path / "checkpoint") as again:
        assert again.latest() == 3
        restored, position = again.restore(3, {"w": jnp.zeros(3)})
        assert position == {"batches": 3}
        np.testing.assert_array_equal(restored["w"], 1)
        again.save(9, {"w": jnp.full(3, 9.0)}, {})  # and the name is free for the real one
        again.wait()
        assert again.latest() == 9


def test_a_folder_that_cannot_be_written_is_told_in_one_sentence_and_nothing_keeps_waiting(tmp_path):
    before = working_threads()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"Cannot write a checkpoint to .*file"):
        Progress(tmp_path / "file" / "checkpoint")
    with pytest.raises(UserError, match=r"Cannot write a checkpoint to .*file"):
        save_tree(tmp_path / "file" / "trained", {"w": jnp.zeros(3)})
    new = working_threads() - before
    for thread in new:
        thread.join(timeout=60)  # one that waits for a folder does so for minutes
    assert not [thread.name for thread in new if thread.is_alive()], "the process could not end"


def working_threads() -> set[threading.Thread]:
    """Those without whose end the process cannot end."""
    return {thread for thread in threading.enumerate() if not thread.daemon}
