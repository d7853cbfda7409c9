"""Alignment needs something that a photograph can show."""

import re
from dataclasses import replace

import pytest

from configs import aqua, my_cohort, pad_ufes_20
from prima_jax.errors import UserError
from prima_jax.experiment import opening
from prima_jax.stages import pipeline
from prima_jax.studies.study_config import load_study
from tests.stages.tiny import ONE_LAYER


def test_sentences_that_would_lose_their_end_are_refused_and_how_long_they_are_is_said(study, tokenizers, tmp_path):
    with pytest.raises(UserError, match=r"sentences of the metadata are longer than text\.max_length = 96 ") as told:
        pipeline.check_sentences(study.context(tmp_path, **ONE_LAYER), tokenizers)
    enough = int(re.search(r"--config\.text\.max_length=(\d+)", str(told.value))[1])
    pipeline.check_sentences(study.context(tmp_path, text__max_length=enough, **ONE_LAYER), tokenizers)
    with pytest.raises(UserError, match=r"^\d+ of \d+ sentences"):
        pipeline.check_sentences(study.context(tmp_path, text__max_length=enough - 1, **ONE_LAYER), tokenizers)


def test_the_corpus_counts_for_those_who_read_it(study, tmp_path):
    context = study.context(tmp_path, **ONE_LAYER, knowledge__batch_size=100)  # 20 sentences, and more lines of the corpus
    folds = opening.make_folds(context, study.reading)
    opening.check_late_stages(context, folds)
    with pytest.raises(UserError, match=r"knowledge\.batch_size is 100, more than the \d+ examples"):
        opening.check_late_stages(context, folds, reads_corpus=False)


@pytest.mark.parametrize("file", [aqua, my_cohort, pad_ufes_20])
def test_every_study_of_ours_has_a_visible_attribute(file):
    config = file.get_config()
    assert load_study(config).shown(visual_only=True)
    if file is pad_ufes_20:
        config.study.hide = "form"
        assert load_study(config).shown(visual_only=True)


def test_a_study_without_one_is_refused_where_photographs_would_be_aligned_with_nothing(study, tmp_path):
    context = study.context(tmp_path, **ONE_LAYER)
    folds = opening.make_folds(context, study.reading)
    opening.check_late_stages(context, folds)

    attributes = tuple(replace(attribute, visual=False) for attribute in study.prepared.study.attributes)
    prepared = replace(study.prepared, study=replace(study.prepared.study, attributes=attributes))
    blind = replace(context, prepared=prepared)
    with pytest.raises(UserError, match=r"study aqua has no attribute marked visual, .* set --config\.align\.epochs=0\.$"):
        opening.check_late_stages(blind, folds)
    context.config.align.weights = (0.2, 0.0, 0.0, 0.0)
    opening.check_late_stages(blind, folds)  # photographs with photographs
    context.config.align.update({"weights": (0.2, 0.3, 0.2, 0.3), "epochs": 0.0})
    opening.check_late_stages(blind, folds)
