"""Whatever a user gets wrong: one line on stderr that says what, exit code 2, and no traceback."""

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from jax.errors import JaxRuntimeError
from ml_collections import ConfigDict

from prima_jax import main as command
from prima_jax.experiment import opening
from prima_jax.experiment import run as experiment_run
from prima_jax.studies.synthetic.write import write_study
from prima_jax.training.loop import Stopped
from tests.canaries import CANARY

ROOT = Path(__file__).parents[1]
AQUA = ROOT / "configs" / "aqua.py"
DEMO = f"--config={AQUA}:demo"


@pytest.fixture(autouse=True)
def unquiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """`setup_process` sets this process up for good."""
    monkeypatch.setattr(command, "setup_process", lambda: None)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    def run(*arguments: str, told_before: str = "") -> str:
        """The one sentence; `told_before` is what else may stand before it, of data that were read."""
        code = command.main(["main", f"--workdir={tmp_path / 'run'}", *arguments])
        out, err = capsys.readouterr()
        lines = [line for line in re.split(r"[\r\n]+", err) if line and not (told_before and re.search(told_before, line))]
        assert code == 2
        assert out == ""
        assert len(lines) == 1, err
        assert lines[0].startswith("error: "), err
        assert not (tmp_path / "run" / "config.json").exists(), "a wrong command should not claim its workdir"
        return lines[0]

    return run


@pytest.mark.parametrize("again", ["--config.remat=False", "--noconfig.remat"])
def test_a_field_that_is_given_twice_is_refused_by_name(refused: Callable[..., str], again: str):
    assert "--config.remat is given more than once" in refused(DEMO, "--config.remat=True", "--config.seed=1", again)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--config.align.epochs=abc", "--config.align.epochs=abc"),
        ("--config.align.weights=(0.1,0.2", "--config.align.weights=(0.1,0.2"),
        ("--config.align.weights=3", "align.weights should be four numbers"),
        ("--config.seed=1.5", "--config.seed=1.5"),
        ("--config.algin.epochs=3", "has no such field; it has"),
        ("--config.align.epochs.x=3", "a value and no fields"),
        ("--config.data.dir=Bl\udce4tter", "'--config.data.dir' is not given in UTF-8"),
        ("--config.image={}", "--config.image is a section: set one of its fields"),
        (f"--config.data.dir=/{'a' * 5000}", "A file's name is too long ('/aaa"),
        ("--foo=1", "--foo is no flag"),
        ("epochs=3", "'epochs=3' is no flag"),
        ("--flagfile=/does/not/exist", "/does/not/exist"),
        ("--workdir=", "--workdir is missing"),
        ("--workdir", "--workdir: expected one argument"),
        ("--config.study.hide=form", "names no block"),
    ],
)
def test_a_wrong_flag_is_told_in_one_line(refused: Callable[..., str], flag: str, said: str):
    assert said in refused(DEMO, flag)


CONFIG = "from configs.aqua import get_config as base\n\n\ndef get_config(preset=''):\n    config = base('demo').lock()\n    "


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{CONFIG}config.align.epoch = 3.0\n    return config\n", r'line 6: AttributeError, .*Did you mean "epochs"'),
        (f"{CONFIG}config.align.update({{'epoch': 3.0}})\n    return config\n", r"line 6: KeyError, Key .epoch. does not exist"),
        (f"{CONFIG}return confg\n", "line 6: NameError, .*confg"),
        (f"{CONFIG}return None\n", r"get_config\(\) of .* should return a ConfigDict, not NoneType"),
        (f"{CONFIG}return (\n", "line 6: .*mend the config"),
        ("x = {}['a']\n", "line 1: KeyError, a; mend the config"),
        ("get_config = 3\n", r"does not define get_config\(\)"),
        ("def get_config(preset):\n    return preset\n", r"config.py: TypeError, get_config\(\) missing"),
        ("\0", "config.py"),
    ],
)
def test_a_wrong_config_is_told_in_one_line_that_names_it(refused: Callable[..., str], tmp_path: Path, content: str, said: str):
    file = tmp_path / "config.py"
    file.write_text(content)
    told = refused(f"--config={file}")
    assert str(file) in told
    assert re.search(said, told), told
    assert len(told) < 500, "ConfigDict lists every field"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("", "--config is missing"),
        ("configs/nobody.py", "no config file configs/nobody.py"),
        (f"{ROOT / 'Makefile'}", "is no Python file"),
        (f"{AQUA}:tiny", "no preset 'tiny': it has demo"),
        (f"{ROOT / 'configs' / 'common.py'}", "does not define get_config()"),
    ],
)
def test_a_config_that_is_not_there_is_told_in_one_line(refused: Callable[..., str], named: str, said: str):
    assert said in refused(f"--config={named}")


def test_absent_weights_are_told_in_one_line(refused: Callable[..., str], tmp_path: Path):
    told = refused(f"--config={AQUA}", f"--config.models.image.weights={tmp_path}/none")
    assert f"no weights for models.image at {tmp_path}/none" in told


def test_a_workdir_that_cannot_be_written_is_told_in_one_line(refused: Callable[..., str], tmp_path: Path):
    (tmp_path / "file").touch()
    assert "Cannot write to --workdir" in refused(DEMO, f"--workdir={tmp_path / 'file' / 'run'}")


def test_a_full_disk_is_told_in_one_line(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch):
    def write(folder: Path, **_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "manifest.csv"))

    monkeypatch.setattr(opening, "write_study", write)
    assert "manifest.csv: No space left on device; make room" in refused(DEMO)


@pytest.mark.parametrize(
    ("raised", "code", "said"), [(KeyboardInterrupt(), 130, "Interrupted"), (Stopped(), 143, "Stopped and saved")]
)
def test_a_run_that_is_stopped_says_how_to_go_on(capsys, tmp_path, monkeypatch, raised, code, said):
    def run(config: ConfigDict, workdir: Path) -> None:
        raise raised

    monkeypatch.setattr(experiment_run, "run", run)
    assert command.main(["main", DEMO, f"--workdir={tmp_path}"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(said)
    assert "the same command goes on" in err


def test_memory_that_ran_out_is_told_in_one_line_and_other_errors_of_xla_are_not(capsys, tmp_path, monkeypatch):
    said = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes."

    def run(config: ConfigDict, workdir: Path) -> None:
        raise JaxRuntimeError(f"{said}\nLargest program allocations: ...")

    monkeypatch.setattr(experiment_run, "run", run)
    assert command.main(["main", DEMO, f"--workdir={tmp_path}"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith(f"error: the memory ran out ({said[:-1]}): lower the batch_size") and "--config.remat=True" in err
    said = "INTERNAL: something else."
    with pytest.raises(JaxRuntimeError, match="something else"):
        command.main(["main", DEMO, f"--workdir={tmp_path}"])


def test_a_device_that_is_not_there_is_told_in_one_line(capsys, tmp_path, monkeypatch):
    def run(config: ConfigDict, workdir: Path) -> None:
        raise RuntimeError("Unable to initialize backend 'cuda': Backend 'cuda' is not in the list of known backends")

    monkeypatch.setattr(experiment_run, "run", run)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    assert command.main(["main", DEMO, f"--workdir={tmp_path}"]) == 2
    assert capsys.readouterr().err == "error: JAX finds no device of JAX_PLATFORMS='cuda' here: set it to cpu, or unset it.\n"


def test_a_drawn_study_beside_a_folder_is_refused(refused: Callable[..., str], tmp_path: Path):
    assert "--config.study.synthetic.units=0 for that one" in refused(DEMO, f"--config.data.dir={tmp_path}")


# Data: what is wrong with them is told as tests/studies/test_manifest.py has it, here in one line and before anything is claimed.


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "study"
    write_study(folder, units=12, seed=0, image_size=32)
    return folder


@pytest.fixture
def study(intact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(intact, tmp_path / "study", ignore=shutil.ignore_patterns("masks")))


def on(study: Path) -> list[str]:
    return [DEMO, "--config.study.synthetic.units=0", f"--config.data.dir={study}", "--config.folds=2"]


WRONG_DATA = {
    "no folder": (shutil.rmtree, "There is no data for aqua at"),
    "a wrong row": (
        lambda study: edit(study, ",white,", f",{CANARY},"),
        r"manifest\.csv, line \d+: unknown image type in column",
    ),
    "an empty manifest": (lambda study: (study / "manifest.csv").write_text(""), "lacks the column"),
    "a folder in place of the manifest": (lambda study: replace_by_folder(study / "manifest.csv"), r"No manifest\.csv"),
    "a text in place of a photograph": (
        lambda study: min((study / "images").iterdir()).write_text("no picture"),
        "cannot be decoded",
    ),
}


def edit(study: Path, old: str, new: str) -> None:
    path = study / "manifest.csv"
    path.write_text(path.read_text().replace(old, new, 1))


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("wrong", WRONG_DATA)
def test_wrong_data_are_told_in_one_line_that_names_the_file(refused: Callable[..., str], study: Path, wrong: str):
    damage, said = WRONG_DATA[wrong]
    damage(study)
    told = refused(*on(study))
    assert str(study) in told
    assert re.search(said, told), told


def test_what_the_prepared_study_cannot_give_is_told_in_one_line(refused: Callable[..., str], study: Path):
    """Only known once the photographs are read and prepared."""
    read = r"photographs read from|preparing photographs|Identical photographs"
    assert re.search(r"knowledge\.batch_size|align\.batch_size", refused(*on(study), told_before=read))
    told = refused(*on(study), "--config.knowledge.corpus=nowhere.jsonl", told_before=read)
    assert "There is no corpus at nowhere.jsonl" in told
