"""What the words of an attribute look at: Eq. 4 by loops, the right photograph, the right words."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prima_jax.data.images import center_view
from prima_jax.data.text import clause_words, clauses, sentence, tokenize
from prima_jax.grounding.attention import AttentionMap, attention_maps, others
from prima_jax.grounding.measure import MaskMatch, match_masks, summary
from prima_jax.metrics.pointing import Pointing
from prima_jax.models.dual_encoder import ProjectionHead
from prima_jax.stages import features
from prima_jax.stages.pipeline import aligned_encoders
from prima_jax.studies.synthetic.write import MASK_OF
from tests.stages.tiny import ONE_LAYER, same_bits


@pytest.fixture(scope="module")
def bench(study, tokenizers, tmp_path_factory):
    context = study.context(tmp_path_factory.mktemp("looks"), **ONE_LAYER, align__epochs=0.5, knowledge__epochs=0.1)
    fold = study.fold(context)
    return context, fold, tokenizers, attention_maps(context, fold, tokenizers)


def test_every_held_out_photograph_looks_once_for_each_thing_said_of_it(bench):
    context, fold, _, found = bench
    study, records = context.prepared.study, context.prepared.records
    expected = [(int(i), name) for i in fold.test for name in clauses(study, records[i].fields, visual_only=True)]
    assert [(look.record, look.attribute) for look in found] == expected
    for look in found:
        assert look.attention.sum() == pytest.approx(1, abs=1e-5) and (look.attention >= 0).all()


def test_the_attention_is_eq_4_of_the_clause_by_loops(bench):
    context, fold, tokenizers, found = bench
    text_variables, aligned = aligned_encoders(context, fold, tokenizers)
    width = context.config.align.projection_width
    for look in (found[0], found[len(found) // 2], found[-1]):
        record = context.prepared.records[look.record]
        said = sentence(context.prepared.study, record.fields, visual_only=True)
        text = features.text_tokens(context, text_variables, tokenizers.text, [said])
        photograph = center_view(context.prepared.image(look.record), context.config.image.size)
        image = features.encode_images(context, aligned.image_encoder, photograph[None])[0]
        p = np.asarray(ProjectionHead(width).apply({"params": aligned.heads["image"]}, image[1:]), np.float64)
        q = np.asarray(ProjectionHead(width).apply({"params": aligned.heads["text"]}, text.tokens[0, 1:]), np.float64)
        encoded = tokenizers.text(said, return_offsets_mapping=True)
        start = said.index(look.clause)
        of_words = []
        for position, (a, b) in enumerate(encoded["offset_mapping"]):
            if (
                b > start
                and a < start + len(look.clause)
                and encoded["input_ids"][position] not in tokenizers.text.all_special_ids
            ):
                scores = np.array([sum(q[position - 1] * patch) for patch in p]) / np.sqrt(width)
                of_words.append(np.exp(scores) / np.exp(scores).sum())
        np.testing.assert_allclose(look.attention, np.mean(of_words, axis=0), rtol=2e-4)


def test_the_words_of_all_clauses_are_the_words_of_the_sentence_each_once(bench):
    context, _, tokenizers, _ = bench
    study = context.prepared.study
    for record in context.prepared.records[:20]:
        parts = clauses(study, record.fields, visual_only=True)
        said = sentence(study, record.fields, visual_only=True)
        tokens = tokenize(tokenizers.text, [said], context.config.text.max_length)
        words = clause_words(tokenizers.text, parts, tokens.ids.shape[1])
        np.testing.assert_array_equal(sum(w.astype(int) for w in words.values()), tokens.words[0])
        for name, chosen in words.items():
            assert tokenizers.text.decode(tokens.ids[0][chosen]).strip() == parts[name]


def test_words_that_were_cut_off_are_no_ones(bench):
    _, _, tokenizers, _ = bench
    parts = {"a": "The infiltrate lies in the central cornea.", "b": "There is a hypopyon."}
    words = clause_words(tokenizers.text, parts, 6)
    assert words["a"].tolist() == [False, True, True, True, True, False] and not words["b"].any()


def test_without_alignment_the_encoder_and_heads_are_those_that_alignment_begins_with(study, tokenizers, tmp_path):
    context = study.context(tmp_path, **ONE_LAYER, align__epochs=0.0, knowledge__epochs=0.1)
    _, aligned = aligned_encoders(context, study.fold(context), tokenizers)
    assert same_bits(aligned.image_encoder, context.image_encoder.variables)
    assert aligned.heads["image"]["output"]["kernel"].shape[1] == context.config.align.projection_width


def test_exchanged_words_look_at_the_photograph_of_another_subject(bench):
    context, fold, tokenizers, own = bench
    records = context.prepared.records
    swapped = attention_maps(context, fold, tokenizers, exchanged=True)
    assert [(a.record, a.attribute, a.clause) for a in swapped] == [(a.record, a.attribute, a.clause) for a in own]
    assert max(np.abs(a.attention - b.attention).max() for a, b in zip(own, swapped, strict=True)) > 1e-4
    spoken = sorted({look.record for look in own})
    for position, other in zip(spoken, others(records, spoken), strict=True):
        assert records[other].image_type == records[position].image_type and records[other].subject != records[position].subject
    # A copy of the study in which every photograph is that of its partner gives the very same attention without exchange.
    partner = dict(zip(spoken, others(records, spoken), strict=True))
    images = {p: context.prepared.image(partner.get(p, p)) for p in range(len(records))}
    lent = replace(context, prepared=replace(context.prepared, _decoded=images))
    for a, b in zip(swapped, attention_maps(lent, fold, tokenizers), strict=True):
        np.testing.assert_allclose(a.attention, b.attention, atol=1e-6)


def test_of_one_subject_alone_there_is_no_other(bench):
    records = [replace(record, subject="one") for record in bench[0].prepared.records[:3]]
    assert others(records, [0, 1, 2]) == [0, 1, 2]


def test_a_look_meets_the_mask_of_the_sign_that_its_words_speak_of(bench):
    context, _, _, found = bench
    records, folder = context.prepared.records, context.study_folder
    matches = match_masks(found, records, folder)
    expected = [
        look
        for look in found
        if (folder / "masks" / Path(records[look.record].image).stem / f"{MASK_OF[look.attribute]}.png").exists()
    ]
    assert [m.map for m in matches] == expected and matches
    first = matches[0]
    mask = np.asarray(Image.open(folder / "masks" / Path(records[first.map.record].image).stem / f"{first.sign}.png")) > 0
    side = round(len(first.map.attention) ** 0.5)
    rows, columns = np.nonzero(mask)
    patches = set((rows * side // mask.shape[0] * side + columns * side // mask.shape[1]).tolist())
    assert set(np.flatnonzero(first.figures.touched).tolist()) == patches


def test_the_summary_is_of_pairs_and_counts_what_it_is_of():
    def match(record, hit, precision):
        figures = Pointing(hit, precision, 0.25, 0.1, touched=np.eye(4, dtype=bool)[0], cover=np.eye(4)[0])
        return MaskMatch(AttentionMap(record, "hypopyon", "", np.ones(4) / 4), f"unit {record}", "hypopyon", figures)

    ours = [match(0, 1.0, 0.6), match(1, 1.0, 0.4), match(2, 0.0, 0.2)]
    theirs = [match(0, 0.0, 0.3), match(1, 1.0, 0.4), match(2, 0.0, 0.1)]
    found = summary({"prima": ours, "other": theirs}, "prima")
    assert found["prima"]["all"]["looks"] == found["prima"]["all"]["subjects"] == 3
    assert found["other"]["hypopyon"]["hit"]["estimate"] == pytest.approx(1 / 3)
    assert found["other"]["all"]["below_reference"]["hit"]["estimate"] == pytest.approx(1 / 3)
    assert found["other"]["all"]["below_reference"]["average_precision"]["estimate"] == pytest.approx(0.4 / 3)
    json.dumps(found, allow_nan=False)
    with pytest.raises(AssertionError):
        summary({"prima": ours, "other": theirs[:2]}, "prima")
