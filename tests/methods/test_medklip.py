"""MedKLIP: its two losses, what has no label, where its queries look, and that it learns what it is given."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from prima_jax.methods import medklip
from prima_jax.methods.medklip import METHOD, EntityReader, entity_losses
from prima_jax.stages.refine import ClassWeights
from prima_jax.training.parallel import AXIS
from tests.methods.benches import by_heart, make_bench, training_accuracy
from tests.methods.shuffles import with_fields
from tests.stages import tiny
from tests.stages.tiny import ONE_LAYER, SIDE

CLASSES = 3
WEIGHTS = np.array([0.5, 1.0, 2.0], np.float32)
CLASS_WEIGHTS = ClassWeights(WEIGHTS)
SMALL = {"baselines__medklip__width": 32, "baselines__medklip__layers": 1}


def drawn(seed=0, count=8, entities=7):
    """Logits, and labels of which some are not known, more of them in the first half than in the second."""
    generator = np.random.default_rng(seed)
    logits = generator.standard_normal((count, entities, 2)).astype(np.float32)
    labels = generator.integers(0, 2, (count, entities)).astype(np.int32)
    unknown = generator.random(labels.shape) < np.linspace(0.9, 0.1, count)[:, None]
    labels[unknown] = -1
    labels[:, :CLASSES] = np.eye(CLASSES, dtype=np.int32)[generator.integers(CLASSES, size=count)]
    return logits, labels


def reference(logits, labels, weights):
    """Both losses as loops, in float64."""
    logits, errors, diagnosis = logits.astype(np.float64), [], 0.0
    for photograph, known in zip(logits, labels, strict=True):
        for (absent, present), label in zip(photograph, known, strict=True):
            if label != -1:
                chosen = present if label == 1 else absent
                errors.append(-chosen + np.log(np.exp(absent) + np.exp(present)))
        scores = [photograph[k][1] - photograph[k][0] for k in range(len(weights))]
        true = list(known[: len(weights)]).index(1)
        diagnosis += weights[true] * (np.log(sum(np.exp(s) for s in scores)) - scores[true])
    return sum(errors) / len(errors), diagnosis / len(logits)


class AgainstLoops(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_both_losses(self):
        logits, labels = drawn()
        total, parts = self.variant(entity_losses)(logits, labels, CLASS_WEIGHTS)
        presence, diagnosis = reference(logits, labels, WEIGHTS)
        np.testing.assert_allclose(parts["presence"], presence, rtol=1e-6)
        np.testing.assert_allclose(parts["diagnosis"], diagnosis, rtol=1e-6)
        np.testing.assert_allclose(total, presence + diagnosis, rtol=1e-6)


def test_equal_logits_cost_log_2_and_log_k():
    _, labels = drawn()
    _, parts = entity_losses(jnp.zeros((*labels.shape, 2)), labels, ClassWeights(np.ones(CLASSES, np.float32)))
    assert float(parts["presence"]) == pytest.approx(np.log(2))
    assert float(parts["diagnosis"]) == pytest.approx(np.log(CLASSES))


def test_what_is_not_known_has_no_gradient():
    logits, labels = drawn()
    gradient = np.asarray(jax.grad(lambda x: entity_losses(x, labels, CLASS_WEIGHTS)[0])(logits))
    assert (gradient[labels == -1] == 0).all()
    assert (np.abs(gradient[labels >= 0]) > 0).all()
    changed = np.where((labels == -1)[..., None], 100.0, logits)
    assert float(entity_losses(changed, labels, CLASS_WEIGHTS)[0]) == float(entity_losses(logits, labels, CLASS_WEIGHTS)[0])


def test_a_batch_in_which_only_diagnoses_are_known_is_no_error():
    logits, labels = drawn()
    labels[:, CLASSES:] = -1
    assert np.isfinite(entity_losses(logits, labels, CLASS_WEIGHTS)[0])


@pytest.mark.parametrize("devices", [2, 4])
def test_the_mean_is_over_the_known_entities_of_all_devices(devices):
    """Not the mean of the devices' means, which differs here: the first device knows the fewest."""
    logits, labels = drawn()
    expected, _ = entity_losses(logits, labels, CLASS_WEIGHTS)
    shared = [a.reshape(devices, -1, *a.shape[1:]) for a in (logits, labels)]
    on_each = jax.pmap(
        lambda x, y: jax.lax.pmean(entity_losses(x, y, ClassWeights(jnp.array(WEIGHTS)), axis_name=AXIS)[0], AXIS),
        axis_name=AXIS,
        devices=jax.devices()[:devices],
    )
    np.testing.assert_allclose(on_each(*shared), expected, rtol=1e-6)
    means = [entity_losses(x, y, CLASS_WEIGHTS)[0] for x, y in zip(*shared, strict=True)]
    assert abs(np.mean(means) - expected) > 1e-3


@pytest.mark.slow
def test_queries_learn_to_look_where_their_sign_is():
    """Two signs, each a direction that is planted in one patch of those photographs that have it; no query is told where."""
    generator = np.random.default_rng(0)
    width, patches, count = 16, 25, 512
    signs = np.linalg.qr(generator.standard_normal((width, width)))[0][:2] * 6
    present = generator.integers(0, 2, (count, 2)).astype(np.int32)
    place = np.array([generator.choice(patches, 2, replace=False) for _ in range(count)])
    images = generator.standard_normal((count, patches, width))
    for sign in range(2):
        images[np.arange(count), place[:, sign]] += present[:, sign, None] * signs[sign]
    vectors = generator.standard_normal((2, width)).astype(np.float32)
    reader, images, present = EntityReader(16, 1, 2, 32), jnp.array(images, jnp.float32), jnp.array(present)
    params = reader.init(jax.random.key(0), images[:1], vectors)["params"]
    optimizer = optax.adam(3e-3)

    def loss(params, x, y):
        logits, _ = reader.apply({"params": params}, x, vectors)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    @jax.jit
    def step(carry, batch):
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params, images[batch], present[batch]), state, params)
        return optax.apply_updates(params, updates), state

    carry = params, optimizer.init(params)
    for number in range(400):
        carry = step(carry, np.random.default_rng(number).choice(count - 128, 64, replace=False))
    held_out = slice(count - 128, count)
    logits, attention = reader.apply({"params": carry[0]}, images[held_out], vectors)
    assert np.mean(logits.argmax(-1) == present[held_out]) > 0.95
    weights = np.asarray(attention).mean(axis=(0, 2))  # [128, 2, P]
    on_sign = weights[np.arange(128)[:, None], np.arange(2), place[held_out]]
    elsewhere = weights[np.arange(128)[:, None], np.arange(2), place[held_out][:, ::-1]]
    assert on_sign[present[held_out] == 1].mean() > 8 / patches  # chance: 1 / 25
    assert on_sign[present[held_out] == 1].mean() > 4 * elsewhere[present[held_out] == 1].mean()


@pytest.mark.slow
def test_it_fits_32_records_and_its_attention_can_be_looked_at(study, tmp_path):
    bench, train, _ = make_bench(study, tmp_path, **{**by_heart("medklip", epochs=100.0, learning_rate=2e-3), **SMALL})
    cases = train[:32]
    assert training_accuracy(bench, METHOD, cases) == 1.0
    state = METHOD.fit(bench, cases)  # read back
    maps = medklip.attention_maps(bench, state, np.array([case.row for case in cases]))
    assert maps.shape == (32, len(state["vectors"]), SIDE, SIDE)
    np.testing.assert_allclose(maps.sum(axis=(2, 3)), 1, rtol=1e-5)
    assert np.abs(maps[:, 0] - maps[:, -1]).max() > 1e-3


@pytest.mark.slow
def test_two_devices_give_the_losses_of_one_and_training_metadata_are_the_supervision(study, tmp_path):
    one, two = (losses(study, tmp_path / str(devices), devices) for devices in (1, 2))
    assert np.ptp(one) > 1e-3
    np.testing.assert_allclose(two, one, rtol=1e-4)
    other = losses(study, tmp_path / "other", 1, change=lambda r: {**r.fields, "hypopyon": True})
    assert np.abs(other[0] - one[0]) > 1e-3


def losses(study, folder, devices, change=None):
    """The losses of a fit; with `change`, after it gave every record its fields."""
    bench, train, _ = make_bench(study, folder, devices=devices, **SMALL, **ONE_LAYER)
    if change:
        bench = with_fields(bench, change)
    METHOD.fit(bench, train)
    return tiny.losses(bench.context.place("medklip", bench.fold.index))
