"""The step synthesise, killed: nothing that was stored is asked again, and nothing is left out."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.write.synthesise import read_drafts
from tests.corpus.write.llm_server import Request
from tests.corpus.write.synthesising import ASKED, TOPICS, asked, evidence, store

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path):
    found = CorpusFolder(tmp_path / "corpus")
    store(found, evidence())
    return found


def start(folder: CorpusFolder) -> subprocess.Popen:
    command = [sys.executable, "-c", "from tests.corpus.write.synthesising import run_alone; run_alone()", str(folder.path)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def stored(folder: CorpusFolder) -> set[tuple[str, str]]:
    return {(d["family"], d["topic"]) for d in read_drafts(folder) if d["topic"] in ASKED}


def test_a_kill_within_or_after_an_answer_costs_that_answer_alone(llm_server, folder):
    """One process after the other, each killed at its moment but the last; each time nothing that is stored is asked again."""
    moments = ["half_way", "after"]
    for moment in [*moments, ""]:
        before, requests = stored(folder), len(llm_server.requests)
        process = start(folder)

        def kill(request: Request, process: subprocess.Popen = process, requests: int = requests) -> None:
            if len(llm_server.requests) - requests == 2:  # the second question: one is stored by then
                os.kill(process.pid, signal.SIGKILL)

        for name in moments:
            setattr(llm_server, name, kill if name == moment else lambda _: None)
        _, told = process.communicate(timeout=120)
        assert process.returncode == (-signal.SIGKILL if moment else 0), told
        again = asked(llm_server, requests)
        assert not before & set(again) and len(set(again)) == len(again)
        assert before < stored(folder)
    everything = {(family, topic) for family in ("openai", "google") for topic in ASKED}
    assert stored(folder) == everything and len(read_drafts(folder)) == 2 * len(TOPICS)
    counted = Counter((d["writer"], d["topic"]) for d in map(json.loads, folder.drafts.read_text().splitlines()))
    assert set(counted.values()) == {1}
    assert len(everything) <= len(llm_server.requests) <= len(everything) + len(moments)
