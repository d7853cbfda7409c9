"""A file is there whole or not at all, whenever the process that writes it is killed."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from prima_jax.errors import UserError
from prima_jax.files import write_whole

KILLED = """
import os, signal, sys
from pathlib import Path
from prima_jax.files import write_whole

moment = sys.argv[1]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def pieces():
    yield b"a new " * 10_000
    if moment == "write":
        die()
    yield b"text"

if moment != "write":
    setattr(os, moment, die)
write_whole(Path(sys.argv[2]), pieces(), read_only=True)
"""


@pytest.mark.parametrize("before", [None, b"an old text"])
@pytest.mark.parametrize("moment", ["write", "fsync", "chmod", "replace"])
def test_a_kill_while_a_file_is_written_leaves_the_one_before(tmp_path, moment, before):
    path, part, other = tmp_path / "corpus.jsonl", tmp_path / "corpus.jsonl.part", tmp_path / "other"
    if before:
        write_whole(path, before, read_only=True)
    died = subprocess.run([sys.executable, "-c", KILLED, moment, str(path)], timeout=120)
    assert died.returncode == -signal.SIGKILL and part.exists()
    assert (path.read_bytes() if path.exists() else None) == before
    os.link(part, other)
    left = other.read_bytes()
    write_whole(path, b"a new text", read_only=True)
    assert path.read_bytes() == b"a new text" and path.stat().st_mode & 0o222 == 0
    assert not part.exists() and other.read_bytes() == left  # put away, since users cannot write to what is read-only


def test_a_full_disk_is_told_in_one_sentence_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_whole(path, b"before")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"results\.json \(No space left on device\): free space") as raised:
        write_whole(path, b"after")
    assert raised.value.__cause__.errno == errno.ENOSPC
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]
