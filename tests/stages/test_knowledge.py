"""The masked-language loss is that of the whole batch."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from prima_jax.stages.knowledge import masked_language_loss
from prima_jax.training.loop import make_step
from prima_jax.training.parallel import Parallel
from prima_jax.training.state import create

VOCABULARY, LENGTH = 11, 6


class Embedding:
    """The least that is a masked-language model."""

    def apply(self, variables, ids, mask=None, *, output_logits=True, method=None):
        if method == "head":
            return ids * variables["scale"]["by"]
        assert mask is not None and not output_logits
        return SimpleNamespace(last_hidden_state=variables["params"]["table"][ids])


def batch(masked: list[int]) -> dict[str, np.ndarray]:
    """One text for each number of masked tokens."""
    rng = np.random.default_rng(3)
    ids = rng.integers(VOCABULARY, size=(len(masked), LENGTH)).astype(np.int32)
    return {
        "input_ids": ids,
        "labels": rng.integers(VOCABULARY, size=ids.shape).astype(np.int32),
        "attention_mask": np.ones(ids.shape, bool),
        "loss_mask": np.arange(LENGTH) < np.array(masked)[:, None],
    }


def one_step(masked: list[int], kind: str, devices: int):
    parallel, optimizer = Parallel(kind, jax.devices()[:devices]), optax.sgd(1.0)
    table = np.random.default_rng(0).standard_normal((VOCABULARY, VOCABULARY)).astype(np.float32)
    trainable, frozen = {"params": {"table": table}}, {"scale": {"by": np.float32(0.5)}}
    step = parallel.map_step(make_step(masked_language_loss(Embedding()), optimizer))
    state, frozen = parallel.replicate((create(trainable, optimizer), frozen))
    state, metrics = step(state, frozen, parallel.share(batch(masked)))
    return table, jax.device_get((state.trainable["params"]["table"], metrics))


def by_hand(masked: list[int], table: np.ndarray) -> float:
    b = batch(masked)
    logp = jax.nn.log_softmax(0.5 * table[b["input_ids"]])
    errors = -np.take_along_axis(np.asarray(logp), b["labels"][..., None], axis=-1)[..., 0]
    return float(errors[b["loss_mask"]].mean())


@pytest.mark.parametrize("devices", [1, 2, 4])
@pytest.mark.parametrize("kind", ["pmap", "shard_map"])
def test_the_loss_and_its_step_do_not_depend_on_where_the_masked_tokens_are(kind, devices):
    masked = [6, 6, 5, 0, 1, 0, 0, 0]  # with four devices: 12, 5, 1 and none at all
    table, (after, metrics) = one_step(masked, kind, devices)
    _, (expected, of_one) = one_step(masked, "pmap", 1)
    assert float(metrics["loss"]) == pytest.approx(by_hand(masked, table), rel=1e-6)
    assert float(metrics["masked_accuracy"]) == pytest.approx(float(of_one["masked_accuracy"]), rel=1e-6)
    np.testing.assert_allclose(after, expected, atol=1e-6)
    assert np.abs(after - table).max() > 0.01


def test_a_mean_of_the_devices_means_would_be_another_number():
    """So the test above can fail."""
    masked = [6, 6, 5, 0, 1, 0, 0, 0]
    table, _ = one_step(masked, "pmap", 1)
    parts = [by_hand_of(batch(masked), table, part) for part in (slice(0, 4), slice(4, 8))]
    assert abs(np.mean(parts) - by_hand(masked, table)) > 0.01


def by_hand_of(b: dict[str, np.ndarray], table: np.ndarray, part: slice) -> float:
    logp = np.asarray(jax.nn.log_softmax(0.5 * table[b["input_ids"][part]]))
    errors = -np.take_along_axis(logp, b["labels"][part][..., None], axis=-1)[..., 0]
    return float(errors[b["loss_mask"][part]].mean())


def test_a_batch_without_a_masked_token_is_zero_and_never_nan():
    table, (after, metrics) = one_step([0] * 8, "pmap", 2)
    assert float(metrics["loss"]) == 0
    np.testing.assert_array_equal(after, table)


def test_half_precision_logits_are_summed_in_float32():
    class Half(Embedding):
        def apply(self, variables, *inputs, method=None, **options):
            found = super().apply(variables, *inputs, method=method, **options)
            return found.astype(jnp.bfloat16) if method == "head" else found

    b = batch([6] * 8)
    table = np.random.default_rng(0).standard_normal((VOCABULARY, VOCABULARY)).astype(np.float32)
    variables = {"params": {"table": table}}, {"scale": {"by": np.float32(0.5)}}
    loss, _ = jax.vmap(lambda _: masked_language_loss(Half())(*variables, b), axis_name="data")(jnp.zeros(1))
    assert loss.dtype == jnp.float32
    assert float(loss[0]) == pytest.approx(by_hand([6] * 8, table), rel=1e-2)  # bfloat16 logits
