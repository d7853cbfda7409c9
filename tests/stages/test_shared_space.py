"""Held-out units in the shared space: theirs alone, by the encoders and heads of stage 2, one photograph at a time."""

import dataclasses

import numpy as np
import pytest

from prima_jax.data import text
from prima_jax.models.dual_encoder import SharedSpace
from prima_jax.stages import align
from prima_jax.stages.image_features import encode_records
from prima_jax.stages.shared_space import shared_vectors
from tests.stages.tiny import ONE_LAYER

UNTRAINED = {f"{stage}__epochs": 0.0 for stage in ("knowledge", "align", "refine")}


@pytest.fixture
def context(study, tmp_path):
    context = study.context(tmp_path, **ONE_LAYER, **UNTRAINED)
    return dataclasses.replace(context, prepared=without_signs(context.prepared, first_held_out(study, context)))


def first_held_out(study, context):
    return context.prepared.records[study.fold(context).test[0]].unit


def without_signs(prepared, unit):
    """The same study, in which nobody noted what can be seen of one unit."""
    visible = {attribute.name for attribute in prepared.study.shown(visual_only=True)}
    records = tuple(
        dataclasses.replace(r, fields={k: v for k, v in r.fields.items() if k not in visible}) if r.unit == unit else r
        for r in prepared.records
    )
    return dataclasses.replace(prepared, records=records)


def test_vectors_are_those_of_each_photograph_and_sentence_alone(study, context, tokenizers):
    fold, space = study.fold(context), SharedSpace(16)
    found = shared_vectors(context, fold, tokenizers.text)
    records, held_out = context.prepared.records, set(fold.test.tolist())
    described = {r.unit for r in (records[i] for i in held_out)} - {first_held_out(study, context)}
    assert {records[row].unit for row in found.row} == described and len(found.row) == len(described)
    assert set(found.row.tolist()) <= held_out

    aligned = align.load(context, fold.index)

    def image(position):
        tokens = encode_records(context, aligned.image_encoder, [position])
        p, _ = space.apply({"params": aligned.heads}, tokens[:, None], np.zeros((1, 1, 32)))
        return p[0, 0, 0] / np.linalg.norm(p[0, 0, 0])

    def sentence(words):
        ids = np.array([tokenizers.text(words)["input_ids"]])
        tokens = context.text_encoder.module.apply(context.text_encoder.variables, ids, np.ones_like(ids, bool)).last_hidden_state
        _, q = space.apply({"params": aligned.heads}, np.zeros((1, 1, 1, 32)), tokens)
        return q[0, 0] / np.linalg.norm(q[0, 0])

    for row, of_image, of_text in list(zip(found.row, found.image, found.text, strict=True))[:3]:
        unit = context.units[records[row].unit]
        # float32 in other batches; the largest difference seen is 1e-7
        np.testing.assert_allclose(of_image, np.mean([image(p) for p in unit], axis=0), atol=1e-6)
        said = text.sentence(context.prepared.study, records[row].fields, visual_only=True)
        np.testing.assert_allclose(of_text, sentence(said), atol=1e-6)
    name = context.prepared.study.class_names[1]
    np.testing.assert_allclose(found.classes[1], sentence(f"A photograph of {name}."), atol=1e-6)


def test_a_fold_without_sentences_has_no_units(study, context, tokenizers):
    fold = study.fold(context)
    prepared = context.prepared
    for unit in context.units:
        prepared = without_signs(prepared, unit)
    found = shared_vectors(dataclasses.replace(context, prepared=prepared), fold, tokenizers.text)
    assert len(found.row) == len(found.image) == len(found.text) == 0 and len(found.classes) == 2
