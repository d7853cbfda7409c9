"""The steps check and publish, killed at any moment and run again, leave the very bytes of a run that nobody disturbed.

Those of search and synthesise are in their own tests, that of learn in test_killed_learn.py.
"""

import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from prima_jax.corpus.check.check import read_claims
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.publish.publish import published_corpora
from prima_jax.corpus.review.store import ReviewStore
from prima_jax.data.corpus_file import read_corpus
from prima_jax.workdir import locked_folder
from scripts.scripted_review import NAME, decide
from tests.corpus.invented_folder import make_folder
from tests.corpus.killed import Command, Moment

FLAGS = ("--config=configs/corpus.py:demo",)
LATER = 20
"""So many drafts, and so many decisions, came after the older files that the steps replace."""


@pytest.fixture(scope="module")
def before_check(tmp_path_factory):
    """A folder with drafts, and with the claims of fewer drafts."""
    return make_folder(tmp_path_factory.mktemp("before"), drafts_after_check=LATER)


@pytest.fixture(scope="module")
def before_publish(before_check, tmp_path_factory):
    """A folder with a published corpus, and with one more decision since."""
    folder = CorpusFolder(shutil.copytree(before_check.path, tmp_path_factory.mktemp("published") / "corpus"))
    command = Command(folder.path, tmp_path_factory.mktemp("hooks"), *FLAGS)
    command.run_here("check")
    decide(folder)
    command.run_here("publish")
    approved = next(c for c in read_claims(folder) if not c["flags"])
    with ReviewStore(folder.review) as store:
        store.decide(approved, NAME, "reject", needed=1, reason="on second thoughts")
    return folder


class Case:
    """One step: what was there before, and what is there after a run that nobody disturbed."""

    def __init__(self, step: str, template: CorpusFolder, place: Path) -> None:
        self.step, self._template, self._place = step, template, place
        self.folder = CorpusFolder(place / "corpus")
        self.command = Command(self.folder.path, place, *FLAGS)
        self.reset()
        self.before = self.written()
        self.command.run_here(step)
        self.after = self.written()
        self.reset()

    def reset(self) -> None:
        shutil.rmtree(self.folder.path, ignore_errors=True)
        shutil.copytree(self._template.path, self.folder.path)

    def written(self) -> dict[str, bytes]:
        """What the steps check and publish write."""
        return {
            p.name: p.read_bytes()
            for p in sorted(self.folder.path.iterdir())
            if p.match("claims.jsonl") or p.match("corpus-*.*[dln]")
        }

    def assert_whole(self) -> None:
        """What is there under its own name is as it was before or as it is at the end, and nobody holds the folder."""
        for name, content in self.written().items():
            assert content in (self.before.get(name), self.after.get(name)), name
        for corpus in published_corpora(self.folder):
            assert read_corpus(corpus, "text").published  # its hash fits
            assert json.loads(corpus.with_suffix(".json").read_text())["corpus"] == corpus.stem
            assert corpus.with_suffix(".md").exists()
        with locked_folder(self.folder.path, "--folder"):
            pass

    def assert_ended_the_same(self) -> None:
        """The same bytes, nothing else in the folder, and the corpus that was published now is the newest."""
        assert self.written() == self.after
        assert [p.name for p in self.folder.path.glob("*.part")] == []
        for new in {name for name in self.after if name.endswith(".jsonl")} - self.before.keys():
            assert published_corpora(self.folder)[-1].name == new


@pytest.fixture(scope="module")
def check_case(before_check, tmp_path_factory):
    return Case("check", before_check, tmp_path_factory.mktemp("check"))


@pytest.fixture(scope="module")
def publish_case(before_publish, tmp_path_factory):
    return Case("publish", before_publish, tmp_path_factory.mktemp("publish"))


def test_there_is_something_to_lose(check_case, publish_case):
    before, after = (written["claims.jsonl"].splitlines() for written in (check_case.before, check_case.after))
    assert 0 < len(before) <= len(after) - LATER
    kinds = [sorted(name.partition(".")[2] for name in w) for w in (publish_case.before, publish_case.after)]
    assert kinds == [["json", "jsonl", "jsonl", "md"], ["json", "json", "jsonl", "jsonl", "jsonl", "md", "md"]]


def test_claims_half_written_are_never_seen(check_case):
    check_case.reset()
    check_case.command.killed("check", Moment(within="claims.jsonl.part:30"))
    part = check_case.folder.path / "claims.jsonl.part"
    assert check_case.after["claims.jsonl"].startswith(part.read_bytes())
    assert 0 < part.stat().st_size < len(check_case.after["claims.jsonl"])
    assert check_case.written() == check_case.before
    check_case.assert_whole()
    check_case.command.run_here("check")
    check_case.assert_ended_the_same()


def test_a_corpus_that_only_lacks_its_name_does_not_stop_the_next_run(publish_case):
    """By then it is read-only, as published files are, and its card is there."""
    publish_case.reset()
    publish_case.command.killed("publish", Moment(at="os.rename corpus-*.jsonl.part *"))
    (part,) = publish_case.folder.path.glob("*.part")
    assert part.stat().st_mode & 0o222 == 0
    assert publish_case.written().keys() == publish_case.after.keys() - {part.stem}
    publish_case.assert_whole()
    publish_case.command.run("publish")
    publish_case.assert_ended_the_same()


@pytest.mark.slow
@pytest.mark.parametrize("step", ["check", "publish"])
def test_a_kill_before_each_change_of_a_file(step, request):
    case = request.getfixturevalue(f"{step}_case")
    case.reset()
    changes = case.command.run(step)
    case.assert_ended_the_same()
    moments = [number for number, change in enumerate(changes, start=1) if ".part" in change]
    assert len(moments) >= {"check": 2, "publish": 9}[step]  # each file is opened, made read-only if published, and named
    for number in moments:
        case.reset()
        case.command.killed(step, Moment(at=str(number)))
        case.assert_whole()
        case.command.run_here(step)
        case.assert_ended_the_same()


@pytest.mark.slow
@pytest.mark.parametrize("step", ["check", "publish"])
def test_kills_at_random_moments_one_after_the_other(step, request):
    """What one leaves behind the next one finds."""
    case, chance = request.getfixturevalue(f"{step}_case"), random.Random(11)
    case.reset()
    started = time.monotonic()
    case.command.run(step)
    lasts = time.monotonic() - started
    case.reset()
    for _ in range(4):
        process = case.command.start(step)
        time.sleep(chance.uniform(0.5, 1.1) * lasts)
        process.send_signal(signal.SIGKILL)
        _, told = process.communicate()
        assert process.returncode in (-signal.SIGKILL, 0), told
        case.assert_whole()
    case.command.run(step)
    case.assert_ended_the_same()
