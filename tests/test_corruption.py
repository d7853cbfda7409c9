"""Every file of a finished run, damaged: the run and its predictions say so in one sentence, or are what they were."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import prima_jax
from prima_jax.errors import UserError
from tests.damages import DAMAGES
from tests.finished import finished_run, run_here

PHOTOGRAPH = Path("synthetic_study", "images", "S0000_OS_blue.png")
"""The first of the study, one of those damaged."""

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with finished_run(tmp_path_factory.mktemp("finished") / "run") as workdir:
        yield workdir


def of_another_fold(file: Path) -> None:
    """Folders of both folds lie side by side, under names that differ by the fold's number alone."""
    folds = re.compile(r"fold_[01]")
    other = Path(folds.sub(lambda found: "fold_1" if found[0] == "fold_0" else "fold_0", str(file)))
    if other.exists():
        shutil.copyfile(other, file)


def kinds(folder: Path) -> list[Path]:
    """One file of each name, but for hashes, numbers and folds."""
    first: dict[str, Path] = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        relative = file.relative_to(folder)
        first.setdefault(re.sub(r"[0-9a-f]{6,}|\d+", "#", str(relative)), relative)
    return list(first.values())


@pytest.mark.parametrize("damage", [*DAMAGES, "that of another fold"])
def test_no_damaged_file_gives_another_answer(finished: Path, tmp_path: Path, damage: str):
    damaged: Callable[[Path], None] = DAMAGES.get(damage, of_another_fold)
    right, counts, refused = answers(finished), Counter[str](), {"run": set[str](), "predict": set[str]()}
    for file in kinds(finished):
        copy = tmp_path / "run"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(finished, copy)
        if damage not in DAMAGES and not re.search(r"fold_[01]", str(file)):
            continue
        damaged(copy / file)
        for name, found in answers(copy).items():
            assert found == right[name] or found.startswith("error: "), f"{file} {damage}: {name} gives another answer"
            assert found.count("\n") == 0 or found == right[name], f"{file} {damage}: {name} says {found}"
            counts[f"{name}: {'the right answer' if found == right[name] else 'refused'}"] += 1
            refused[name] |= {file.name} if found != right[name] else set()
    print(damage, dict(counts))
    assert "probabilities.npz" in refused["run"] and "manifest.ocdbt" in refused["predict"]
    assert len(counts) == 4, "some should be refused and others make no difference, for both"


def answers(workdir: Path) -> dict[str, str]:
    """What the same command gives once more, and what the run's models say of a photograph; an error's sentence in its place."""
    found = {}
    for name, ask in {"run": lambda: again(workdir), "predict": lambda: predicted(workdir)}.items():
        try:
            found[name] = ask()
        except UserError as error:
            found[name] = f"error: {error}"
    return found


def again(workdir: Path) -> str:
    run_here(workdir)
    return (workdir / "predictions.csv").read_text()


def predicted(workdir: Path) -> str:
    answers = prima_jax.load(workdir).predict([prima_jax.NewCase([("blue", workdir / PHOTOGRAPH)], {"age": "70"})])
    return json.dumps([answers.probabilities.tolist(), answers[0].prediction_set])
