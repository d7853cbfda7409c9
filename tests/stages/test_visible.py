"""Alignment needs something that a photograph can show."""

from dataclasses import replace

import pytest

from configs import aqua, my_cohort, pad_ufes_20
from prima_jax import experiment
from prima_jax.errors import UserError
from tests.stages.tiny import ONE_LAYER


@pytest.mark.parametrize("file", [aqua, my_cohort, pad_ufes_20])
def test_every_study_of_ours_has_a_visible_attribute(file):
    config = file.get_config()
    assert experiment.load_study(config).shown(visual_only=True)
    if file is pad_ufes_20:
        config.study.hide = "form"
        assert experiment.load_study(config).shown(visual_only=True)


def test_a_study_without_one_is_refused_where_photographs_would_be_aligned_with_nothing(study, tmp_path):
    context = study.context(tmp_path, **ONE_LAYER)
    folds = experiment.make_folds(context, study.reading)
    experiment.check_late_stages(context, folds)

    attributes = tuple(replace(attribute, visual=False) for attribute in study.prepared.study.attributes)
    prepared = replace(study.prepared, study=replace(study.prepared.study, attributes=attributes))
    blind = replace(context, prepared=prepared)
    with pytest.raises(UserError, match=r"study aqua has no attribute marked visual, .* set --config\.align\.epochs=0\.$"):
        experiment.check_late_stages(blind, folds)
    context.config.align.weights = (0.2, 0.0, 0.0, 0.0)
    experiment.check_late_stages(blind, folds)  # photographs with photographs
    context.config.align.update({"weights": (0.2, 0.3, 0.2, 0.3), "epochs": 0.0})
    experiment.check_late_stages(blind, folds)
