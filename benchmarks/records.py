"""Time and memory of reading a study and making its batches, for a million records, a tenth and a hundredth of them.

    python -m benchmarks.records FOLDER --records=1000000

Draws a study in FOLDER (two photographs a unit, three units a subject, twelve attributes with missing cells, photographs of 16
pixels, one in a thousand the copy of another), then takes each step in a process of its own, which is given what it needs by
the step before. The table has wall seconds, the processors' seconds, and the most memory that a process held beside files that
it had mapped (RssAnon of Linux' /proc, asked for 20 times a second), what Python and its packages take among it; then
the exponent of the processors' seconds and the bytes that a record adds, from one size to the next. What is measured is kept
in FOLDER: a call that is stopped goes on with the step at which it was.
"""

import argparse
import csv
import itertools
import json
import math
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from prima_jax.data import loader, text
from prima_jax.data.images import Augmentation
from prima_jax.data.metadata import OneHot, soft_label_vectors
from prima_jax.data.prepare import prepare
from prima_jax.data.splits import assign_folds
from prima_jax.studies.manifest import LoadedStudy, contradictions, read
from prima_jax.studies.study import Attribute, Study

SIDE, PREPARED_SIDE, BATCH, FILES_A_FOLDER, MOST_IMAGES = 16, 32, 64, 1000, 100_000
WORDS = ("red", "brown", "black", "pink", "grey", "blue")
ATTRIBUTES = (
    *(Attribute(f"colour{n}", f"colour{n}", "category", f"Colour {n} is {{value}}.", visual=True) for n in range(4)),
    *(Attribute(f"size{n}", f"size{n}", "number", f"Size {n} is {{value}} mm.", visual=True) for n in range(4)),
    *(Attribute(f"sign{n}", f"sign{n}", "yes_no", f"Sign {n} is there.", f"Sign {n} is not there.") for n in range(4)),
)
STUDY = Study(
    name="drawn",
    title="Drawn records",
    classes={name: name for name in "abcdef"},
    label_column="diagnosis",
    image_column="image",
    subject_columns=("subject",),
    unit_columns=("unit",),
    image_type_column="view",
    image_types={"white": "white light", "blue": "blue light"},
    attributes=ATTRIBUTES,
    synthetic=True,
)


def draw(folder: Path, count: int) -> None:
    """Writes manifest.csv and `count` photographs, where they are not there yet."""
    if (folder / "manifest.csv").exists():
        return
    for start in range(0, count, FILES_A_FOLDER):
        part = folder / "images" / f"{start // FILES_A_FOLDER:04}"
        part.mkdir(parents=True, exist_ok=True)
        drawn = photographs(start)
        for number in range(start, min(start + FILES_A_FOLDER, count)):
            pixels = drawn[number - start].tobytes()
            (part / f"{number:07}.ppm").write_bytes(f"P6 {SIDE} {SIDE} 255\n".encode() + pixels)
    temporary = folder / "manifest.part"
    with temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "subject", "unit", "view", "diagnosis", *(a.column for a in ATTRIBUTES)])
        writer.writerows(rows(count))
    temporary.rename(folder / "manifest.csv")


def photographs(start: int) -> np.ndarray:
    """FILES_A_FOLDER smooth ones, uint8 [N, SIDE, SIDE, 3], of which the last is the one before the middle, a level brighter."""
    r = np.random.default_rng([0, start])
    places = np.linspace(0, 2, SIDE)[:, None]
    smooth = np.maximum(0, 1 - np.abs(places - np.arange(3)))  # [SIDE, 3], linear between three
    colours = r.normal(150, 15, (FILES_A_FOLDER, 1, 1, 3)) + r.normal(0, 12, (FILES_A_FOLDER, 3, 3, 3))
    drawn = np.einsum("xi,yj,nijc->nxyc", smooth, smooth, colours) + r.normal(0, 3, (FILES_A_FOLDER, SIDE, SIDE, 3))
    drawn[-1] = drawn[FILES_A_FOLDER // 2] + 1
    return np.clip(drawn, 0, 255).astype(np.uint8)


def rows(count: int) -> Iterator[list[str]]:
    """The cells of each record; those of a unit's attributes are alike, and a fifth of them empty."""
    r, classes = np.random.default_rng(1), list(STUDY.classes)
    for number in range(count):
        if number % 2 == 0:
            words = [WORDS[n] for n in r.integers(len(WORDS), size=4)]
            cells = [*words, *(f"{size:.1f}" for size in 9 * r.random(4)), *_answers(r)]
            cells = ["" if gone else cell for gone, cell in zip(r.random(len(cells)) < 0.2, cells, strict=True)]
            label = classes[min(int(r.exponential(1.5)), len(classes) - 1)]
        image = f"{number // FILES_A_FOLDER:04}/{number:07}.ppm"
        yield [image, f"S{number // 6:06}", f"U{number // 2:06}", ("white", "blue")[number % 2], label, *cells]


def _answers(r: np.random.Generator) -> list[str]:
    return [("no", "yes")[n] for n in r.integers(2, size=4)]


def reading_step(folder: Path, count: int) -> Callable[[], Any]:
    def step() -> LoadedStudy:
        reading = read(STUDY, folder, cache=folder / "prepared")
        assert not contradictions(reading) and len(reading.records) == count
        assert len(reading.identical) == count // FILES_A_FOLDER
        return reading

    return step


def preparing_step(folder: Path, _: int) -> Callable[[], Any]:
    reading = kept(folder, "reading")
    return lambda: len(prepare(reading, folder / "prepared", size=PREPARED_SIDE).source)


def splitting_step(folder: Path, _: int) -> Callable[[], Any]:
    reading = kept(folder, "reading")
    names = STUDY.class_names
    return lambda: assign_folds(reading.records, folds=5, group="unit", identical=reading.identical, seed=0, class_names=names)


def one_hot_step(folder: Path, _: int) -> Callable[[], Any]:
    records = kept(folder, "reading").records
    return lambda: soft_label_vectors(OneHot.fit(STUDY, records), records, len(STUDY.classes)).sum()


def sentences_step(folder: Path, _: int) -> Callable[[], Any]:
    records = kept(folder, "reading").records
    return lambda: sorted({text.sentence(STUDY, record.fields) for record in records})


def tokens_step(folder: Path, _: int) -> Callable[[], Any]:
    sentences = kept(folder, "sentences")
    if not (folder / "tokenizer").exists():
        text.train_tokenizer(sentences[:2000], folder / "tokenizer", vocabulary_size=1000)
    tokenizer = text.load_tokenizer(folder / "tokenizer")
    return lambda: text.tokenize(tokenizer, sentences, 512).ids.shape


def index_step(_: Path, count: int) -> Callable[[], Any]:
    return lambda: epoch(loader.index_batches(count, batch_size=BATCH, seed=0), count)


def images_step(folder: Path, count: int) -> Callable[[], Any]:
    prepared = prepare(kept(folder, "reading"), folder / "prepared", size=PREPARED_SIDE)
    count = min(count, MOST_IMAGES)
    options = {"image_size": PREPARED_SIDE, "augmentation": Augmentation(), "batch_size": BATCH, "seed": 0}
    return lambda: epoch(loader.image_batches(prepared, range(count), **options), count)


def epoch(batches: Any, count: int) -> int:
    """Takes the batches of one epoch; returns the number of their examples."""
    return sum(len(next(batches)["index"]) for _ in range(count // BATCH))


STEPS = {
    "reading": reading_step,
    "preparing": preparing_step,
    "splitting": splitting_step,
    "one-hot": one_hot_step,
    "sentences": sentences_step,
    "tokens": tokens_step,
    "index batches": index_step,
    "image batches": images_step,
}
KEPT = ("reading", "sentences")
"""The steps whose result others need."""


def kept(folder: Path, step: str) -> Any:
    """What an earlier step left."""
    with (folder / f"{step}.pickle").open("rb") as file:
        return pickle.load(file)


def take(folder: Path, count: int, name: str) -> None:
    """Takes one step in this process, and writes its seconds."""
    step = STEPS[name](folder, count)
    started, processors = time.perf_counter(), time.process_time()
    found = step()
    took = {"seconds": time.perf_counter() - started, "processors": time.process_time() - processors}
    (folder / f"{name}.seconds").write_text(json.dumps(took))
    if name in KEPT:
        with (folder / f"{name}.pickle").open("wb") as file:
            pickle.dump(found, file)


def measured(place: Path, count: int, name: str) -> dict[str, float]:
    """Takes one step in a process of its own: {"seconds", "processors", "bytes"}; read back where it was taken before."""
    note = place / str(count) / f"{name}.json"
    if not note.exists():
        command = [sys.executable, "-m", "benchmarks.records", str(place), f"--records={count}", f"--step={name}"]
        log, taken, most = note.with_suffix(".log"), note.with_suffix(".seconds"), 0
        taken.unlink(missing_ok=True)
        with log.open("w") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file)
        while process.poll() is None and not taken.exists():  # what it keeps for the next step does not count
            most = max(most, anonymous_bytes(process.pid))
            time.sleep(0.05)
        if process.wait():
            raise SystemExit(log.read_text())
        note.write_text(json.dumps({**json.loads(taken.read_text()), "bytes": most}))
    return json.loads(note.read_text())


def anonymous_bytes(process: int) -> int:
    """What a process holds of memory that is no file's; 0 of one that is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def table(figures: dict[int, dict[str, dict[str, float]]]) -> str:
    """The figures as Markdown: a line for each step."""
    sizes = sorted(figures)
    pairs = list(itertools.pairwise(sizes))
    head = [f"{n:,}: s | processors' s | GiB" for n in sizes] + [f"exponent to {b:,} | bytes a record" for _, b in pairs]
    lines = [f"| step | {' | '.join(head)} |", "|---|" + "--:|" * (3 * len(sizes) + 2 * len(pairs))]
    for name in STEPS:
        of = {n: figures[n][name] for n in sizes if name in figures[n]}
        cells = [f"{f['seconds']:.1f} | {f['processors']:.1f} | {f['bytes'] / 2**30:.2f}" for f in of.values()]
        for a, b in pairs:
            if a in of and b in of:
                exponent = math.log(of[b]["processors"] / of[a]["processors"]) / math.log(b / a)
                cells.append(f"{exponent:.2f} | {(of[b]['bytes'] - of[a]['bytes']) / (b - a):.0f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--step", choices=STEPS, help="take this one in this process")
    options = parser.parse_args()
    if options.step:
        take(options.folder / str(options.records), options.records, options.step)
        return
    figures: dict[int, dict[str, dict[str, float]]] = {}
    for count in (options.records // 100, options.records // 10, options.records):
        draw(options.folder / str(count), count)
        for name in STEPS:
            figures.setdefault(count, {})[name] = measured(options.folder, count, name)
            print(f"{count:,} {name}: {figures[count][name]}", file=sys.stderr)
    print(table(figures))


if __name__ == "__main__":
    main()
