"""The masked-language loss is that of the whole batch."""

from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats

from prima_jax.models import pretrained
from prima_jax.stages.knowledge import masked_language_loss, most_masked
from prima_jax.training.loop import make_step
from prima_jax.training.parallel import Parallel
from prima_jax.training.state import create

VOCABULARY, LENGTH = 11, 6
GOLDEN = Path(__file__).parents[1] / "models" / "golden"


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


def over_all_places(module):
    """The same loss, every place of which meets the vocabulary."""

    def loss(trainable, frozen, batch):
        logits = module.apply({**frozen, **trainable}, batch["input_ids"], batch["attention_mask"]).logits
        errors = optax.softmax_cross_entropy_with_integer_labels(logits, batch["labels"])
        count = jnp.maximum(jax.lax.pmean(batch["loss_mask"].sum().astype(logits.dtype), "data"), 1e-6)
        correct = (logits.argmax(-1) == batch["labels"]) & batch["loss_mask"]
        return (errors * batch["loss_mask"]).sum() / count, {"masked_accuracy": correct.sum() / count}

    return loss


@pytest.mark.parametrize("probability", [0.3, 1.0])
@pytest.mark.parametrize("case", ["bert", "modernbert_biases"])
def test_the_masked_tokens_alone_give_the_loss_and_the_gradients_of_all_places(case, probability):
    """On two devices, with room for more tokens than are masked, and with just enough where all are."""
    module, variables = pretrained.from_pretrained(GOLDEN / case)
    rng, shape = np.random.default_rng(0), (2, 8, 16)
    seen = np.arange(16) < rng.integers(4, 17, shape[:2])[..., None]
    given = {
        "input_ids": rng.integers(1, 40, shape).astype(np.int32) * seen,
        "labels": rng.integers(1, 40, shape).astype(np.int32),
        "attention_mask": seen,
        "loss_mask": seen & (rng.random(shape) < probability) if probability < 1 else np.ones(shape, bool),
    }
    room = most_masked(8, 16, probability)
    assert (given["loss_mask"].sum((1, 2)) < room).all() if probability < 1 else room == 8 * 16

    def answer(loss):
        both = jax.value_and_grad(loss, has_aux=True)
        return jax.vmap(lambda b: jax.lax.pmean(both(variables, {}, b), "data"), axis_name="data")(given)

    (value, parts), gradients = jax.jit(lambda: answer(masked_language_loss(module, probability)))()
    (expected, of_all), reference = jax.jit(lambda: answer(over_all_places(module)))()
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(parts["masked_accuracy"], of_all["masked_accuracy"], rtol=1e-6)
    for found, wanted in zip(jax.tree.leaves(gradients), jax.tree.leaves(reference), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6 * max(1.0, float(np.abs(wanted).max())))


@pytest.mark.parametrize("probability", [0.05, 0.15, 0.3, 0.6])
@pytest.mark.parametrize(("texts", "length"), [(1, 8), (4, 16), (32, 128)])
def test_there_is_room_for_what_is_masked_but_once_in_a_thousand_million(texts, length, probability):
    """The exact tail of the binomial, which Bernstein's inequality bounds; `texts` more places are for one each at least."""
    places, room = texts * length, most_masked(texts, length, probability)
    assert room == places or scipy.stats.binom.sf(room - texts, places, probability) <= 1e-9
    assert most_masked(32, 128, 0.3) < 0.36 * 32 * 128
    assert most_masked(texts, length, 1.0) == places


def test_what_there_is_no_room_for_does_not_count(monkeypatch):
    """The first tokens that are masked count, and the mean is over those."""
    monkeypatch.setattr("prima_jax.stages.knowledge.most_masked", lambda *_: 7)
    masked = [6, 6, 0, 0, 0, 0, 0, 0]
    table, (_, metrics) = one_step(masked, "pmap", 1)
    assert float(metrics["loss"]) == pytest.approx(by_hand([6, 1, 0, 0, 0, 0, 0, 0], table), rel=1e-6)
