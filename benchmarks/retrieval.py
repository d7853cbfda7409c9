"""Time and memory of the step retrieve on synthetic records, and whether evidence planted among them is found.

    python -m benchmarks.retrieval --out docs/retrieval.json

12,500 to 100,000 records (--records for others), each size in processes of its own: one that fills the store, one that
splits, indexes and retrieves for 20 diseases x (25 attributes and the global summary). Records are drawn from a fixed
seed: 200,000 words with frequencies after Zipf, abstracts of some 200 words, each disease named in 5%, each attribute in 4%.
"""

import argparse
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from configs.corpus import get_config
from prima_jax.corpus import retrieve
from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.topics import study_topics, text_words
from prima_jax.studies.study import Attribute, Study

SIZES = (12_500, 25_000, 50_000, 100_000)
DISEASES = 20
ATTRIBUTES = 25
PLANTED = 3
"""Records for each topic that speak of it, two sentences each; all lie among the first 12,500."""
CHUNK = 500
VOCABULARY = 200_000
FUNCTION_WORDS = "the of and in to with a for was were is by on that as from at or no not after we than be this are an"
NUMBERS = ("(OR 1.42; 95% CI 1.10-1.83; P = 0.03)", "(n = 48)", "vs. 12.5%", "(i.e. 3 of 10)", "[HR 0.87]", "et al.")
LIMIT_SECONDS = 120
LIMIT_GIB = 2.0


def vocabulary() -> np.ndarray:
    """Words that can be spoken, the most frequent first."""
    rng = np.random.default_rng(1)
    parts = [a + b for a, b in itertools.product([*"bcdfglmnprstv", "st", "tr", "pl"], [*"aeiou", "ia", "eo"])]
    words = dict.fromkeys(FUNCTION_WORDS.split(), None)
    endings = ("", "s", "ed", "ing", "ic", "osis", "oma", "itis", "al", "ation")
    while len(words) < VOCABULARY:
        drawn = rng.integers(len(parts), size=(VOCABULARY, 4))
        lengths, ends = rng.integers(2, 5, VOCABULARY), rng.integers(len(endings), size=VOCABULARY)
        for row, length, end in zip(drawn.tolist(), lengths.tolist(), ends.tolist(), strict=True):
            words["".join(parts[i] for i in row[:length]) + endings[end]] = None
    return np.array(list(words)[:VOCABULARY], dtype=object)


def study(words: np.ndarray) -> Study:
    """Diseases of two or three words with a synonym, attributes of a word's stem and a phrase; all of middling frequency."""
    rng = np.random.default_rng(2)
    middling = iter(rng.permutation(np.arange(300, 6000)).tolist())

    def phrase(length: int) -> str:
        return " ".join(words[next(middling)] for _ in range(length))

    classes = {f"D{n}": phrase(2 + n % 2) for n in range(DISEASES)}
    attributes = tuple(
        Attribute(f"a{n}", f"a{n}", "yes_no", "Yes.", "No.", terms=(words[next(middling)] + "*", phrase(2), "Heading[mh]"))
        for n in range(ATTRIBUTES)
    )
    terms = {name: (phrase(2), "Heading[mh]") for name in classes}
    return Study("synthetic", "Synthetic", classes, "d", "i", ("s",), ("u",), attributes, terms=terms)


def records(count: int) -> Iterator[Article]:
    """The first `count` records; fewer are a prefix of more."""
    words = vocabulary()
    topics = study_topics(study(words))
    diseases = {topic.disease: text_words(topic.disease_terms) for topic in topics}
    attributes = {topic.attribute: text_words(topic.attribute_terms) for topic in topics if topic.attribute}
    evidence = planted(topics)
    frequency = 1 / (np.arange(VOCABULARY) + 2.7) ** 1.05
    cumulative = np.cumsum(frequency / frequency.sum())
    for chunk in range(0, count, CHUNK):
        rng = np.random.default_rng([3, chunk])
        for number in range(chunk, min(chunk + CHUNK, count)):
            lengths = rng.integers(12, 29, rng.integers(7, 14))
            drawn = words[np.searchsorted(cumulative, rng.random(lengths.sum() + 12))].tolist()
            sentences = [drawn[end - length : end] for end, length in zip(np.cumsum(lengths), lengths, strict=True)]
            title = drawn[-12:]
            for terms in diseases.values():
                if rng.random() < 0.05:
                    term = terms[rng.integers(len(terms))]
                    for _ in range(rng.integers(1, 4)):
                        _insert(rng, sentences, term)
                    if rng.random() < 0.5:
                        title.append(term)
            for terms in attributes.values():
                if rng.random() < 0.04:
                    _insert(rng, sentences, terms[rng.integers(len(terms))].replace("*", "ing"))
            for _ in range(3):
                _insert(rng, sentences, NUMBERS[rng.integers(len(NUMBERS))])
            texts = [(" ".join(sentence) + ".").capitalize() for sentence in sentences]
            for topic in evidence.get(number, ()):
                texts[3:3] = _statement(topics[topic])
            half = len(texts) // 2
            parts = (("Methods", " ".join(texts[:half])), ("Results", " ".join(texts[half:])))
            yield Article(str(10_000_000 + number), " ".join(title).capitalize(), parts, 2000 + number % 25, ("Journal Article",))


def planted(topics: tuple[Any, ...]) -> dict[int, list[int]]:
    """Record -> the topics planted in it."""
    rng = np.random.default_rng(4)
    places: dict[int, list[int]] = {}
    for topic in range(len(topics)):
        if topics[topic].attribute:
            for number in rng.choice(SIZES[0], PLANTED, replace=False).tolist():
                places.setdefault(number, []).append(topic)
    return places


def _insert(rng: np.random.Generator, sentences: list[list[str]], term: str) -> None:
    sentence = sentences[rng.integers(len(sentences))]
    sentence.insert(rng.integers(1, len(sentence)), term)


def _statement(topic: Any) -> list[str]:
    disease, factor = topic.disease_terms[0], topic.attribute_terms[0].replace("*", "ing")
    return [
        f"In this cohort {factor} raised the risk of {disease} (OR 1.62, 95% CI 1.21 to 2.17; P = 0.002).",
        f"Among those with {disease} there was more {factor}, e.g. in men.",
    ]


def fill(folder: CorpusFolder, count: int) -> None:
    """Stores the records."""
    with ArticleStore(folder.articles) as store:
        for batch in _batched(records(count), 1000):
            store.add((article, article.abstract.encode()) for article in batch)


def _batched(items: Iterator[Article], size: int) -> Iterator[list[Article]]:
    while batch := list(itertools.islice(items, size)):
        yield batch


def measure_fill(folder: CorpusFolder, count: int) -> dict[str, float]:
    """{"seconds", "peak_gib"}; the drawing of the records counts too."""
    started = time.perf_counter()
    fill(folder, count)
    return {"seconds": time.perf_counter() - started, "peak_gib": peak()}


def measure_retrieve(folder: CorpusFolder, count: int) -> dict[str, Any]:
    """Seconds and peak memory after the index is there, and at the end; the share of planted evidence found."""
    config = get_config("pad_ufes_20")
    cohort = study(vocabulary())
    topics = study_topics(cohort)
    marks: dict[str, Any] = {}
    build = retrieve.PassageIndex

    def timed(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        index = build(*arguments, **options)
        marks.update(index_seconds=time.perf_counter() - started, index_peak_gib=peak(), windows=len(index))
        return index

    retrieve.PassageIndex = timed  # type: ignore[misc, assignment]
    started = time.perf_counter()
    retrieve.run(config, cohort, folder)
    seconds, memory = time.perf_counter() - started, peak()
    found = {(topic, p.article) for topic, passages in retrieve.read_passages(folder).items() for p in passages}
    wanted = {
        (topics[t].id, str(10_000_000 + n)) for n, planted_here in planted(topics).items() for t in planted_here if n < count
    }
    recall = len(wanted & found) / len(wanted)
    return {
        **marks,
        "retrieve_seconds": seconds - marks["index_seconds"],
        "seconds": seconds,
        "peak_gib": memory,
        "passages": len(found),
        "recall_of_planted": recall,
    }


def peak() -> float:
    """This process's largest resident memory so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def child(step: str, folder: Path, count: int) -> dict[str, Any]:
    """Measures one step in a process of its own, so that none sees another's memory."""
    command = [sys.executable, "-m", "benchmarks.retrieval", "--step", step, "--folder", str(folder), "--records", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--out", type=Path, help="also write the figures here, as JSON")
    parser.add_argument("--step", choices=("fill", "retrieve"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        measure = {"fill": measure_fill, "retrieve": measure_retrieve}[given.step]
        print(json.dumps(measure(CorpusFolder(given.folder), given.records[0])))
        return
    rows = []
    print("records   windows   fill s  GiB   index s  GiB   retrieve s   both s  GiB   planted found", flush=True)
    for count in given.records:
        with tempfile.TemporaryDirectory() as folder:
            filled = child("fill", Path(folder), count)
            row = child("retrieve", Path(folder), count)
        rows.append({"records": count, "fill_seconds": filled["seconds"], "fill_peak_gib": filled["peak_gib"], **row})
        print(
            f"{count:7d} {row['windows']:9d} {filled['seconds']:8.1f} {filled['peak_gib']:4.2f} {row['index_seconds']:9.1f} "
            f"{row['index_peak_gib']:4.2f} {row['retrieve_seconds']:12.1f} {row['seconds']:8.1f} {row['peak_gib']:4.2f} "
            f"{row['recall_of_planted']:15.1%}",
            flush=True,
        )
    if given.out:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
        rounded = [{k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
        given.out.write_text(json.dumps({"machine": machine, "rows": rounded}, indent=1) + "\n")
    slow = [
        r["records"] for r in rows if r["records"] <= SIZES[-1] and (r["seconds"] > LIMIT_SECONDS or r["peak_gib"] > LIMIT_GIB)
    ]
    if slow:
        raise SystemExit(f"Beyond {LIMIT_SECONDS} s or {LIMIT_GIB} GiB: {slow}")


if __name__ == "__main__":
    main()
