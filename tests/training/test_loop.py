"""The loop: resuming changes nothing, a stop is saved, a broken loss is told, and only what is trained changes."""

import json
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.training import loop
from prima_jax.training.loop import Stopped, train
from prima_jax.training.made_with import made_with
from prima_jax.training.parallel import Parallel
from tests.training import toy

STEPS = 60
"""More than one flush of the history."""


class Killed(BaseException):
    """The process ends here, without a word."""


def at(number: int, event):
    def before(now: int) -> None:
        if now == number:
            event()

    return before


def kill() -> None:
    raise Killed


def sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def broken_gradient(trainable, frozen, batch):
    """A finite loss whose gradient is none at step 13: the root of a sum of squares that is zero."""
    value, parts = toy.loss(trainable, frozen, batch)
    factor = jnp.where(batch["x"][0, 0] == toy.batch(13)["x"][0, 0], 0.0, 1.0)
    return value + 0.01 * jnp.sqrt(factor * (trainable["v"] ** 2).sum()), parts


def broken_loss(trainable, frozen, batch):
    value, parts = toy.loss(trainable, frozen, batch)
    return jnp.where(batch["x"][0, 0] == toy.batch(13)["x"][0, 0], jnp.nan, value), parts


@pytest.fixture
def parallel(request):
    return Parallel(getattr(request, "param", "pmap"), jax.devices()[:1])


BOTH_KINDS = pytest.mark.parametrize("parallel", ["pmap", "shard_map"], indirect=True)


@pytest.fixture
def uninterrupted(tmp_path, parallel):
    folder = tmp_path / "uninterrupted"
    folder.mkdir()
    return train(toy.objective(STEPS), folder, parallel=parallel).tree, toy.history(folder)


def assert_identical(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    assert all(x.tobytes() == y.tobytes() for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_it_learns_and_writes_a_line_a_step(uninterrupted):
    rows = [json.loads(line) for line in uninterrupted[1].splitlines()]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert rows[0].keys() == {"step", "loss", "worst", "gradient_norm"}
    (before, frozen), unseen = toy.trees(), toy.batch(0, size=1000)
    assert toy.loss(uninterrupted[0], frozen, unseen)[0] < 0.8 * toy.loss(before, frozen, unseen)[0]


def test_gradient_norm_and_loss_are_those_of_the_first_batch(uninterrupted):
    trainable, frozen = toy.trees()
    value, gradient = jax.value_and_grad(lambda t: toy.loss(t, frozen, toy.batch(1))[0])(trainable)
    first = json.loads(uninterrupted[1].splitlines()[0])
    assert first["loss"] == pytest.approx(float(value), rel=1e-5)
    norm = np.sqrt(sum(float((g**2).sum()) for g in jax.tree.leaves(gradient)))
    assert first["gradient_norm"] == pytest.approx(norm, rel=1e-5)


@BOTH_KINDS
@pytest.mark.parametrize("often", [0.0, 1e9], ids=["checkpoint at every step", "never"])
def test_killed_runs_go_on_and_end_with_the_same_bits(uninterrupted, tmp_path, parallel, often):
    for number in (2, 30, 53, 54, STEPS):
        with pytest.raises(Killed):
            train(toy.objective(STEPS, before=at(number, kill)), tmp_path, parallel=parallel, checkpoint_seconds=often)
    trained = train(toy.objective(STEPS), tmp_path, parallel=parallel, checkpoint_seconds=often)
    assert_identical(trained.tree, uninterrupted[0])
    assert toy.history(tmp_path) == uninterrupted[1]


def test_a_restart_does_not_repeat_what_a_checkpoint_holds(tmp_path, parallel):
    with pytest.raises(Killed):
        train(toy.objective(before=at(15, kill)), tmp_path, parallel=parallel, checkpoint_seconds=0.0)
    drawn = []
    train(toy.objective(before=drawn.append), tmp_path, parallel=parallel, checkpoint_seconds=0.0)
    assert drawn[0] >= 14 and drawn[-1] == 20  # the last save may not have ended when the process did


def test_training_that_other_code_goes_on_with_names_both(tmp_path, parallel, monkeypatch):
    now = made_with()
    monkeypatch.setattr(loop, "made_with", lambda: {**now, "prima_jax": "0.0.1 (a)"})
    with pytest.raises(Killed):
        train(toy.objective(before=at(15, kill)), tmp_path, parallel=parallel, checkpoint_seconds=0.0)
    monkeypatch.undo()
    trained = train(toy.objective(), tmp_path, parallel=parallel)
    assert trained.made_with == {**now, "prima_jax": f"0.0.1 (a) and {now['prima_jax']}"}


def test_a_finished_training_is_not_repeated_when_its_last_step_was_saved(tmp_path, parallel):
    first = train(toy.objective(5), tmp_path, parallel=parallel, checkpoint_seconds=0.0)
    history, drawn = toy.history(tmp_path), []
    again = train(toy.objective(5, before=drawn.append), tmp_path, parallel=parallel)
    assert drawn == []
    assert_identical(again.tree, first.tree)
    assert toy.history(tmp_path) == history


def test_lines_that_a_kill_left_after_the_checkpoint_are_dropped(uninterrupted, tmp_path, parallel):
    with pytest.raises(Stopped):
        train(toy.objective(STEPS, before=at(40, sigterm)), tmp_path, parallel=parallel)
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"step": 41, "loss": 0.5}\n{"step": 42, "lo')
    train(toy.objective(STEPS), tmp_path, parallel=parallel)
    assert toy.history(tmp_path) == uninterrupted[1]


def test_a_kill_while_the_history_is_taken_up_again_loses_no_line(uninterrupted, tmp_path, parallel, monkeypatch):
    with pytest.raises(Stopped):
        train(toy.objective(STEPS, before=at(40, sigterm)), tmp_path, parallel=parallel)

    taken_up = loop._History.__init__

    def killed(self, *arguments):
        taken_up(self, *arguments)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop._History, "__init__", killed)
        train(toy.objective(STEPS), tmp_path, parallel=parallel)
    assert len(toy.history(tmp_path).splitlines()) == 40
    train(toy.objective(STEPS), tmp_path, parallel=parallel)
    assert toy.history(tmp_path) == uninterrupted[1]


@BOTH_KINDS
def test_sigterm_saves_and_raises_stopped(uninterrupted, tmp_path, parallel):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped):
        train(toy.objective(STEPS, before=at(33, sigterm)), tmp_path, parallel=parallel)
    assert signal.getsignal(signal.SIGTERM) is before
    assert len(toy.history(tmp_path).splitlines()) == 33
    drawn = []
    trained = train(toy.objective(STEPS, before=drawn.append), tmp_path, parallel=parallel)
    assert drawn[0] == 34
    assert_identical(trained.tree, uninterrupted[0])
    assert toy.history(tmp_path) == uninterrupted[1]


def test_a_loss_that_is_not_a_number_is_told_with_its_step(tmp_path, parallel):
    with pytest.raises(UserError, match=r"nan at step 13\b"):
        train(toy.objective(loss=broken_loss), tmp_path, parallel=parallel)
    assert list((tmp_path / "checkpoint").glob("*")) == [], "a broken state was saved"


@pytest.mark.parametrize("steps", [13, 20])
@pytest.mark.parametrize(("breaks", "what"), [(broken_loss, "loss"), (broken_gradient, "gradient_norm")])
def test_a_broken_step_is_told_even_where_checkpoints_are_frequent(tmp_path, parallel, breaks, what, steps):
    with pytest.raises(UserError, match=rf"The {what} .*nan at step 13\b"):
        train(toy.objective(steps, loss=breaks), tmp_path, parallel=parallel, checkpoint_seconds=0.0)
    saved = [p.name for p in (tmp_path / "checkpoint").iterdir()]
    assert all(name.isdigit() for name in saved), "a save was abandoned"
    assert max(map(int, saved)) == 12, "a broken state was saved, which no restart could leave"


@BOTH_KINDS
def test_only_the_trainable_tree_changes(tmp_path, parallel):
    objective = toy.objective()
    frozen = jax.tree.map(np.array, objective.frozen)
    started = jax.tree.map(np.array, objective.trainable)
    trained = train(objective, tmp_path, parallel=parallel).tree
    assert_identical(jax.device_get(objective.frozen), frozen)
    assert_identical(jax.device_get(objective.trainable), started)  # the caller's own copy, too
    assert trained.keys() == started.keys()
    assert all((trained[k] != started[k]).all() for k in trained)


@BOTH_KINDS
def test_a_compiled_step_of_an_earlier_fold_serves_again(tmp_path, parallel, uninterrupted):
    traced = []

    def counted(*arguments):
        traced.append(1)
        return toy.loss(*arguments)

    objective = toy.objective(STEPS, loss=counted)
    step = parallel.map_step(loop.make_step(objective.loss, objective.optimizer))
    for fold in ("a", "b"):
        (tmp_path / fold).mkdir()
        tree = train(toy.objective(STEPS, loss=counted), tmp_path / fold, parallel=parallel, mapped_step=step).tree
        assert_identical(tree, uninterrupted[0])
    assert len(traced) == 1
