import pytest
from ml_collections import ConfigDict

from configs.aqua_study import get_study
from prima_jax.errors import UserError
from prima_jax.studies.study_config import study_from_config


def config(**changes):
    attributes = ({"name": "age", "kind": "number", "sentence": "Aged {value}.", "bins": [40, 60]},)
    plain = {
        "name": "own",
        "title": "Own",
        "classes": {"y": "ill", "n": "well"},
        "label_column": "d",
        "image_column": "file",
        "subject_columns": ["id"],
        "unit_columns": ["id"],
        "attributes": attributes,
    }
    return {**plain, **changes}


def attribute(**changes):
    return config(attributes=({"name": "age", "kind": "number", "sentence": "Aged {value}.", **changes},))


def test_the_smallest_config_makes_a_study():
    study = study_from_config(config())
    assert study.class_names == ("y", "n")
    assert study.unit_columns == ("id",) and study.manifest == "manifest.csv" and study.views == {}
    assert study.attributes[0].column == "age" and study.attributes[0].bins == (40.0, 60.0)


def test_aqua_is_the_same_from_a_config_dict_and_keeps_its_orders():
    study = study_from_config(get_study())
    assert study_from_config(ConfigDict(get_study())) == study
    assert study.class_names == ("bacterial", "fungal")
    # A ConfigDict sorts its keys; the illuminations must not come out as blue, scatter, white.
    assert list(study.views) == ["white", "blue", "scatter"]
    assert study.unit_columns == ("subject", "eye")


def test_some_signs_of_aqua_are_visual_and_no_history_is():
    study = study_from_config(get_study())
    visual = {a.name for a in study.shown(visual_only=True)}
    assert {"hypopyon", "infiltrate_size_mm"} <= visual
    assert visual.isdisjoint({"contact_lens", "trauma", "age", "sex", "diabetes"})


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (config(colour=1), "study has no key colour; known are name, title, classes"),
        ({k: v for k, v in config().items() if k != "classes"}, "study lacks the key.* classes"),
        (config(classes={"y": "ill"}), "two classes or more, not 1"),
        (config(classes=("y", "n")), "study.classes should be a mapping or pairs"),
        (config(unit_columns="id"), "unit_columns should be a tuple of texts"),
        (config(attributes=config()["attributes"] * 2), "names age twice"),
        (attribute(kin="number"), r"study.attributes\[age\] has no key kin; known are name, column, kind"),
        (attribute(kind="integer"), "kind should be one of category, number, yes_no, not 'integer'"),
        (attribute(sentence="In the band {band}."), "placeholder.* band; known are {value}"),
        (attribute(sentence="Aged {value."), r"study.attributes\[age\].sentence is no template"),
        (attribute(bins=[60, 40]), "bins should rise"),
    ],
)
def test_a_wrong_config_is_told_in_one_sentence(wrong, told):
    with pytest.raises(UserError, match=told):
        study_from_config(wrong)
