"""What a preset changes of the recipe, and nothing else."""

import functools

import pytest

from configs import aqua
from prima_jax.studies.study_config import study_from_config
from prima_jax.workdir import different_fields

TPMKA = {
    "align.batch_size": 32,
    "align.image.anchors": "both",
    "align.temperature": 0.1,
    "image.size": 256,
    "image.augmentation.brightness": 0.6,
    "image.augmentation.contrast": 0.6,
    "image.augmentation.rotation": 30.0,
    "image.augmentation.saturation": 0.6,
    "image.augmentation.scale": (0.8, 1.0),
    "image.augmentation.vertical_flip": True,
}


def test_tpmka_changes_what_it_decides_and_makes_the_patient_the_unit():
    recipe, changed = aqua.get_config(), aqua.get_config("tpmka")
    assert different_fields(recipe, changed) == sorted([*TPMKA, "study.definition.unit_columns"])
    for name, expected in TPMKA.items():
        assert functools.reduce(getattr, name.split("."), changed) == expected, name
    assert changed.image.augmentation.horizontal_flip
    assert study_from_config(changed.study.definition).unit_columns == ("subject",)
    assert study_from_config(recipe.study.definition).unit_columns == ("subject", "eye")


def test_a_table_can_have_it_and_the_demo_cannot():
    found = aqua.get_config("table2,tpmka")
    assert found.table.number == 2 and found.align.temperature == 0.1 and "baselines" in found
    with pytest.raises(ValueError, match="no preset"):
        aqua.get_config("demo,tpmka")
