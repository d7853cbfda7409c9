"""One case through the models of a finished run: the probabilities of its table, or one line that says what is wrong."""

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

import prima_jax
from configs import pad_ufes_20
from prima_jax import predict
from prima_jax.clinic.case_flags import read_metadata
from prima_jax.clinic.cases import NewCase, records_of
from prima_jax.experiment.calibration import read_calibration
from prima_jax.metrics.calibration import apply_temperature
from prima_jax.stages.stage import write_done
from prima_jax.studies.study_config import load_study
from prima_jax.workdir import config_hash
from tests.canaries import CANARY
from tests.finished import finished_run
from tests.stages.tiny import tiny_config


@pytest.fixture(autouse=True)
def unquiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """`setup_process` sets this process up for good."""
    monkeypatch.setattr("prima_jax.runtime.setup_process", lambda: None)


def run_folder(folder: Path, config: ConfigDict) -> Path:
    """A run of which nothing is left but its config and the mark of a finished fold."""
    fold = folder / "rows" / "prima" / "seed_0" / "fold_0"
    fold.mkdir(parents=True)
    write_done(fold, whose=[config_hash(config), "prima", 0, 0])
    (folder / "config.json").write_text(json.dumps(config.to_dict(), default=list))
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_folder(tmp_path / "run", tiny_config())


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    Image.new("RGB", (40, 40), (90, 30, 10)).save(tmp_path / "eye.png")
    return tmp_path / "eye.png"


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def ask(*arguments: str) -> str:
        code = predict.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert code == 2
        assert out == ""
        assert err.count("\n") == 1, err
        assert err.startswith("error: "), err
        return err.strip()

    return ask


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (f"contact_lens={CANARY}", "contact_lens should be yes or no"),
        (f"age={CANARY}", "age should be a number"),
        (f"infiltrate_location={CANARY}", "unknown value in column infiltrate_location .*; known are central, paracentral"),
        ("age", "expected key=value as part 1"),
        ("age=3,age=80", "age is given twice"),
        ("age=3,", "expected key=value as part 2"),
        ("nowhere.json", r"nowhere\.json cannot be read"),
        ("age=\udce4", "not in UTF-8"),
    ],
)
def test_wrong_metadata_are_told_in_one_line(refused, run: Path, photograph: Path, metadata: str, said: str):
    told = refused(f"--run={run}", f"--image=white:{photograph}", f"--metadata={metadata}")
    assert told.startswith("error: --metadata")
    assert re.search(said, told), told


def test_an_unknown_key_lists_the_known_ones(refused, run: Path, photograph: Path):
    told = refused(f"--run={run}", f"--image=white:{photograph}", "--metadata=shoe_size=44")
    assert "no attribute 'shoe_size'" in told
    known = told.partition("known: ")[2].rstrip(".").split(", ")
    assert set(known) == {a.name for a in load_study(tiny_config()).shown()}


def test_a_run_of_an_earlier_version_is_refused(refused, tmp_path: Path, photograph: Path):
    config = tiny_config()
    with config.unlocked():
        del config.table
    run = run_folder(tmp_path / "earlier", config)
    told = refused(f"--run={run}", f"--image=white:{photograph}", "--metadata=age=80")
    assert "version that made the run" in told and "another --workdir" in told


def test_an_attribute_that_gives_the_diagnosis_away_is_refused(refused, tmp_path: Path, photograph: Path):
    run = run_folder(tmp_path / "pad", pad_ufes_20.get_config("small"))
    told = refused(f"--run={run}", f"--image={photograph}", "--metadata=biopsed=True")
    assert "no attribute 'biopsed' to show a model" in told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is no JSON"),
        (b'{"age": 1, "age": 2}', "a key occurs twice"),
        (b'{"age": "\xff"}', "not in UTF-8"),
        (b"[1]", "holds a list"),
        (b"3", "one object"),
    ],
)
def test_a_wrong_file_of_metadata_is_told_in_one_line(refused, run: Path, photograph: Path, content: bytes, said: str):
    file = run / "case.json"
    file.write_bytes(content)
    told = refused(f"--run={run}", f"--image=white:{photograph}", f"--metadata={file}")
    assert str(file) in told
    assert said in told


def test_a_file_of_metadata_is_read_as_the_flag_is(tmp_path: Path):
    file = tmp_path / "case.json"
    file.write_text('{"age": 64, "contact_lens": "yes", "trauma": null}')
    read = [read_metadata(text) for text in (str(file), "age=64, contact_lens = yes,trauma=")]
    of_file, of_flag = (records_of(load_study(tiny_config()), 0, NewCase([("white", "a.png")], known)) for known in read)
    assert of_file[0].fields == of_flag[0].fields == {"age": 64.0, "contact_lens": True}


def test_metadata_given_twice_are_put_together(refused, run: Path, photograph: Path):
    file = run / "case.json"
    file.write_text('{"trauma": null}')
    assert read_metadata("age=64", "", "contact_lens=yes", str(file)) == {
        "age": "64",
        "contact_lens": "yes",
        "trauma": None,
    }
    given = [f"--run={run}", f"--image=white:{photograph}", "--metadata=age=64"]
    assert "--metadata: age is given twice" in refused(*given, "--metadata=age=64")
    assert "trauma is given twice" in refused(*given, f"--metadata={file}", "--metadata=trauma=no")
    assert "shoe_size" in refused(*given, "--metadata=shoe_size=44") and "age=64" not in refused(
        *given, "--metadata=shoe_size=44"
    )
    assert "contact_lens should be yes or no" in refused("--metadata=contact_lens=perhaps", *given)


def test_a_wrong_image_is_told_in_one_line(refused, run: Path, photograph: Path):
    assert "say which view it is, as VIEW:FILE with one of white, blue, scatter" in refused(
        f"--run={run}", f"--image={photograph}"
    )
    assert "with one of white" in refused(f"--run={run}", f"--image=green:{photograph}")
    absent = refused(f"--run={run}", "--image=white:nowhere.png")
    assert "cannot read nowhere.png (No such file or directory)" in absent
    photograph.write_bytes(photograph.read_bytes()[:60])
    assert f"{photograph} cannot be decoded" in refused(f"--run={run}", f"--image=white:{photograph}")


def test_a_run_that_is_none_or_not_finished_is_told_in_one_line(refused, run: Path, tmp_path: Path, photograph: Path):
    image = f"--image=white:{photograph}"
    shutil.rmtree(run / "rows")
    assert f"No fold of PRIMA in {run} is finished" in refused(f"--run={run}", image)
    assert "holds no run" in refused(f"--run={tmp_path / 'nowhere'}", image)
    for content in (b"{", b"\xff\xfe"):
        (run / "config.json").write_bytes(content)
        assert f"{run / 'config.json'} is no" in refused(f"--run={run}", image)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with finished_run(tmp_path_factory.mktemp("finished") / "run") as workdir:
        yield workdir


def rows(file: Path, **values: str) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return [row for row in csv.DictReader(lines) if all(row[key] == value for key, value in values.items())]


def ask(run: Path, photographs: list[dict[str, str]], capsys: pytest.CaptureFixture[str]) -> dict:
    """The command's answer for the photographs of one eye, given as rows of the manifest."""
    study = run / "synthetic_study"
    images = [f"--image={row['illumination']}:{study / 'images' / row['image']}" for row in photographs]
    known = {a.column for a in load_study(tiny_config()).shown()}
    (run / "case.json").write_text(json.dumps({k: v for k, v in photographs[0].items() if k in known}))
    assert predict.main([f"--model={run}", *images, f"--metadata={run / 'case.json'}", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_case_is_predicted_as_it_was_while_it_was_held_out(finished: Path, tmp_path: Path, capsys):
    case = rows(finished / "predictions.csv", method="prima", fold="0")[3]
    subject, eye = case["unit"].split("/")
    photographs = rows(finished / "synthetic_study" / "manifest.csv", subject=subject, eye=eye)
    answers = []
    for fold in (0, 1):
        alone = tmp_path / f"only_{fold}"
        shutil.copytree(finished, alone)
        (alone / "rows" / "prima" / "seed_0" / f"fold_{1 - fold}" / "done.json").unlink()
        answers.append(ask(alone, photographs, capsys))
    held_out = {name.removeprefix("p_"): float(p) for name, p in case.items() if name.startswith("p_")}
    alone, other = (answer["cases"][0]["probabilities"] for answer in answers)
    # The answer is rounded to six decimals, and the case stands in another place of another batch.
    assert alone == pytest.approx(held_out, abs=1e-5)
    assert other != pytest.approx(held_out, abs=1e-4), "two folds' models should differ"
    images = [f"{row['illumination']}:{finished / 'synthetic_study' / 'images' / row['image']}" for row in photographs]
    nothing_known = prima_jax.load(tmp_path / "only_0").predict([prima_jax.NewCase([image.split(":", 1) for image in images])])
    assert nothing_known.probabilities[0] != pytest.approx([*held_out.values()], abs=1e-4), "the metadata should be read"
    assert nothing_known.warnings[0].startswith("UNFINISHED: 1 of 2 folds")

    asked = [prima_jax.NewCase([image.split(":", 1) for image in images]), prima_jax.NewCase([images[0].split(":", 1)])]
    asked.append(prima_jax.NewCase(asked[0].images, {"age": "999"}))
    several = prima_jax.load(tmp_path / "only_0").predict(asked)
    assert several.probabilities.shape == (3, 2) and several.probabilities[0] == pytest.approx(
        nothing_known.probabilities[0], abs=1e-5
    )
    assert [answer.never_seen for answer in several] == [(), (), ("age",)]

    both = ask(finished, photographs, capsys)
    assert (both["models"], both["synthetic"], both["cases"][0]["never_seen"]) == (2, True, [])
    raw = np.array([[*alone.values()], [*other.values()]])
    temperature = read_calibration(finished).temperature
    assert [*both["cases"][0]["probabilities"].values()] == pytest.approx(
        apply_temperature(raw, temperature).mean(axis=0), abs=1e-5
    )
