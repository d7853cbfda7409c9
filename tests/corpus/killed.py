"""Kills the command line at a moment: at the n-th time that it changes something in its folder, or within writing a file.

A hook that Python loads by itself sees what the process is about to do (sys.addaudithook), so the process is the real one,
`python -m prima_jax.corpus`, and the moment does not depend on the clock.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from prima_jax.corpus.__main__ import main
from tests import quick

ROOT = Path(__file__).parents[2]
HOOK = '''
import ctypes, fnmatch, os, signal, sys

folder, at = os.environ["KILL_FOLDER"], os.environ["KILL_AT"]
within, _, pieces = os.environ["KILL_WITHIN"].partition(":")
log = os.open(os.environ["KILL_LOG"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
count, written = 0, 0
CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def become_anybody():
    """Root may write to what is read-only for all, users may not: CAP_DAC_OVERRIDE is given up."""
    libc, header, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) == 0:
        sets[0] &= ~2
        libc.capset(header, sets)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def writes(frame, event, argument):
    """Pieces of a file that go out; what is on the disk by then is a part of it."""
    global written
    if event == "c_return" and argument.__name__ == "write":
        written += 1
        if written == int(pieces):
            die()

def hook(event, arguments):
    global count
    if event != "open" and not event.startswith(("os.", "sqlite3.connect")):
        return
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & CHANGES):
        return
    paths = [os.fsdecode(a) for a in arguments if isinstance(a, (str, bytes, os.PathLike))]
    if event == "os.listdir" or event == "os.scandir" or not any(path.startswith(folder) for path in paths):
        return
    count += 1
    change = " ".join([event, *(path.removeprefix(folder).lstrip("/") for path in paths)])
    os.write(log, change.encode() + b"\\n")
    if str(count) == at or fnmatch.fnmatchcase(change, at):
        die()
    if event == "open" and within and paths[0].endswith(within):
        sys.setprofile(writes)

become_anybody()
sys.addaudithook(hook)
'''


@dataclass(frozen=True)
class Moment:
    """When a process ends itself; by default never."""

    at: str = ""
    """A change, such as "os.rename corpus-*.jsonl.part *", or its number: just before it."""
    within: str = ""
    """`NAME:N`: once N pieces of the file NAME have been written, and not all of it."""


class Command:
    """The command line on one folder, with the hook."""

    def __init__(self, folder: Path, place: Path, *arguments: str) -> None:
        self.folder = folder
        self.arguments = [f"--folder={folder}", *arguments]
        self._hooks, self._log, self._cache = place / "hooks", place / "changes", place / "cache"
        self._hooks.mkdir(exist_ok=True)
        (self._hooks / "sitecustomize.py").write_text(HOOK)

    def start(self, step: str, moment: Moment | None = None) -> subprocess.Popen:
        moment = moment or Moment()
        environment = os.environ | quick.ENVIRONMENT
        environment |= {
            "PYTHONPATH": str(self._hooks),
            "XDG_CACHE_HOME": str(self._cache),
            "KILL_FOLDER": str(self.folder),
            "KILL_AT": moment.at,
            "KILL_WITHIN": moment.within,
            "KILL_LOG": str(self._log),
        }
        command = [sys.executable, "-m", "prima_jax.corpus", *self.arguments, step]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_here(self, step: str) -> None:
        """The same command in this process, which has everything imported already."""
        assert main([*self.arguments, step]) == 0

    def run(self, step: str) -> list[str]:
        """Runs a step to its end; returns what it changed in the folder, in that order."""
        with self.start(step) as process:
            told = _end(process)
        assert process.returncode == 0, told
        return self._log.read_text().splitlines()

    def killed(self, step: str, moment: Moment) -> None:
        """Runs a step that has to die at the moment."""
        with self.start(step, moment) as process:
            told = _end(process)
        assert process.returncode == -signal.SIGKILL, f"{moment}: {process.returncode} {told}"


def _end(process: subprocess.Popen) -> str:
    """Waits for the end, and leaves no process behind where that does not come; returns what was told."""
    try:
        return process.communicate(timeout=900)[1]
    finally:
        process.kill()
