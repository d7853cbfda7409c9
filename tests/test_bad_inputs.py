"""Inputs drawn at random for each reader of what comes from outside: read as finite values, or refused in one sentence.

`PRIMA_BAD_INPUTS_SECONDS=600 pytest tests/test_bad_inputs.py -s` draws for so long and prints the counts of each reader.
No message may hold a patient's value (canaries.py).
"""

import json
import math
import os
import resource
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prima_jax.clinic import case_flags
from prima_jax.clinic.cases import NewCase, records_of
from prima_jax.data import builder, corpus_file, text
from prima_jax.errors import UserError
from prima_jax.models import checkpoint_files, pretrained
from prima_jax.studies import manifest
from prima_jax.workdir import load_config
from tests.canaries import CANARY
from tests.data.cohort import HEADER, ROWS, STUDY, write_cohort, write_photograph
from tests.stages.tiny import tiny_config

SECONDS = float(os.environ.get("PRIMA_BAD_INPUTS_SECONDS", "0"))
DRAWS = 60
"""Of each reader, where no time is set."""
PIECES = [
    *(b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"'", b"\r", b"\n", b",", b";", b"\t", b"{", b"}", b"[", b":", b"\\"),
    *(b"NaN", b"Infinity", b"-1e999", b"1e308", b"0x10", b"1_0", b"null", b"true", b"-0", b"9" * 5000, b"[" * 100_000),
    *(b"\\ud800", "\u202e".encode(), "é".encode("latin-1"), "e\u0301".encode(), b"../../etc/passwd", b"%s%n", b"=1+1", b" "),
]


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes: a piece put in or in place of some bytes, bytes taken out, a bit turned, a part said twice."""
    for _ in range(rng.integers(1, 4)):
        at, width = int(rng.integers(len(content) + 1)), int(rng.integers(0, 30))
        piece = PIECES[rng.integers(len(PIECES))]
        content = (
            content[:at] + piece + content[at:],
            content[:at] + piece + content[at + width :],
            content[:at] + content[at + width :],
            content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]
            if at < len(content)
            else content,
            content[:at] + content[max(0, at - width) :],
            content[:at],
        )[rng.integers(6)]
    return content


def read_manifest(folder: Path, rng: np.random.Generator) -> Any:
    """A cell with a canary in it, or bytes anywhere."""
    if not (folder / "images").exists():
        write_cohort(folder)
    rows = [list(row) for row in ROWS]
    if rng.random() < 0.5:
        piece = PIECES[rng.integers(len(PIECES))].decode("utf-8", "replace")[:200]
        rows[rng.integers(len(rows))][rng.integers(len(HEADER))] = f"{CANARY}{piece}"
        content = "\n".join(",".join(row) for row in [list(HEADER), *rows]).encode()
    else:
        content = damaged("\n".join(",".join(row) for row in [list(HEADER), *rows]).encode(), rng)
    (folder / "manifest.csv").write_bytes(content)
    return [list(record.fields.values()) for record in manifest.read(STUDY, folder).records]


def read_metadata(folder: Path, rng: np.random.Generator) -> Any:
    (folder / "case.json").write_bytes(
        damaged(json.dumps({"age": CANARY * int(rng.integers(2)) + "35", "sex": "F", "pain": "yes"}).encode(), rng)
    )
    found = case_flags.read_metadata(str(folder / "case.json"))
    known = {a.column: a.name for a in STUDY.attributes}
    case = NewCase([("white", b"")], {k: v for k, v in found.items() if k in known})
    return list(records_of(STUDY, 0, case)[0].fields.values())


def read_photograph(folder: Path, rng: np.random.Generator) -> Any:
    path = folder / f"eye.{['png', 'jpg', 'webp', 'tif'][rng.integers(4)]}"
    if not path.exists():
        write_photograph(path, 0)
    builder.resample(damaged(path.read_bytes(), rng), 32, "eye")


def read_corpus(folder: Path, rng: np.random.Generator) -> Any:
    row = {"text": "Smoking raises the risk.", "disease": "BCC", "attribute": "smoke", "direction": "raises"}
    (folder / "corpus.jsonl").write_bytes(damaged((json.dumps(row) + "\n").encode() * 3, rng))
    corpus_file.read_corpus(folder / "corpus.jsonl", "text")


def read_config(folder: Path, rng: np.random.Generator) -> Any:
    (folder / "config.json").write_bytes(damaged(json.dumps(tiny_config().to_dict(), default=list).encode(), rng))
    load_config(folder)


def read_checkpoint(folder: Path, rng: np.random.Generator) -> Any:
    described = dict(tiny_config().models.llm.architecture)
    path = folder / "checkpoint" / "config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(damaged(json.dumps(described, default=list).encode(), rng))
    pretrained.build(checkpoint_files.read_json(path))


def read_tokenizer(folder: Path, rng: np.random.Generator) -> Any:
    if not (folder / "whole").exists():
        text.train_tokenizer(["A photograph of an eye.", "Aged 35."] * 4, folder / "whole", vocabulary_size=300)
    (folder / "tokenizer").mkdir(exist_ok=True)
    files = sorted(file for file in (folder / "whole").iterdir() if file.suffix == ".json")
    chosen = int(rng.integers(len(files)))
    for number, file in enumerate(files):
        content = file.read_bytes()
        (folder / "tokenizer" / file.name).write_bytes(damaged(content, rng) if number == chosen else content)
    text.load_tokenizer(folder / "tokenizer")


READERS: dict[str, Callable[[Path, np.random.Generator], Any]] = {
    "manifest": read_manifest,
    "metadata": read_metadata,
    "photograph": read_photograph,
    "corpus": read_corpus,
    "config of a run": read_config,
    "config of a checkpoint": read_checkpoint,
    "tokenizer": read_tokenizer,
}


@pytest.mark.parametrize("name", READERS)
def test_what_comes_from_outside_is_read_or_refused_in_one_sentence(name: str, tmp_path: Path):
    with suppress(UserError):  # imports take seconds
        READERS[name](tmp_path, np.random.default_rng(0))
    started, counts, longest, number = time.monotonic(), Counter[str](), 0.0, 0
    while number < DRAWS or time.monotonic() - started < SECONDS / len(READERS):
        before = time.monotonic()
        try:
            values = READERS[name](tmp_path, np.random.default_rng([7, number]))
        except UserError as error:
            assert "\n" not in str(error), f"draw {number}: {error}"
            counts["refused"] += 1
        else:
            numbers = [value for row in values or [] for value in (row if isinstance(row, list) else [row])]
            assert all(math.isfinite(value) for value in numbers if isinstance(value, float)), f"draw {number}"
            counts["read"] += 1
        longest, number = max(longest, time.monotonic() - before), number + 1
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name}: {dict(counts)}, the longest {longest:.2f} s, {largest:.2f} GiB at most")
    assert longest < 30, "one hangs"  # a hang, not a speed: each takes some milliseconds
    assert largest < 4
