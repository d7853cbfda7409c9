"""The study on disk: the AQUA format, the same bytes every time, whole or not there at all."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from configs.aqua_study import get_study
from prima_jax.errors import UserError
from prima_jax.studies.manifest import read
from prima_jax.studies.study_config import study_from_config
from prima_jax.studies.synthetic import write
from prima_jax.studies.synthetic.corpus import corpus_lines
from prima_jax.studies.synthetic.drawing import MASKS
from prima_jax.studies.synthetic.evidence import ceiling
from tests.canaries import CANARY

UNITS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "study"
    write.write_study(folder, units=UNITS, seed=2, image_size=64)
    return folder


@pytest.fixture(scope="module")
def rows(folder) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "manifest.csv").read_text().replace(CANARY, "").splitlines()))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_manifest_reader_reads_it(folder, rows):
    reading = read(study_from_config(get_study()), folder)
    assert len(reading.records) == len(rows)
    assert len({record.unit for record in reading.records}) == UNITS
    assert len({record.subject for record in reading.records}) == UNITS - UNITS // 8
    assert not reading.missing_images
    assert not reading.identical
    assert reading.study.synthetic and reading.study.title == "AQUA (slit-lamp keratitis), drawn by a program"


def test_every_photograph_has_its_masks_and_no_file_is_left_over(folder, rows):
    stems = {Path(row["image"]).stem for row in rows}
    assert {path.stem for path in (folder / "images").iterdir()} == stems
    assert {path.name for path in (folder / "masks").iterdir()} == stems
    for row in rows:
        masks = {path.stem: np.asarray(Image.open(path)) for path in (folder / "masks" / Path(row["image"]).stem).iterdir()}
        assert set(masks) <= set(MASKS)
        assert "infiltrate" in masks
        for mask in masks.values():
            assert mask.shape == (64, 64)
            assert mask.dtype == bool
            assert mask.any()


def test_grounded_attributes_are_visual_and_shown_by_their_mask(folder, rows):
    study = study_from_config(get_study())
    assert set(write.MASK_OF) == {attribute.name for attribute in study.shown(visual_only=True)}
    truth = json.loads((folder / "truth.json").read_text())
    signs = {(eye["subject"], eye["eye"]): eye["signs"] for eye in truth["eyes"]}
    for row in rows:
        for sign in ("hypopyon", "prior_keratoplasty"):
            mask = folder / "masks" / Path(row["image"]).stem / f"{write.MASK_OF[sign]}.png"
            assert mask.exists() == (signs[row["subject"], row["eye"]][sign] == "yes")


def test_names_say_subject_eye_and_light_and_nothing_else(rows):
    for row in rows:
        assert row["image"] == f"{row['subject']}_{row['eye']}_{row['illumination']}.png"
    assert [row["subject"] for row in rows] == sorted(row["subject"] for row in rows)  # order of drawing, not of class


def test_photographs_carry_no_metadata_and_one_format(folder):
    for path in (folder / "images").iterdir():
        with Image.open(path) as image:
            assert (image.mode, image.size, image.info) == ("RGB", (64, 64), {})


def test_the_same_arguments_give_the_same_bytes(folder, tmp_path):
    write.write_study(tmp_path / "again", units=UNITS, seed=2, image_size=64)
    assert contents(tmp_path / "again") == contents(folder)


def test_another_seed_gives_other_eyes_and_other_photographs(folder, tmp_path):
    write.write_study(tmp_path / "other", units=4, seed=3, image_size=64)
    other, whole = contents(tmp_path / "other"), contents(folder)
    # Were the seed ignored, the four eyes would be the first of the whole, as in the next test.
    assert not whole["manifest.csv"].startswith(other["manifest.csv"])
    shared = [name for name in other if name.startswith("images") and name in whole]
    assert shared and all(other[name] != whole[name] for name in shared)


def test_an_eye_is_the_same_however_many_there_are(folder, tmp_path):
    write.write_study(tmp_path / "fewer", units=9, seed=2, image_size=64)
    few, many = contents(tmp_path / "fewer"), contents(folder)
    assert many["manifest.csv"].startswith(few["manifest.csv"])
    drawn = [name for name in few if name.startswith(("images", "masks"))]
    assert len(drawn) > 30
    assert all(few[name] == many[name] for name in drawn)


def test_an_interrupted_call_leaves_nothing_and_its_repetition_the_whole(folder, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(write, "_write_manifest", killed)
        write.write_study(tmp_path / "study", units=UNITS, seed=2, image_size=64)
    assert not (tmp_path / "study").exists()
    write.write_study(tmp_path / "study", units=UNITS, seed=2, image_size=64)
    assert contents(tmp_path / "study") == contents(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_a_finished_study_is_left_alone(folder, monkeypatch):
    monkeypatch.setattr(write, "draw", None)  # drawing anything now would fail
    write.write_study(folder, units=UNITS, seed=2, image_size=64)


def test_another_study_is_never_overwritten(folder, tmp_path):
    with pytest.raises(UserError, match=r"should be empty or hold .*'seed': 3.* but holds .*'seed': 2"):
        write.write_study(folder, units=UNITS, seed=3, image_size=64)
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UserError, match="something else"):
        write.write_study(tmp_path, units=4, seed=0)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_an_empty_folder_is_filled(folder, tmp_path):
    (tmp_path / "study").mkdir()
    write.write_study(tmp_path / "study", units=UNITS, seed=2, image_size=64)
    assert contents(tmp_path / "study") == contents(folder)


def test_it_says_that_it_is_synthetic(folder):
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["synthetic"] is True
    assert truth["made_with"] == {"version": write.VERSION, "seed": 2, "units": UNITS, "image_size": 64}
    assert truth["ceiling"] == ceiling()
    assert len(truth["eyes"]) == UNITS
    assert (folder / "README.md").read_text().startswith("# SYNTHETIC")


def test_the_corpus_is_that_of_the_seed(folder):
    lines = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    assert lines == corpus_lines(2)


def test_the_folder_can_be_moved(folder, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    assert str(folder).encode() not in b"".join(contents(moved).values())
    assert len(read(study_from_config(get_study()), moved).records) == len(read(study_from_config(get_study()), folder).records)
