"""MLRG: it uses the other views, passes a lone one unchanged, never sees a held-out diagnosis, and can fit."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from prima_jax.data.text import sentence, tokenize
from prima_jax.experiment.opening import split_cases
from prima_jax.methods import mlrg, mlrg_align
from prima_jax.methods.mlrg_align import Views
from prima_jax.methods.networks.view_fusion import IndicationReader, ViewEncoder, ViewFusion
from prima_jax.stages.text_features import TextTokens
from tests.methods.benches import make_bench, training_accuracy
from tests.methods.tiny_llm import CLASS_IDS, WIDTH, tiny_llm
from tests.stages.tiny import ONE_LAYER

UNITS = [[0, 1], [2], [3, 4, 5, 6]]
"""Positions of the photographs of a pair, a single, and a unit of four, of which three are shown at a time."""
RECORDS, STORED, TOKENS, DEPTH, WORDS = 7, 2, 5, 12, 4
ENCODER, READER = ViewEncoder(width=16, layers=1, heads=2, kinds=2), IndicationReader(heads=2, llm_width=WIDTH)


@pytest.fixture(scope="module")
def views():
    images = np.random.default_rng(0).normal(size=(RECORDS, STORED, TOKENS, DEPTH)).astype(np.float32)
    together = [unit for unit in UNITS for _ in unit]
    return Views(images, np.array([0, 1, 0, 0, 1, 0, 1], np.int32), together, 3)


@pytest.fixture(scope="module")
def texts():
    """Each photograph has a sentence of its own, of one to four words."""
    r = np.random.default_rng(1)
    tokens = r.normal(size=(RECORDS + 1, 1 + WORDS, DEPTH)).astype(np.float32)
    words = np.arange(WORDS) < r.integers(1, WORDS + 1, size=(RECORDS + 1, 1))
    tokens[-1], words[-1] = 0, False
    return TextTokens(tokens, words, np.arange(RECORDS)[:, None])


@pytest.fixture(scope="module")
def model(views, texts):
    batch = mlrg.read_anchors(views, texts, [(0, 0, 0)])
    arrays = mlrg_align.encoder_arrays(batch)
    encoder = jax.jit(ENCODER.init)(jax.random.key(0), *arrays)["params"]
    own, fused, text = ENCODER.apply({"params": encoder}, *arrays, 1)
    reader = READER.init(jax.random.key(1), own[:, 0], fused[:, 0], text, np.ones(text.shape[:2], bool))["params"]
    return {"encoder": encoder, "reader": reader, "llm": tiny_llm()[1], "class_ids": CLASS_IDS, "question": np.array([5, 9])}


@jax.jit
def compiled(model, batch):
    return mlrg.answer(tiny_llm()[0], ENCODER, READER, model, batch)


def answers(model, views, texts, change=lambda batch: batch):
    """The logits of every photograph as an anchor: [R, C]."""
    batch = change(mlrg.read_anchors(views, texts, [(p, p, p) for p in range(RECORDS)]))
    return np.asarray(compiled(model, batch))


def test_replacing_or_removing_the_second_view_changes_the_answer_of_its_unit_alone(model, views, texts):
    expected = answers(model, views, texts)
    images = views.images.copy()
    images[1] = np.random.default_rng(5).normal(size=images[1].shape)
    replaced = np.abs(answers(model, views._replace(images=images), texts) - expected).max(axis=1)
    assert (replaced[:2] > 1e-4).all() and (replaced[2:] == 0).all()
    together = [[0], [1], *views.together[2:]]
    removed = np.abs(answers(model, views._replace(together=together), texts) - expected).max(axis=1)
    assert (removed[:2] > 1e-4).all() and (removed[2:] == 0).all()


def test_a_lone_view_passes_the_fusion_unchanged_bit_for_bit():
    tokens = np.random.default_rng(0).normal(size=(3, 3, TOKENS, 16)).astype(np.float32)
    present = np.array([[True, False, False], [True, True, False], [False, True, False]])
    fusion = ViewFusion(layers=2, heads=2)
    variables = fusion.init(jax.random.key(0), tokens, present)
    fused = np.asarray(jax.jit(fusion.apply)(variables, tokens, present))
    assert fused[0, 0].tobytes() == tokens[0, 0].tobytes() and fused[2, 1].tobytes() == tokens[2, 1].tobytes()
    assert (np.abs(fused[1, :2] - tokens[1, :2]).max(axis=(1, 2)) > 0.01).all()
    # What is not there is not read, whatever stands in its place; the first alone are the first of all.
    noise = np.where(present[..., None, None], tokens, 50.0)
    np.testing.assert_array_equal(np.asarray(jax.jit(fusion.apply)(variables, noise, present))[present], fused[present])
    np.testing.assert_allclose(fusion.apply(variables, tokens, present, 1), fused[:, :1], atol=1e-6)


def test_padding_of_the_indication_does_not_matter_and_its_words_do(model, views, texts):
    expected = answers(model, views, texts)

    def longer(batch):
        noise = np.full((RECORDS, 3, DEPTH), 9.0, np.float32)
        mask = np.pad(batch["text_mask"], ((0, 0), (0, 3)))
        return {**batch, "text_tokens": np.concatenate([batch["text_tokens"], noise], axis=1), "text_mask": mask}

    np.testing.assert_allclose(answers(model, views, texts, longer), expected, atol=2e-6)
    other = replace(texts, tokens=texts.tokens[::-1])
    assert (np.abs(answers(model, views, other) - expected).max(axis=1) > 1e-4).all()


def test_a_batch_of_units_holds_every_view_of_a_pair(views, texts):
    reports = replace(texts, index=np.arange(RECORDS))
    for draw in range(20):
        batch = mlrg_align.read_units(views, reports, [1, 2, 5], np.array([draw, draw + 1, draw + 2]))
        assert batch["present"].tolist() == [[True, True, False], [True, False, False], [True, True, True]]
        assert batch["photographs"][0].tolist() == [1, 0, -1]
        assert batch["photographs"][2, 0] == 5 and len(set(batch["photographs"][2])) == 3
        assert set(batch["photographs"][2]) <= {3, 4, 5, 6}
        shown = views.images[batch["photographs"][batch["present"]]]
        assert all(
            any((a == b).all() for b in stored) for a, stored in zip(batch["tokens"][batch["present"]], shown, strict=True)
        )
        np.testing.assert_array_equal(batch["kinds"][0], [1, 0, 0])
    whole = mlrg_align.read_units(views, reports, [5])  # its kinds are 0, 1, 0, 1: the first others are one of each
    assert whole["photographs"].tolist() == [[5, 4, 3]]
    np.testing.assert_array_equal(whole["tokens"][0], views.images[[5, 4, 3], 0])


def test_with_more_photographs_than_are_shown_each_kind_comes_once_first(views, texts):
    many = views._replace(kinds=np.array([0, 1, 0, 0, 0, 2, 1], np.int32), together=[list(range(RECORDS))] * RECORDS)
    found = mlrg_align.read_views(many, [0, 1, 5])["photographs"]
    assert found.tolist() == [[0, 1, 5], [1, 0, 5], [5, 0, 1]]
    alike = views._replace(kinds=np.zeros(RECORDS, np.int32), together=[list(range(RECORDS))] * RECORDS)
    assert mlrg_align.read_views(alike, [2])["photographs"].tolist() == [[2, 0, 1]]


def test_a_photograph_without_a_report_is_not_there_in_stage_1(views, texts):
    reports = replace(texts, index=np.arange(RECORDS)).only(np.array([0, 2]))
    batch = mlrg_align.read_units(views, reports, [0, 2, 4])
    assert batch["present"].tolist() == [[True, False, False], [True, False, False], [False, False, False]]


@pytest.mark.parametrize("case", ["record", "unit"])
def test_no_report_is_written_for_what_is_held_out(study, tmp_path, case):
    context = study.context(tmp_path, diagnose__case=case, **ONE_LAYER)
    fold = study.fold(context)
    train, _ = split_cases(context, fold)
    reports, records = mlrg_align.report_sentences(context, train), context.prepared.records
    assert {p for p, report in enumerate(reports) if report} == set(fold.train.tolist())
    words = list(context.prepared.study.classes.values())
    for p in fold.train:
        assert reports[p].startswith(f"The diagnosis is {words[records[p].label]}.")
        assert words[1 - records[p].label] not in reports[p]


def test_a_report_keeps_its_diagnosis_and_all_that_a_sentence_may_say(study, tmp_path, monkeypatch):
    """With a tokenizer that spells the diagnosis letter by letter, and sentences as long as they may be."""
    bench, train, _ = make_bench(study, tmp_path, **ONE_LAYER)
    reports, asked = mlrg_align.report_sentences(bench.context, train), []
    tokenizer = bench.tokenizers.text
    longest = max(len(tokenizer(sentence(study.prepared.study, r.fields))["input_ids"]) for r in study.prepared.records)
    with bench.context.config.unlocked():
        bench.context.config.text.max_length = longest
    monkeypatch.setattr(mlrg_align.text_features, "tokenize", lambda *given: asked.append(tokenize(*given)) or asked[-1])
    mlrg_align.fit(bench, train, mlrg_align.unit_views(bench))
    of_reports = next(tokens for tokens in asked if len(tokens.ids) == len(set(reports)))
    assert of_reports.truncated == 0 and of_reports.mask.sum(axis=1).max() > longest


@pytest.mark.slow
@pytest.mark.parametrize("case", ["record", "unit"])
def test_it_fits_its_training_cases(study, tmp_path, case):
    """32 records, or the units of the fold."""
    options = {"layers": 1, "width": 32, "heads": 2, "learning_rate": 3e-3, "epochs": 40.0}
    own = {f"baselines__mlrg__{name}": value for name, value in options.items()}
    bench, train, _ = make_bench(study, tmp_path, **ONE_LAYER, diagnose__case=case, diagnose__rank=8, **own)
    assert training_accuracy(bench, mlrg.METHOD, train[:32]) == 1.0
    if case == "unit":
        model, shown, sentences = mlrg.METHOD.fit(bench, train[:32])  # read back
        alone = shown._replace(together=[[position] for position in range(len(shown.together))])
        expected, found = (mlrg.METHOD.predict(bench, (model, v, sentences), train[:32]) for v in (shown, alone))
        assert np.abs(found - expected).max() > 0.01  # trained, it still reads the other views
