"""Which rows a table has, and what of the config is different for each."""

import pytest

from configs import aqua, pad_ufes_20
from prima_jax.errors import UserError
from prima_jax.experiment import run as run_module
from prima_jax.experiment.rows import TABLES, row_config, row_title, table_rows
from prima_jax.main import parse
from prima_jax.methods.registry import METHODS
from prima_jax.recipe.check import check
from prima_jax.report.published import PUBLISHED
from prima_jax.stages.places import stage_key
from tests.stages.tiny import tiny_config


def config(table: int = 3, file=pad_ufes_20, size: str = "small"):
    return file.get_config(f"table{table},{size}")


def row(name: str, table: int = 3):
    return next(row for row in TABLES[table] if row.name == name)


@pytest.mark.parametrize("table", TABLES)
def test_every_row_has_a_method_and_a_name_of_its_own(table):
    names = [row.name for row in TABLES[table]]
    assert len(set(names)) == len(names)
    assert {row.method for row in TABLES[table]} <= set(METHODS)


@pytest.mark.parametrize(("table", "study"), [(1, "pad_ufes_20"), (2, "aqua")])
def test_every_published_row_stands_beside_one_of_ours(table, study):
    ours = [row.published for row in TABLES[table] if row.published]
    assert sorted(ours) == sorted(row.method for row in PUBLISHED[study].rows)


def test_table_3_has_nine_rows_of_the_paper_and_four_more():
    names = [row.name for row in table_rows(config(file=aqua, size="demo"))]
    assert len(names) == 13
    # The recipe has both equations as printed: these rows are the other choices.
    assert {"labels_longer", "without_refinement", "symmetric_local", "batch_soft"} < set(names)
    assert not {"printed_local", "printed_soft"} & set(names)


def test_without_a_corpus_no_row_speaks_of_knowledge():
    names = [row.name for row in table_rows(config())]
    assert len(names) == 11 and not {"without_knowledge", "knowledge_alone"} & set(names)
    assert "printed_soft" in names and "batch_soft" not in names  # the small recipe for PAD has chosen otherwise


def test_a_row_changes_what_it_says_and_nothing_else():
    before, after = config(), row_config(config(), row("image_global"), 7)
    assert after.seed == 7 and after.align.weights == (0.2, 0.3, 0.0, 0.0) and after.knowledge.corpus == ""
    with after.unlocked():
        after.update({"seed": before.seed})
        after.align.weights, after.knowledge.corpus = before.align.weights, before.knowledge.corpus
    assert after.to_json_best_effort() == before.to_json_best_effort()


def test_what_the_command_line_changes_of_prima_changes_for_the_rows_that_train_as_it_does():
    flags = {
        "refine.class_weights": "none",
        "refine.batch_size": 8,
        "image_only.epochs": 11.0,
        "diagnose.epochs": 3.0,
        "diagnose.class_weights": "none",
        "align.learning_rate": 0.5,
        "baselines.metablock.epochs": 2.0,
    }
    given = [f"--config.{name}={value}" for name, value in flags.items()]
    changed = parse(["--config=configs/pad_ufes_20.py:table1,small", "--workdir=unused", *given])[0]
    rows = changed.baselines
    assert {section.class_weights for section in (changed.image_only, *rows.values())} == {"none"}
    for section in (changed.image_only, rows.metadata_mlp, rows.medklip):
        assert (section.epochs, section.batch_size) == (11.0, 8)
    assert (rows.metablock.epochs, rows.metablock.batch_size) == (2.0, 8)  # what is said of a row itself holds
    assert [rows[name].epochs for name in ("text_llm", "medblip", "mlrg")] == [3.0, 3.0, 3.0]
    assert rows.mlrg.align.learning_rate == 0.5
    assert (changed.refine.epochs, changed.refine.batch_size) == (20.0, 8)


def test_with_weights_the_classes_weigh_the_same_in_every_row():
    given = ["--config.refine.class_weights=balanced", "--config.diagnose.class_weights=balanced"]
    changed = parse(["--config=configs/aqua.py:table2", "--workdir=unused", *given])[0]
    assert {section.class_weights for section in (changed.image_only, *changed.baselines.values())} == {"balanced"}
    assert changed.baselines.mlrg.epochs == 50.0  # the original's


def test_refinement_alone_takes_as_many_steps_as_the_image_encoder_without_the_rest_of_prima():
    before = config(file=aqua, size="demo")
    after = row_config(before, row("labels_longer"), 0)
    assert after.refine.epochs == before.image_only.epochs > before.refine.epochs
    assert after.refine.batch_size == before.image_only.batch_size and not after.align.epochs


def test_rows_are_chosen_by_name_in_the_order_of_the_table():
    chosen = config()
    chosen.table.rows = ("prima", "image_loss")
    assert [row.name for row in table_rows(chosen)] == ["image_loss", "prima"]


def test_an_unknown_row_is_told_with_those_that_are_known():
    chosen = config()
    chosen.table.rows = ("prima", "magic")
    with pytest.raises(UserError, match=r"no row magic.*without_refinement"):
        table_rows(chosen)


@pytest.mark.parametrize("preset", ["table6", "table2", "table1,tiny", "small,large"])
def test_an_unknown_preset_is_refused(preset):
    with pytest.raises(ValueError, match="no preset"):
        pad_ufes_20.get_config(preset)


@pytest.mark.parametrize(
    ("field", "value"), [("number", 6), ("processes", 0), ("seeds", ()), ("seeds", (1, 1)), ("seeds", (-1,)), ("seeds", ("a",))]
)
def test_what_no_table_can_be_made_of_is_told(field, value):
    wrong = config()
    with wrong.unlocked(), wrong.ignore_type():
        wrong.table[field] = value
    with pytest.raises(UserError, match=f"--config.table.{field}"):
        check(wrong)


def test_a_wrong_subgroup_is_told_before_any_row_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "run_jobs", lambda *_, **__: pytest.fail("a row was computed"))
    with pytest.raises(UserError, match=r"table\.subgroups names 'shoe_size'"):
        run_module.run(tiny_config(table__subgroups=("shoe_size",)), tmp_path / "run")


def test_table_4_exchanges_what_there_is_to_exchange():
    names = [row.name for row in table_rows(pad_ufes_20.get_config("table4,light"))]
    assert names[0] == "prima" and {"random_llm", "perceptron", "one_hot", "frozen_image_random_text", "focal"} < set(names)
    assert "balanced" not in names  # which is what the preset has
    without = config(4, aqua, "demo")
    without_weights = [row.name for row in table_rows(without)]
    assert not [row for row in table_rows(without) if "published" in row_title(row, without)]
    assert "random_llm" not in without_weights  # it is random as it is
    assert "balanced" in without_weights and "unweighted" not in without_weights


def test_table_5_has_the_encoders_of_table_3():
    light = pad_ufes_20.get_config("table5,light")
    aligned = {row.name: row for row in table_rows(light)}
    for name in ("prima", "image_loss", "local_direct", "label_vectors"):
        ours = stage_key(row_config(light, row(name), 0), "align")
        assert {stage_key(row_config(light, aligned[f"{name}_{kind}"], 0), "align") for kind in ("tokens", "metadata")} == {ours}
    assert not {"labels_alone_tokens", "without_refinement_tokens"} & set(aligned)
