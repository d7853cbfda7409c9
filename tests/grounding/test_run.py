"""The command: what it writes, what it says of a study without masks, and that it shares its stages with Table 3."""

import json

import numpy as np
import pytest

from configs.tables import with_table
from prima_jax.grounding import pages
from prima_jax.grounding import run as grounding
from prima_jax.grounding.__main__ import ground, main
from prima_jax.grounding.run import VARIANTS
from tests.stages.tiny import ONE_LAYER, tiny_config


def figures(value=0.5):
    interval = {"estimate": value, "low": value - 0.1, "high": value + 0.1}
    row = {"looks": 1200, "subjects": 700, "hit": interval, "average_precision": interval, "chance_hit": interval}
    row["elsewhere"] = interval
    return {**row, "chance_precision": interval, "below_reference": {"hit": interval, "average_precision": interval}}


def results(**changes):
    common = {"title": "A study", "synthetic": True, "seed": 0, "folds": 5, "reference": "prima"}
    return {**common, "variants": {"prima": "PRIMA"}, "figures": {"prima": {"all": figures()}}, **changes}


def test_figures_of_a_drawn_study_say_so_and_pictures_of_patients_have_no_figures():
    assert "SYNTHETIC" in pages.markdown(results()) and "50.0 (40.0 to 60.0)" in pages.markdown(results())
    told = pages.markdown(results(synthetic=False, figures={}))
    assert "SYNTHETIC" not in told and "no figures" in told and "|" not in told


def test_a_control_and_untrained_weights_are_told():
    told = pages.markdown(results(shuffled="images", random_weights=True, hidden_block="form"))
    assert all(word in told for word in ("CONTROL: every unit was given the images", "RANDOM WEIGHTS", "HIDDEN"))
    assert "RANDOM WEIGHTS" in pages.html(results(random_weights=True), [])


def test_the_page_escapes_what_comes_from_a_study():
    page = pages.html(results(title="<script>"), ["<b>"])
    assert "<script>" not in page and "<b>" not in page


def test_help_and_a_missing_flag_name_this_command_with_a_recipe_that_it_takes(capsys):
    with pytest.raises(SystemExit):
        main(["grounding", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith("usage: prima grounding ")
    example = "prima grounding --config=configs/aqua.py:table3,demo --workdir=runs/tables"
    assert example in shown
    assert main(["grounding"]) == 2
    assert capsys.readouterr().err == f"error: --config is missing: {example}.\n"


@pytest.mark.slow
def test_a_tiny_study_from_nothing(tmp_path, monkeypatch):
    overrides = {"align__epochs": 0.5, "knowledge__epochs": 0.1, "image_only__batch_size": 8}
    config = with_table(tiny_config(**ONE_LAYER, **overrides), 3, weights=False, subgroups=())
    told = ground(config, tmp_path)
    found = json.loads((tmp_path / "grounding.json").read_text())
    assert set(found["figures"]) == {*(row.name for row in VARIANTS), "exchanged", "usual_places"}
    looks = {row["all"]["looks"] for row in found["figures"].values()}
    assert len(looks) == 1 and looks.pop() > 40
    for attributes in found["figures"].values():
        parts = [row for name, row in attributes.items() if name != "all"]
        weights = [row["looks"] for row in parts]
        mean = np.average([row["hit"]["estimate"] for row in parts], weights=weights)
        assert attributes["all"]["hit"]["estimate"] == pytest.approx(mean)
    assert all(row.title in told for row in VARIANTS)
    attributes = set(found["figures"]["prima"]) - {"all"}
    assert {p.name for p in tmp_path.glob("*.png")} == {f"grounding_{name}.png" for name in attributes}
    # The stages lie where Table 3 has them: PRIMA's alignment of each fold, and each other's once.
    assert len(list((tmp_path / "shared" / "fold_0").glob("align-*"))) == len(VARIANTS) - 1
    assert len(list((tmp_path / "shared" / "fold_0").glob("knowledge-*"))) == 1
    # A second call reads back what was measured, unless it was measured by other code, or is damaged.
    monkeypatch.setattr(grounding, "maps_of_row", lambda *_, **__: pytest.fail("measured again"))
    assert ground(config, tmp_path) == told
    for damaged in (json.dumps({**found, "version": 0}), "{"):
        (tmp_path / "grounding.json").write_text(damaged)
        with pytest.raises(pytest.fail.Exception, match="measured again"):
            ground(config, tmp_path)
