"""Stage 3 beside an LLM in few bits: adapters and projector are trained, and what is written holds nothing else."""

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from prima_jax.experiment import opening
from prima_jax.models.quantized import is_quantized
from prima_jax.stages import diagnose, pipeline
from prima_jax.stages.backbones import Backbones
from tests.stages import tiny
from tests.stages.tiny import same_bits

TOLERANCE = 1e-5
"""Relative, on every loss: that of tests/stages/test_devices.py."""


def run(study, tokenizers, folder, kind, parallel, devices, remat=False):
    """(context, what stage 3 returned, its cases, images, texts) after an epoch or two of the first fold."""
    changes = {"models__llm__quantized": kind, "remat": remat, **tiny.ONE_LAYER}
    context = study.context(folder, kind=parallel, devices=devices, **changes)
    cases, _ = opening.split_cases(context, study.fold(context))
    images = tiny.random_image_features(context)
    texts = pipeline.record_texts(context, tiny.untrained(context), tokenizers)
    return context, diagnose.run(context, study.fold(context), tokenizers.llm, cases, images, texts), (cases, images, texts)


@pytest.fixture(scope="module", params=[("int8", "pmap"), ("nf4", "shard_map")], ids=lambda p: "-".join(p))
def finished(request, study, tokenizers, tmp_path_factory):
    """A finished stage on one device, and the context that it has."""
    kind, parallel = request.param
    return (kind, parallel, *run(study, tokenizers, tmp_path_factory.mktemp(kind), kind, parallel, 1))


def losses(context) -> np.ndarray:
    return tiny.losses(context.place("diagnose", 0))


def test_adapters_and_projector_alone_are_trained_and_written(finished):
    _, _, context, model, _ = finished
    with ocp.StandardCheckpointer() as checkpointer:
        written = checkpointer.restore((context.place("diagnose", 0) / "trained").absolute())
    assert written.keys() == {"llm", "projector"}
    assert written["llm"].keys() == {"lora"}
    assert all(leaf.any() for leaf in jax.tree.leaves(written["llm"]["lora"]))  # B is no longer zero
    kernels = [leaf for leaf in jax.tree.leaves(model["llm"]["params"], is_leaf=is_quantized) if is_quantized(leaf)]
    assert len(kernels) == 7
    assert same_bits(Backbones(context.config).llm.variables["params"], jax.device_get(model["llm"]["params"]))


def test_a_finished_stage_is_read_back_and_answers_as_it_did(finished, tokenizers):
    """As prima predict does, which places the model on its device first."""
    _, _, context, model, (cases, images, texts) = finished
    expected = diagnose.predict(context, model, cases[:5], images, texts)
    read = context.parallel.replicate(diagnose.load(context, 0, tokenizers.llm))
    np.testing.assert_array_equal(diagnose.predict(context, read, cases[:5], images, texts), expected)


@pytest.mark.parametrize("remat", [False, True])
def test_two_devices_and_recomputed_activations_give_the_losses_of_one(finished, remat, study, tokenizers, tmp_path):
    kind, parallel, context, *_ = finished
    other, *_ = run(study, tokenizers, tmp_path, kind, parallel, 2, remat)
    expected = losses(context)
    assert np.ptp(expected) > 1e-3, "nothing was trained"
    np.testing.assert_allclose(losses(other), expected, rtol=TOLERANCE)
