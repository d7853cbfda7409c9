"""Qwen3 given the sentence alone."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prima_jax.methods import text_llm
from prima_jax.models.diagnoser import positions
from prima_jax.stages.refine import ClassWeights
from tests.methods.benches import make_bench, training_accuracy
from tests.stages.tiny import ONE_LAYER


def model(study, folder):
    """An untrained model over the tokens of two sentences, one of them shorter."""
    context = study.context(folder, **ONE_LAYER)
    r = np.random.default_rng(0)
    ids = r.integers(300, size=(2, 6)).astype(np.int32)
    mask = np.arange(6) < np.array([6, 3])[:, None]
    special = r.normal(size=(3, 32)).astype(np.float32)
    variables = {"llm": context.llm.variables, "special_tokens": special, "class_ids": np.array([7, 301], np.int32)}
    return context.llm.module, variables, {"ids": ids, "mask": mask, "label": np.array([1, 0], np.int32)}


@pytest.mark.slow
def test_the_loss_is_that_of_the_class_tokens_among_the_logits_of_the_whole_vocabulary(study, tmp_path):
    module, variables, batch = model(study, tmp_path)
    weights = np.array([0.5, 2.0], np.float32)
    frozen = {"llm": {}, "class_ids": variables["class_ids"], "class_weights": ClassWeights(weights)}
    trainable = {"llm": variables["llm"], "special_tokens": variables["special_tokens"]}
    loss = text_llm.diagnosis(module)
    expected = 0.0
    for ids, mask, label in zip(batch["ids"], batch["mask"], batch["label"], strict=True):
        start, end, diagnosis = variables["special_tokens"]
        words = [module.apply(variables["llm"], jnp.array([i]), method="embed")[0] for i in ids[mask]]
        sequence = jnp.stack([start, *words, end, diagnosis])[None]
        places = positions(jnp.ones(sequence.shape[:2], bool))
        logits = module.apply(variables["llm"], inputs_embeds=sequence, positions=places, output_logits=True).logits
        scores = [float(logits[0, -1, k]) for k in variables["class_ids"]]
        expected += weights[label] * (math.log(sum(math.exp(s) for s in scores)) - scores[label]) / len(batch["ids"])
    for function in (loss, jax.jit(loss)):
        np.testing.assert_allclose(function(trainable, frozen, batch)[0], expected, rtol=1e-5)


def test_what_stands_in_the_padding_changes_nothing(study, tmp_path):
    module, variables, batch = model(study, tmp_path)
    other = {**batch, "ids": np.where(batch["mask"], batch["ids"], 5)}
    longer = {name: np.pad(batch[name], ((0, 0), (0, 4))) for name in ("ids", "mask")}
    expected = text_llm.class_logits(module, variables, batch)
    np.testing.assert_array_equal(text_llm.class_logits(module, variables, other), expected)
    np.testing.assert_allclose(text_llm.class_logits(module, variables, longer), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_it_learns_32_records_by_heart(study, tmp_path):
    fitting = {"baselines__text_llm__epochs": 40.0, "baselines__text_llm__learning_rate": 3e-3}
    bench, train, _ = make_bench(study, tmp_path, diagnose__case="record", **ONE_LAYER, **fitting)
    assert training_accuracy(bench, text_llm.METHOD, train[:32]) == 1.0
