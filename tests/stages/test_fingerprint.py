"""A run belongs to its data as it belongs to its config."""

import dataclasses
import shutil

import pytest

from prima_jax.experiment import opening
from prima_jax.studies.manifest import read
from tests.stages.tiny import ONE_LAYER


@pytest.fixture
def fingerprint(study, tmp_path):
    """Reads a copy of the tiny study's folder, changed by the caller, and tells its fingerprint."""

    def tell(name: str, change=lambda folder: None) -> str:
        folder = tmp_path / name
        shutil.copytree(study.reading.folder, folder)
        change(folder)
        reading = read(study.reading.study, folder)
        context = study.context(tmp_path, **ONE_LAYER)
        return opening.data_fingerprint(dataclasses.replace(context, study_folder=folder), reading)

    return tell


def edit(name: str, old: str, new: str):
    def change(folder) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return change


def test_moved_data_are_the_same_data(fingerprint):
    assert fingerprint("here") == fingerprint("there")


def test_a_changed_row_photograph_or_corpus_makes_other_data(fingerprint):
    def photograph(folder) -> None:
        one, other, *_ = sorted((folder / "images").iterdir())
        shutil.copy(other, one)

    changed = [
        fingerprint("as it was"),
        fingerprint("a diagnosis", relabel),
        fingerprint("a photograph", photograph),
        fingerprint("the corpus", edit("corpus.jsonl", "keratitis", "Keratitis")),
    ]
    assert len(set(changed)) == len(changed)


def relabel(folder) -> None:
    """Another diagnosis for the first subject, in all of its rows."""
    lines = (folder / "manifest.csv").read_text().splitlines(keepends=True)
    subject = lines[1].split(",")[1]
    swap = {"bacterial": "fungal", "fungal": "bacterial"}
    for n, line in enumerate(lines):
        if line.split(",")[1] == subject:
            old = next(label for label in swap if f",{label}," in line)
            lines[n] = line.replace(f",{old},", f",{swap[old]},")
    (folder / "manifest.csv").write_text("".join(lines))
