"""One step over one, two and four devices, under pmap and under shard_map."""

from functools import cache

import jax
import numpy as np
import pytest

from prima_jax.errors import UserError
from prima_jax.training.loop import make_step
from prima_jax.training.parallel import AXIS, Parallel
from prima_jax.training.state import create
from tests.training import toy

KINDS = ("pmap", "shard_map")


@cache
def one_step(kind: str, devices: int, microbatches: int = 1):
    parallel = Parallel(kind, jax.devices()[:devices])
    trainable, frozen = toy.trees()
    optimizer = toy.optimizer(steps=2)
    step = parallel.map_step(make_step(toy.loss, optimizer, microbatches))
    state, frozen = parallel.replicate((create(trainable, optimizer), frozen))
    for number in (1, 2):  # the first has a rate of zero
        state, metrics = step(state, frozen, parallel.share(toy.batch(number)))
    return jax.device_get((state.trainable, metrics))


@pytest.mark.parametrize(("devices", "microbatches"), [(1, 1), (2, 1), (4, 1), (1, 4), (4, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_step_does_not_depend_on_who_shares_the_batch(kind, devices, microbatches):
    expected, found = one_step("pmap", 1), one_step(kind, devices, microbatches)
    assert np.abs(expected[0]["v"] - toy.trees()[0]["v"]).max() > 0.01  # it did move
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)  # sums of 8 float32 in another order


@pytest.mark.parametrize("devices", [(0,), (0, 1), (0, 1, 3, 2)], ids=["one", "two", "in the order of a TPU's ring"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_copies_nothing_between_host_and_devices(kind, devices):
    parallel = Parallel(kind, [jax.devices()[n] for n in devices])
    trainable, frozen = toy.trees()
    optimizer = toy.optimizer()
    step = parallel.map_step(make_step(toy.loss, optimizer))
    state, frozen = parallel.replicate((create(trainable, optimizer), frozen))
    batches = [parallel.share(toy.batch(n)) for n in (1, 2)]
    with jax.transfer_guard("disallow"):
        for batch in batches:
            state, metrics = step(state, frozen, batch)
    assert np.isfinite(metrics["loss"])
    on_host = jax.tree.map(np.asarray, batches[0])
    with jax.transfer_guard("disallow"), pytest.raises(Exception, match=r"(?i)disallowed.*transfer"):
        step(state, frozen, on_host)  # a copy would be noticed


@pytest.mark.parametrize("kind", KINDS)
def test_the_devices_see_different_parts_of_the_batch(kind):
    parallel = Parallel(kind, jax.devices()[:4])

    def step(state, frozen, batch):
        return state, jax.lax.all_gather(batch["x"], AXIS)

    mapped = parallel.map_step(step)
    x = np.arange(8.0, dtype=np.float32)
    state, frozen = parallel.replicate((np.zeros(1), np.zeros(1)))
    _, seen = mapped(state, frozen, parallel.share({"x": x}))
    np.testing.assert_array_equal(np.asarray(seen), x.reshape(4, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_that_cannot_be_shared_evenly_is_refused(kind):
    with pytest.raises(UserError, match=r"batch of 7 .* 2 devices"):
        Parallel(kind, jax.devices()[:2]).share(toy.batch(1, size=7))


def test_another_kind_is_refused():
    with pytest.raises(UserError, match="'xmap'"):
        Parallel("xmap")  # type: ignore[arg-type]


@pytest.mark.parametrize("devices", [1, 2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_inference_keeps_the_order_of_the_batch(kind, devices):
    parallel = Parallel(kind, jax.devices()[:devices])
    mapped = parallel.map_inference(lambda scale, batch: {"twice": scale * batch["x"]})
    x = np.arange(8, dtype=np.float32)
    np.testing.assert_array_equal(mapped(np.float32(2), {"x": x})["twice"], 2 * x)


@pytest.mark.parametrize("devices", [1, 2])
def test_inference_copies_nothing_once_its_variables_are_placed(devices):
    parallel = Parallel("shard_map", jax.devices()[:devices])
    mapped = parallel.map_inference(lambda scale, batch: scale * batch["x"])
    scale, batch = parallel.replicate(np.float32(2)), parallel.share({"x": np.arange(8, dtype=np.float32)})
    with jax.transfer_guard("disallow"):
        found = mapped(scale, batch)
    np.testing.assert_array_equal(np.asarray(found), 2 * np.arange(8))
    with jax.transfer_guard("disallow"), pytest.raises(Exception, match=r"(?i)disallowed.*transfer"):
        mapped(np.float32(2), batch)


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_never_stacked(kind):
    """Checkpoints of one device count are those of another."""
    parallel = Parallel(kind, jax.devices()[:4])
    trainable, frozen = toy.trees()
    optimizer = toy.optimizer()
    state, frozen = parallel.replicate((create(trainable, optimizer), frozen))
    after, _ = parallel.map_step(make_step(toy.loss, optimizer))(state, frozen, parallel.share(toy.batch(1)))
    assert {k: v.shape for k, v in after.trainable.items()} == {k: v.shape for k, v in trainable.items()}
