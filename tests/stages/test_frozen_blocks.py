"""Adapters in the last blocks alone: what the frozen ones make of a photograph is computed once, and changes nothing."""

import dataclasses

import jax
import numpy as np
import pytest

from prima_jax.data import loader
from prima_jax.errors import UserError
from prima_jax.models.dual_encoder import ClassifierHead, SharedSpace
from prima_jax.recipe.check import check
from prima_jax.stages import align, image_features, pipeline, refine
from prima_jax.stages.backbones import adapt
from prima_jax.stages.batches import stored_pair
from prima_jax.training.loop import make_step
from prima_jax.training.optimizer import adamw
from prima_jax.training.state import create
from tests.stages import tiny

STEPS = 10
SHALLOW = {
    "align__rank": 2,
    "refine__rank": 2,
    "image_only__rank": 2,
    "image__blocks": 1,
    "features__views": 3,
    "models__text__architecture__num_hidden_layers": 1,
    "models__llm__architecture__num_hidden_layers": 1,
}
"""An adapter in the last of two blocks; three stored copies of a photograph."""
TOLERANCES = {"float32": 1e-5, "float16": 5e-3}
"""Relative, on each loss of ten steps. float32: the same sums, which XLA may fuse in other ways; measured 0. float16: a stored
number is off by up to 4.9e-4 of itself; measured 1.2e-4.
"""


@pytest.fixture(params=("float32", "float16"))
def context(request, study, tmp_path):
    return study.context(tmp_path, features__dtype=request.param, **SHALLOW)


def stored_pixels(context, chosen):
    """The photographs, uint8 [N, S, S, 3], of the stored copies (record, copy) that `block_tokens` holds."""
    seed, options = context.seed("frozen blocks"), {"image_size": context.config.image.size, "batch_size": 1}
    found = []
    for record, copy in chosen:
        changed = {"augmentation": context.augmentation, "seed": seed + int(copy)} if copy else {}
        found.append(next(loader.eval_images(context.prepared, [int(record)], **options, **changed))["image"][0])
    return np.stack(found)


def losses(context, loss, trainable, frozen, batches):
    """Of so many steps, [steps]."""
    optimizer = adamw(learning_rate=1e-2, weight_decay=1e-3, steps=len(batches), warmup_fraction=0.1)
    step = context.parallel.map_step(make_step(loss, optimizer))
    state, frozen, found = context.parallel.replicate(create(trainable, optimizer)), context.parallel.replicate(frozen), []
    for batch in batches:
        state, metrics = step(state, frozen, context.parallel.share(batch))
        found.append(float(jax.device_get(metrics["loss"])))
    return np.array(found)


def test_alignment_sees_the_whole_encoder(context, study, tokenizers):
    fold, settings, module = study.fold(context), context.config.align, context.image_encoder.module
    texts, space = tiny.visible_tokens(context, fold, tokenizers), SharedSpace(settings.projection_width)
    adapted = adapt(settings, context.image_encoder, context.key("align", 0), last_blocks=1)
    image, words = np.zeros((1, 2, 1, 32), np.float32), np.zeros((1, 1, texts.tokens.shape[-1]), np.float32)
    units = align.training_units(context, fold)
    frozen = {
        "image_encoder": adapted.frozen,
        "y": align.pad_columns(pipeline.metadata_vectors(context, fold)),
        "first": np.array([unit[0] for unit in units], np.int32),
    }
    trainable = {"image_encoder": adapted.trainable, "heads": space.init(jax.random.key(0), image, words)["params"]}
    tokens, generator = image_features.block_tokens(context), np.random.default_rng(0)
    short, whole = [], []
    for _ in range(STEPS):
        chosen = generator.choice(len(units), 8, replace=False)
        pairs = np.array([stored_pair(units[i], int(generator.integers(2**32)), 3) for i in chosen])
        said = {"unit": chosen.astype(np.int32), **texts.of(frozen["first"][chosen])}
        short.append({"views": tokens[pairs[..., 0], pairs[..., 1]], **said})
        pixels = stored_pixels(context, pairs.reshape(-1, 2))
        whole.append({"views": pixels.reshape(8, 2, *pixels.shape[1:]), **said})
    found = losses(context, align.alignment(module, space, settings, 1), trainable, frozen, short)
    pieces = settings.copy_and_resolve_references()
    pieces.microbatches = 2
    cached = losses(context, align.alignment(module, space, pieces, 1), trainable, frozen, short)
    np.testing.assert_allclose(cached, found, rtol=1e-6)  # float32, gradients of the batch's halves added; measured 1.3e-7
    expected = losses(context, align.alignment(module, space, settings), trainable, frozen, whole)
    print("cached", np.abs(cached / found - 1).max())
    assert abs(expected[-1] - expected[0]) > 1e-2  # it did train
    print("align", context.config.features.dtype, np.abs(found / expected - 1).max())
    np.testing.assert_allclose(found, expected, rtol=TOLERANCES[context.config.features.dtype])


def test_refinement_sees_the_whole_encoder(context, study):
    fold, settings, module = study.fold(context), context.config.refine, context.image_encoder.module
    adapted = adapt(settings, context.image_encoder, context.key("refine", 0), last_blocks=1)
    head = ClassifierHead(2)
    trainable = {
        "image_encoder": adapted.trainable,
        "head": head.init(jax.random.key(0), np.zeros((1, 2, 32), np.float32))["params"],
    }
    labels = np.array([record.label for record in context.prepared.records], np.int32)
    frozen = {"image_encoder": adapted.frozen, "labels": labels, "class_weights": refine.ClassWeights(np.ones(2, np.float32))}
    tokens, generator = image_features.block_tokens(context), np.random.default_rng(0)
    short, whole = [], []
    for _ in range(STEPS):
        chosen = np.stack([generator.choice(fold.train, 8, replace=False), generator.integers(3, size=8)], axis=1)
        short.append({"image": tokens[chosen[:, 0], chosen[:, 1]], "index": chosen[:, 0].astype(np.int32)})
        whole.append({"image": stored_pixels(context, chosen), "index": chosen[:, 0].astype(np.int32)})
    found = losses(context, refine.classification(module, head, 1), trainable, frozen, short)
    expected = losses(context, refine.classification(module, head), trainable, frozen, whole)
    print("refine", context.config.features.dtype, np.abs(found / expected - 1).max())
    np.testing.assert_allclose(found, expected, rtol=TOLERANCES[context.config.features.dtype])


def test_only_the_last_blocks_change_and_the_frozen_ones_read_each_copy_once(study, tmp_path, tokenizers):
    """A fold of refinement, and its features: the same as of the whole encoder on the whole photographs."""
    context = study.context(tmp_path, features__dtype="float32", **SHALLOW)
    fold = study.fold(context)
    variables, _ = refine.run(context, fold, context.image_encoder.variables)
    assert set(variables["lora"]) == {"layers_1"}
    assert any(
        np.abs(leaf).max() > 0 for path, leaf in jax.tree_util.tree_leaves_with_path(variables["lora"]) if "B" in str(path)
    )
    table = image_features.image_tokens(context, variables, tmp_path / "features", seed=0)
    whole = dataclasses.replace(context, config=context.config.copy_and_resolve_references(), compiled={})
    with whole.config.unlocked():
        whole.config.image.blocks = 0
    expected = image_features.image_tokens(whole, variables, tmp_path / "whole", seed=0)
    np.testing.assert_allclose(table[:, 0], expected[:, 0], atol=2e-5 * np.abs(expected[:, 0]).max())
    (stored,) = context.place("frozen_blocks").glob("*.npy")
    changed = stored.stat().st_mtime_ns
    refine.run(context, study.fold(context, 1), context.image_encoder.variables)
    assert stored.stat().st_mtime_ns == changed


def test_a_pair_is_two_scans_or_two_copies_of_the_only_one():
    pairs = [stored_pair([7, 9], draw, 3) for draw in range(200)]
    assert all({a[0], b[0]} == {7, 9} for a, b in pairs)
    assert {copy for pair in pairs for _, copy in pair} == {0, 1, 2}
    alone = [stored_pair([7], draw, 3) for draw in range(200)]
    assert all(a[0] == b[0] == 7 and a[1] != b[1] for a, b in alone)
    assert stored_pair([7], 0, 1) == [(7, 0), (7, 0)]


@pytest.mark.parametrize(("changes", "told"), [({"align__rank": 0}, "align.rank=0"), ({"image__blocks": 3}, "more than the 2")])
def test_blocks_need_adapters_and_a_model_that_is_deep_enough(changes, told):
    with pytest.raises(UserError, match=told):
        check(tiny.tiny_config(**{**SHALLOW, **changes}))
