"""DeepIK: its two levels and their weights, the statistics of its norms, and that it learns what it is given."""

from dataclasses import replace

import chex
import jax
import numpy as np
import pytest

from prima_jax.data import loader
from prima_jax.data.images import normalize
from prima_jax.errors import UserError
from prima_jax.methods import deepik
from prima_jax.methods.deepik import METHOD, coarse_level, two_level_loss
from prima_jax.stages.refine import ClassWeights
from tests.methods.benches import make_bench
from tests.stages import tiny
from tests.stages.tiny import ONE_LAYER

WEIGHTS = np.array([0.5, 1.0, 2.0], np.float32)
GROUPS = (("bacterial",), ("fungal",))
SMALL = {"baselines__deepik__blocks": (1, 1), "baselines__deepik__growth": 8, "baselines__deepik__stem": 16}


def drawn(count=6):
    generator = np.random.default_rng(0)
    coarse, fine = (generator.standard_normal((count, width)).astype(np.float32) for width in (2, 3))
    return coarse, fine, generator.integers(2, size=count), generator.integers(3, size=count)


def cross_entropy(logits, label):
    return np.log(sum(np.exp(x) for x in logits)) - logits[label]


class AgainstLoops(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    def test_loss(self):
        coarse, fine, coarse_labels, fine_labels = drawn()
        total, parts = self.variant(two_level_loss)(coarse, fine, coarse_labels, fine_labels, ClassWeights(WEIGHTS))
        first, second = 0.0, 0.0
        for i in range(len(coarse)):
            first += cross_entropy(coarse[i].astype(np.float64), coarse_labels[i]) / len(coarse)
            second += WEIGHTS[fine_labels[i]] * cross_entropy(fine[i].astype(np.float64), fine_labels[i]) / len(coarse)
        np.testing.assert_allclose(parts["coarse"], first, rtol=1e-6)
        np.testing.assert_allclose(parts["fine"], second, rtol=1e-6)
        np.testing.assert_allclose(total, 0.2 * first + 0.8 * second, rtol=1e-6)


def test_the_weights_of_the_levels_in_their_gradients():
    """Of a cross-entropy: the softmax less the label."""
    coarse, fine, coarse_labels, fine_labels = drawn()
    labels, ones = (coarse_labels, fine_labels), ClassWeights(np.ones(3, np.float32))
    found = jax.grad(lambda x: two_level_loss(*x, *labels, ones)[0])((coarse, fine))
    for gradient, logits, label, weight in zip(found, (coarse, fine), labels, (0.2, 0.8), strict=True):
        expected = weight * (jax.nn.softmax(logits) - np.eye(logits.shape[1])[label]) / len(logits)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


def test_a_coarse_level_of_one_class_costs_nothing():
    coarse, fine, _, fine_labels = drawn()
    value, gradient = jax.value_and_grad(
        lambda x: two_level_loss(x, fine, 0 * fine_labels, fine_labels, ClassWeights(WEIGHTS))[1]["coarse"]
    )(coarse[:, :1])
    assert float(value) == 0 and not np.asarray(gradient).any()


def test_the_coarse_level_is_the_kind_of_photograph_or_the_groups(study, tmp_path):
    bench, *_ = make_bench(study, tmp_path / "views", **ONE_LAYER)
    records = bench.context.prepared.records
    count, labels = coarse_level(bench.context)
    assert count == 3 and {records[i].image_type: label for i, label in enumerate(labels)} == {
        "white": 0,
        "blue": 1,
        "scatter": 2,
    }
    bench, *_ = make_bench(study, tmp_path / "groups", baselines__deepik__groups=(("fungal",), ("bacterial",)), **ONE_LAYER)
    count, labels = coarse_level(bench.context)
    assert count == 2 and labels.tolist() == [1 - record.label for record in records]
    bench, *_ = make_bench(study, tmp_path / "wrong", baselines__deepik__groups=(("fungal",), ("viral",)), **ONE_LAYER)
    with pytest.raises(UserError, match=r"fungal, viral, but .* bacterial, fungal"):
        coarse_level(bench.context)


def test_a_group_may_hold_several_classes(study, tmp_path):
    classes = {name: name for name in ("BCC", "MEL", "NEV", "SEK")}
    groups = (("MEL", "BCC"), ("NEV", "SEK"))
    bench, *_ = make_bench(study, tmp_path, baselines__deepik__groups=groups, **ONE_LAYER)
    prepared = bench.context.prepared
    records = tuple(replace(record, label=i % 4) for i, record in enumerate(prepared.records))
    other = replace(prepared, study=replace(prepared.study, classes=classes), records=records)
    count, labels = coarse_level(replace(bench.context, prepared=other))
    assert count == 2 and labels.tolist() == [(0, 0, 1, 1)[record.label] for record in records]


def test_pooled_statistics_are_those_of_all_batches_together():
    batches = np.random.default_rng(0).standard_normal((5, 7, 3)) * [1, 2, 3] + [0, 5, -20]
    taken = [
        {"a": {"mean": b.mean(0), "var": b.var(0)}, "c": {"d": {"mean": b[:, 0].mean(), "var": b[:, 0].var()}}} for b in batches
    ]
    pooled, rows = deepik._pooled(taken), batches.reshape(-1, 3)
    np.testing.assert_allclose(pooled["a"]["mean"], rows.mean(0), rtol=1e-6)
    np.testing.assert_allclose(pooled["a"]["var"], rows.var(0), rtol=1e-6)
    np.testing.assert_allclose(pooled["c"]["d"]["var"], rows[:, :1].var(0), rtol=1e-6)


def statistics(rows):
    return {"mean": rows.mean(0), "var": rows.var(0)}


@pytest.mark.slow
def test_it_fits_32_records_and_its_levels_agree(study, tmp_path):
    overrides = {"epochs": 80.0, "batch_size": 16, "groups": GROUPS}
    overrides = {f"baselines__deepik__{name}": value for name, value in overrides.items()}
    bench, train, _ = make_bench(study, tmp_path, diagnose__case="record", **overrides, **SMALL, **ONE_LAYER)
    cases = train[:32]
    state = METHOD.fit(bench, cases)
    labels = np.array([case.label for case in cases])
    assert (METHOD.predict(bench, state, cases).argmax(axis=1) == labels).all()
    coarse, fine = deepik.probabilities(bench.context, state, np.array([case.row for case in cases]))
    # Here each group is one class, so a consistent hierarchy says the same on both levels.
    assert (coarse.argmax(axis=1) == labels).all()
    assert np.abs(coarse - fine).mean() < 0.1

    # The first norm reads the stem's convolution, whatever the batches: its statistics are those of all photographs.
    context = bench.context
    images = next(loader.eval_images(context.prepared, [c.row for c in cases], image_size=32, batch_size=32))["image"]
    kernel = state["params"]["backbone"]["stem_conv"]["kernel"]
    dimensions = ("NHWC", "HWIO", "NHWC")
    x = jax.lax.conv_general_dilated(normalize(images), kernel, (2, 2), [(3, 3), (3, 3)], dimension_numbers=dimensions)
    x = np.asarray(x, np.float64)
    statistics = state["batch_stats"]["backbone"]["stem_norm"]
    np.testing.assert_allclose(statistics["mean"], x.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(statistics["var"], x.var(axis=(0, 1, 2)), rtol=1e-4)


@pytest.mark.slow
def test_two_devices_give_the_losses_and_the_probabilities_of_one_and_the_first_head_learns_the_view(study, tmp_path):
    found = []
    for devices in (1, 2):
        settings = {"epochs": 8.0, "batch_size": 16}
        settings = {f"baselines__deepik__{name}": value for name, value in settings.items()}
        bench, train, test = make_bench(study, tmp_path / str(devices), devices=devices, **settings, **SMALL, **ONE_LAYER)
        state = METHOD.fit(bench, train)
        losses = tiny.losses(bench.context.place("deepik", bench.fold.index))[:10]
        found.append((losses, METHOD.predict(bench, state, test)))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-3)
    # Rounding grows with the steps that follow each other; a wrong mean over devices would show in the first digit.
    np.testing.assert_allclose(found[1][1], found[0][1], atol=0.05)
    positions = bench.fold.train
    views = deepik.probabilities(bench.context, state, positions)[0].argmax(axis=1)
    assert np.mean(views == coarse_level(bench.context)[1][positions]) > 0.9
