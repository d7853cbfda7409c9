import pytest
from ml_collections import ConfigDict

from configs.aqua_study import get_study
from prima_jax.data.text import sentence
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
    assert study.unit_columns == ("id",) and study.manifest == "manifest.csv" and study.image_types == {}
    assert study.attributes[0].column == "age" and study.attributes[0].bins == (40.0, 60.0)


def test_aqua_is_the_same_from_a_config_dict_and_keeps_its_orders():
    study = study_from_config(get_study())
    assert study_from_config(ConfigDict(get_study())) == study
    assert study.class_names == ("bacterial", "fungal")
    # A ConfigDict sorts its keys; the illuminations must not come out as blue, scatter, white.
    assert list(study.image_types) == ["white", "blue", "scatter"]
    assert study.unit_columns == ("subject", "eye")


def test_the_former_keys_of_image_types_are_still_read():
    former = {"image_types": "views", "image_type_column": "view_column"}
    assert study_from_config({former.get(key, key): value for key, value in get_study().items()}) == study_from_config(
        get_study()
    )


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
        (attribute(sentence="In the band {band}."), "placeholder {band}; it may hold only {value}"),
        (attribute(sentence="Aged {value."), r"study.attributes\[age\].sentence is no template"),
        # The value is handed over as words, so that these would fail at the first sentence.
        (attribute(sentence="Aged {value:.0f}.", bins=[40]), r"{value:.0f}; it may hold only {value} and {band}\."),
        (attribute(sentence="Aged {value!r}."), r"placeholder {value!r}; it may hold only {value}"),
        # The sentence of a yes_no is written as it stands.
        (attribute(kind="yes_no", sentence="It is {value}."), r"sentence holds .*{value}; it may hold none at all"),
        (
            attribute(kind="yes_no", sentence="Old.", negative="Not {value}."),
            r"negative holds .*{value}; it may hold none at all",
        ),
        (attribute(bins=[60, 40]), "bins should be a tuple of numbers that rise, not .60, 40"),
        (attribute(bins=("a",)), r"bins should be a tuple of numbers that rise, not \('a',\)"),
        (attribute(kind="category", bins=[40]), r"study.attributes\[age\].bins is only for the kind number, not for category"),
        (attribute(kind="yes_no", sentence="Old.", bins=[40]), "bins is only for the kind number, not for yes_no"),
        (attribute(negative="Ageless."), "negative is only for the kind yes_no, not for number"),
        (attribute(values={"1": "one"}), "values is only for the kind category, not for number"),
        (config(attributes=("age",)), r"study.attributes\[0\] should be a mapping with the keys of Attribute, not 'age'"),
        (config(attributes=5), "study.attributes should be a tuple of mappings, not 5"),
        (config(image_type_column="light"), "study.image_type_column is given without study.image_types"),
        (config(label_column=""), "study has neither of label_column and label_columns"),
        (config(label_columns=(("y", "y"), ("n", "n"))), "study has both of label_column and label_columns"),
        (config(label_column="", label_columns=(("y", "y"),)), "label_columns should name each class of study.classes .* y, n"),
        (config(join="other.csv"), "study.join should be a mapping with the keys of Join"),
        (config(join={"manifest": "other.csv"}), r"study.join lacks the key\(s\) key"),
        (config(sides=("left", "right")), "study.sides should be a mapping or pairs"),
        (config(sides=(("left", {"d": "l"}),)), r"study.sides\[left\] has no file, which is study.image_column"),
        (config(sides=(("l", {"file": "l"}), ("r", {"file": "r", "d": "r"}))), r"study.sides\[l\] lacks a column"),
        (config(sides=(("l", {"file": "l", "d": "age"}),)), "reads age, which is study.label_column"),
        (config(delimiter=":"), "study.delimiter should be one of '', ',', ';'"),
        (config(decimal="'"), "study.decimal should be one of '.', ','"),
        (config(window=(40,)), r"study.window should be the two levels \(low, high\), not \(40.0,\)"),
        (config(window=(255, 0)), "study.window should be a tuple of numbers that rise"),
        (config(encoding="excel"), r"study.encoding is no encoding that Python knows \('excel'\)"),
        (config(encoding="base64"), "study.encoding is no encoding"),
        (config(yes=("ja",), no=("Ja", "nein")), "study.yes and study.no both have ja"),
        (config(yes=("0",)), "study.yes and study.no both have 0"),
        (config(image_types={"w": "white"}), "study.image_types is given without study.image_type_column"),
    ],
)
def test_a_wrong_config_is_told_in_one_sentence(wrong, told):
    with pytest.raises(UserError, match=told) as error:
        study_from_config(wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("column", "key"), [("d", "label_column"), ("file", "image_column")])
def test_an_attribute_that_gives_the_diagnosis_away_is_refused_unless_it_is_hidden(column, key):
    with pytest.raises(UserError, match=rf"attributes\[age\] reads {column}, which is study.{key} and would give the diagnosis"):
        study_from_config(attribute(column=column))
    assert study_from_config(attribute(column=column, shown=False)).shown() == ()


def test_a_template_that_is_accepted_can_be_filled():
    study = study_from_config(attribute(sentence="Aged {value}, in the band {band}.", bins=[40]))
    assert sentence(study, {"age": 35.0}) == "Aged 35, in the band below 40."
