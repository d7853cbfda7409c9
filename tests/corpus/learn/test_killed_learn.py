"""The step learn, killed at any moment and run again, measures the very figures of a run that nobody disturbed."""

import json
import random
import shutil
import signal
import time

import pytest

from prima_jax.corpus.folder import CorpusFolder
from prima_jax.workdir import locked_folder
from scripts.scripted_review import decide
from tests.corpus.invented_folder import make_folder
from tests.corpus.killed import Command, Moment

FLAGS = (
    "--config=configs/corpus.py:demo",
    "--config.models.text.architecture.num_hidden_layers=1",
    "--config.text.vocabulary_size=400",
    "--config.learn.prose_epochs=4",
    "--config.knowledge.epochs=6",
    "--config.knowledge.batch_size=4",
    "--config.knowledge.max_length=48",
    "--config.checkpoint_seconds=0.05",
)
MOMENTS = (  # in the order of a run: just before a file or folder gets its name, and within the report
    Moment(at="os.rename *tokenizer"),
    Moment(at="os.rename learned/base-*-training/knowledge/checkpoint/*"),
    Moment(at="os.rename learned/.base-* learned/base-*"),
    Moment(at="os.rename learned/corpus-*/knowledge/checkpoint/*"),
    Moment(at="os.rename learned/corpus-*/adapter/adapter_config.json.part *"),
    Moment(at="os.rename learned/corpus-*/report.json.part *"),
    Moment(within="report.md.part:1"),
)
WHOLE = ("base-*/*", "corpus-*/report.*", "corpus-*/adapter/*")
"""What is there under its own name only once it is whole."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("template"))
    command = Command(folder.path, tmp_path_factory.mktemp("hooks"), *FLAGS)
    command.run_here("check")
    decide(folder)
    command.run_here("publish")
    return folder


class Learning:
    """All runs are in one place, since reports and adapters name the weights that they are for."""

    def __init__(self, template, place):
        self._template = template
        self.folder = CorpusFolder(place / "corpus")
        self.command = Command(self.folder.path, place, *FLAGS)
        self.reset()
        self.command.run("learn")
        self.files = self.written(*WHOLE, "**/history.jsonl")

    def reset(self):
        shutil.rmtree(self.folder.path, ignore_errors=True)
        shutil.copytree(self._template.path, self.folder.path)

    def written(self, *patterns):
        """Name -> content; `.part` files are no files yet, and `base-*-training` is where the base is made."""
        place = self.folder.learned
        found = {path for pattern in patterns for path in place.glob(pattern) if path.is_file() and path.suffix != ".part"}
        names = {str(path.relative_to(place)): path for path in sorted(found)}
        return {n: p.read_bytes() for n, p in names.items() if n.endswith("history.jsonl") or "-training/" not in n}

    def assert_whole(self):
        for name, content in self.written(*WHOLE).items():
            assert content == self.files[name], name
        with locked_folder(self.folder.path, "--folder"):
            pass

    def assert_ended_the_same(self):
        found = self.written(*WHOLE, "**/history.jsonl")
        assert found.keys() == self.files.keys()
        assert [name for name in found if found[name] != self.files[name]] == []
        assert list(self.folder.learned.rglob("*.part")) == [] and list(self.folder.learned.glob(".base-*")) == []


@pytest.fixture(scope="module")
def learning(template, tmp_path_factory):
    return Learning(template, tmp_path_factory.mktemp("learning"))


def test_an_undisturbed_run_leaves_what_is_compared(learning):
    names = {name.rpartition("/")[2] for name in learning.files}
    assert names >= {"report.json", "report.md", "adapter_config.json", "adapter_model.safetensors", "model.safetensors"}
    report = json.loads(next(c for n, c in learning.files.items() if n.endswith("report.json")))
    assert report["held_out_claims"] > 0 and report["before"] != report["after"]  # something was learned
    assert sum(name.endswith("history.jsonl") for name in learning.files) == 2


def test_a_kill_at_each_moment_one_after_the_other_changes_no_figure(learning):
    learning.reset()
    for moment in MOMENTS:
        learning.command.killed("learn", moment)
        learning.assert_whole()
    assert list(learning.folder.learned.glob("corpus-*/report.md.part")) and not learning.written("corpus-*/report.md")
    learning.command.run("learn")
    learning.assert_ended_the_same()


def test_kills_at_random_moments_change_no_figure(learning):
    chance = random.Random(5)
    learning.reset()
    started = time.monotonic()
    learning.command.run("learn")
    lasts = time.monotonic() - started
    learning.reset()
    for _ in range(4):
        process = learning.command.start("learn")
        time.sleep(chance.uniform(0.3, 1.0) * lasts)
        process.send_signal(signal.SIGKILL)
        _, told = process.communicate()
        assert process.returncode in (-signal.SIGKILL, 0), told
        learning.assert_whole()
    learning.command.run("learn")
    learning.assert_ended_the_same()
