"""What a preset changes of the recipe, and nothing else."""

import functools

import pytest

from configs import aqua, my_cohort, pad_ufes_20
from configs.light import ROWS
from prima_jax.download_weights import CHECKPOINTS
from prima_jax.experiment.rows import TABLES
from prima_jax.studies.study_config import study_from_config
from prima_jax.workdir import different_fields

LIGHT = ("dinov2-small", "all-MiniLM-L6-v2", "SmolLM2-135M-Instruct")
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


@pytest.mark.parametrize(("recipe", "number"), [(pad_ufes_20, 1), (my_cohort, 1), (aqua, 2)])
def test_light_is_the_same_recipe_on_small_encoders_for_every_cohort(recipe, number):
    """Alone it runs some rows, with a table all of them; what PRIMA's stages train is the same in both."""
    alone, all_rows = recipe.get_config("light"), recipe.get_config(f"table{number},light")
    assert different_fields(alone, all_rows) == []
    assert alone.table.number == number and alone.table.rows == ROWS and "prima" in ROWS
    assert {row.name for row in TABLES[number]} >= set(ROWS)
    assert {alone.models[name].weights for name in ("image", "text", "llm")} == {f"weights/{name}" for name in LIGHT}
    assert set(LIGHT) <= set(CHECKPOINTS)
    assert alone.align.rank == recipe.get_config().align.rank == 32 and alone.image.blocks == 4
    assert alone.baselines.metadata_mlp.epochs == alone.image_only.epochs  # rows beside it train as long
