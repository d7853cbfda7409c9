"""What is handed over answers as the run does, holds nobody's data, and says so where it is not whole."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import prima_jax
from prima_jax.clinic.export import export
from prima_jax.errors import UserError

pytestmark = pytest.mark.slow


def manifest(run: Path) -> list[dict[str, str]]:
    with (run / "synthetic_study" / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_bundle_alone_answers_as_the_run_does(run: Path, bundle: Path, tmp_path: Path):
    shutil.copytree(bundle, tmp_path / "elsewhere")
    rows, images = manifest(run)[:12], run / "synthetic_study" / "images"
    of_run = prima_jax.load(run).predict(rows, images=images, error_rate=0.2)
    of_bundle = prima_jax.load(tmp_path / "elsewhere").predict(rows, images=images, error_rate=0.2)
    assert of_bundle.probabilities == pytest.approx(of_run.probabilities, abs=1e-5)
    assert [answer.prediction_set for answer in of_bundle] == [answer.prediction_set for answer in of_run]
    for one, other in zip(of_bundle, of_run, strict=True):
        assert one.unlike == pytest.approx(other.unlike, abs=1e-6) and len(one.unlike) > 0
        assert (one.sentence, one.missing, one.never_seen) == (other.sentence, other.missing, other.never_seen)
    assert of_bundle.warnings == of_run.warnings and of_bundle.synthetic


def test_a_bundle_holds_no_name_of_a_record_or_subject(run: Path, bundle: Path):
    names = {row[column] for row in manifest(run) for column in ("image", "subject")}
    assert len(names) > 40
    for file in bundle.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert not [name for name in names if name.encode() in content], file
        assert str(run).encode() not in content, file


def test_a_changed_byte_is_told(bundle: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    file = max((copy / "fold_1" / "diagnose" / "trained").rglob("*"), key=lambda one: one.stat().st_size if one.is_file() else 0)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match="not as it was exported"):
        prima_jax.load(copy)


def test_a_run_that_is_not_finished_is_not_handed_over(run: Path, bundle: Path, tmp_path: Path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "rows" / "prima" / "seed_0" / "fold_1" / "done.json").unlink()
    with pytest.raises(UserError, match="is not finished"):
        export(copy, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
    with pytest.raises(UserError, match="is there already"):
        export(run, bundle)
    with pytest.raises(UserError, match="is a bundle already"):
        export(bundle, tmp_path / "again")


@pytest.mark.parametrize("lost", ["calibration.json", "familiarity.npz", "results.json"])
def test_a_run_that_lacks_what_its_end_writes_does_not_answer(run: Path, tmp_path: Path, lost: str):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / lost).unlink()
    with pytest.raises(UserError, match="not run to its end"):
        prima_jax.load(tmp_path / "run")


def test_the_card_says_what_was_measured(run: Path, bundle: Path):
    card, results = (bundle / "README.md").read_text(), json.loads((run / "results.json").read_text())
    interval = results["statistics"]["methods"]["prima"]["intervals"]["macro_f1"]
    assert (
        "Macro F1 | " + "{:.1f} ({:.1f} to {:.1f})".format(*(100 * interval[key] for key in ("estimate", "low", "high"))) in card
    )
    assert "Not a medical device" in card and "SYNTHETIC" in card
    assert f"{results['subjects']} subjects" in card


def test_an_error_rate_that_the_cases_cannot_support_is_refused(run: Path):
    model, rows = prima_jax.load(run), manifest(run)[:1]
    fewest = min(model.calibration.held_out.subjects)
    with pytest.raises(UserError, match="cannot be promised for"):
        model.predict(rows, images=run / "synthetic_study" / "images", error_rate=0.9 / (fewest + 1))


def test_many_cases_are_answered_as_one_by_one(run: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("prima_jax.clinic.model.CASES_AT_ONCE", 2)
    model, rows, images = prima_jax.load(bundle), manifest(run)[:14], run / "synthetic_study" / "images"
    model.config.features.test_views = 2  # the second one is drawn at random
    cases = model.cases(rows, images)
    together = model.predict(cases)
    assert len(together) == len(cases) > 4
    alone = np.concatenate([model.predict([case]).probabilities for case in cases])
    # The same numbers in other batches of the same programs.
    assert together.probabilities == pytest.approx(alone, abs=1e-6)
