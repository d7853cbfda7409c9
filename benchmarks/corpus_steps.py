"""Time and memory of every step of the corpus that depends on the number of records or of claims, and how well it ranks.

    python -m benchmarks.corpus_steps --out docs/corpus_steps.json

Two sweeps over drawn records (corpus_records.py): 12,500 to 100,000 records with 20 diseases x 25 factors, for the steps that
read records; and 5 to 40 diseases x 25 factors in 12,500 records, for the steps that read claims, of which the extractive
writer makes eight at most for each topic however many records there are. Each step runs in a process of its own; what is
measured is the step without starting Python. `search` reads JSON lines (12,500 records a file), `search_xml` the same records
as PubMed's compressed XML, of which it keeps those that name a disease, `fill` is the part of it that stores; `review` is
scripts/scripted_review.py, which stands for the reviewers. An exponent is the slope of log seconds
over log records, or claims.

Seconds of the processor stand beside those of the clock, since other work on the machine, or waiting for the disk, is in the
latter alone; the exponents are of the processor's. Those that a plain loop took before and after the step stand there too,
since a shared machine is not always as fast.
"""

import argparse
import gzip
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from ml_collections import ConfigDict

from benchmarks import corpus_records, ranking
from configs.corpus import get_config
from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.check import check
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.publish import publish
from prima_jax.corpus.retrieve import retrieve
from prima_jax.corpus.search import search
from prima_jax.corpus.topics import study_topics
from prima_jax.corpus.write import synthesise
from prima_jax.studies.study import Study
from scripts import scripted_review

RECORDS = (12_500, 25_000, 50_000, 100_000)
DISEASES = (5, 10, 20, 40)
FILE_SIZE = 12_500
SOURCES = ("lines", "xml")
LIMIT_SECONDS = 120
LIMIT_GIB = 2.0
"""Of `retrieve`, its index included, at 100,000 records."""
OVER_RECORDS = ("search", "search_xml", "fill", "index", "retrieve", "synthesise", "check", "review", "publish")
OVER_CLAIMS = ("synthesise", "check", "review", "publish")

Figures = dict[str, Any]


def settings(source: Path) -> ConfigDict:
    config = get_config("pad_ufes_20")
    config.search.source = str(source)
    config.review.reviewers = 1
    return config


def draw(folder: CorpusFolder, cohort: Study, records: int) -> Figures:
    """Writes the files that the steps begin with; no step of the corpus."""
    drawn = corpus_records.records(records, cohort)
    for name in SOURCES:
        (folder.path / name).mkdir()
    for number, articles in enumerate(iter(lambda: list(itertools.islice(drawn, FILE_SIZE)), [])):
        lines = "".join(json.dumps(asdict(article)) + "\n" for article in articles)
        (folder.path / "lines" / f"{number}.jsonl").write_text(lines)
        xml = f"<PubmedArticleSet>{''.join(map(_xml, articles))}</PubmedArticleSet>"
        (folder.path / "xml" / f"{number}.xml.gz").write_bytes(gzip.compress(xml.encode(), compresslevel=1))
    return {}


def share(drawn: Path, folder: Path, records: int) -> None:
    """The files of the first `records` records."""
    for name in SOURCES:
        (folder / name).mkdir()
        for file in sorted((drawn / name).iterdir())[: records // FILE_SIZE]:
            (folder / name / file.name).symlink_to(file)


def _xml(article: Article) -> str:
    abstract = "".join(f'<AbstractText Label="{label}">{escape(text)}</AbstractText>' for label, text in article.sections)
    types = "".join(f"<PublicationType>{kind}</PublicationType>" for kind in article.types)
    return (
        f'<PubmedArticle><MedlineCitation><PMID Version="1">{article.id}</PMID><Article><Journal><JournalIssue><PubDate><Year>'
        f"{article.year}</Year></PubDate></JournalIssue></Journal><ArticleTitle>{escape(article.title)}</ArticleTitle><Abstract>"
        f"{abstract}</Abstract><PublicationTypeList>{types}</PublicationTypeList></Article></MedlineCitation></PubmedArticle>\n"
    )


def search_lines(folder: CorpusFolder, cohort: Study, records: int) -> Figures:
    with measured() as marks:
        search.run(settings(folder.path / "lines"), cohort, folder)
    return marks | {"stored": _stored(folder)}


def search_xml(folder: CorpusFolder, cohort: Study, records: int) -> Figures:
    with tempfile.TemporaryDirectory() as elsewhere:
        other = CorpusFolder(Path(elsewhere))
        with measured() as marks:
            search.run(settings(folder.path / "xml"), cohort, other)
        return marks | {"stored": _stored(other)}


def _stored(folder: CorpusFolder) -> int:
    with ArticleStore(folder.articles) as store:
        return len(store)


def fill(folder: CorpusFolder, cohort: Study, records: int) -> Figures:
    """Stores all records again in another file, a thousand at once as the step search does."""
    with ArticleStore(folder.articles) as store, tempfile.TemporaryDirectory() as elsewhere:
        articles = list(store)
        raw = [json.dumps(asdict(article)).encode() for article in articles]
        with ArticleStore(Path(elsewhere) / "articles.sqlite") as other, measured() as marks:
            for start in range(0, len(articles), search.BATCH):
                batch = slice(start, start + search.BATCH)
                other.add(zip(articles[batch], raw[batch], strict=True))
    return marks


def index_and_retrieve(folder: CorpusFolder, cohort: Study, records: int) -> Figures:
    """`retrieve`, its index apart; for each topic also the number of records that name both the disease and the factor."""
    built: list[Any] = []
    build = retrieve.PassageIndex
    config = settings(folder.path)

    def timed(*arguments: Any, **options: Any) -> Any:
        with measured() as marks:
            index = build(*arguments, **options)
        built.extend((index, marks))
        return index

    retrieve.PassageIndex = timed  # type: ignore[misc, assignment]
    with measured() as marks:
        retrieve.run(config, cohort, folder)
    index, index_marks = built
    named = [
        len(np.unique(index.article[index.names(t.disease_terms, title=True) & index.names(t.attribute_terms)]))
        for t in study_topics(cohort)
        if t.attribute
    ]
    quality = ranking.quality(folder, cohort, config.retrieve.passages)
    return marks | {"windows": len(index), "index": index_marks, "ranking": quality | {"records_that_name_both": np.mean(named)}}


def exhaustive(folder: CorpusFolder, cohort: Study, records: int) -> Figures:
    return ranking.exhaustive(folder, cohort, settings(folder.path).retrieve)


def step(module: Any) -> Callable[[CorpusFolder, Study, int], Figures]:
    def run(folder: CorpusFolder, cohort: Study, records: int) -> Figures:
        if module is synthesise:
            folder.drafts.unlink(missing_ok=True)  # else what was written before is not written again
        with measured() as marks:
            module.run(settings(folder.path), cohort, folder)
        return marks

    return run


def review(folder: CorpusFolder, cohort: Study, records: int) -> Figures:
    folder.review.unlink(missing_ok=True)
    with measured() as marks:
        scripted_review.decide(folder)
    return marks | {"claims": len(check.read_claims(folder))}


MEASURES: dict[str, Callable[[CorpusFolder, Study, int], Figures]] = {
    "draw": draw,
    "search": search_lines,
    "search_xml": search_xml,
    "fill": fill,
    "retrieve": index_and_retrieve,
    "exhaustive": exhaustive,
    "synthesise": step(synthesise),
    "check": step(check),
    "review": review,
    "publish": step(publish),
}


@contextmanager
def measured() -> Iterator[Figures]:
    """A dictionary that holds, once the block is over, its seconds, those of the processor, and the memory's peak so far."""
    marks: Figures = {}
    started = time.perf_counter(), time.process_time()
    yield marks
    ended = time.perf_counter(), time.process_time()
    marks["seconds"], marks["processor_seconds"] = np.subtract(ended, started).tolist()
    marks["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def loop() -> float:
    """Seconds of the processor for five million additions: how fast the machine is just now."""
    started = time.process_time()
    total = 0
    for number in range(5_000_000):
        total += number
    return time.process_time() - started


def child(name: str, folder: Path, diseases: int, records: int) -> Figures:
    """Measures one step in a process of its own, so that none sees another's memory."""
    command = [sys.executable, "-m", "benchmarks.corpus_steps", "--step", name, "--folder", str(folder)]
    command += ["--diseases", str(diseases), "--records", str(records)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def row(drawn: Path, diseases: int, records: int, names: tuple[str, ...]) -> Figures:
    """The figures of these steps, on the first `records` of the drawn records."""
    figures: Figures = {"diseases": diseases, "records": records}
    with tempfile.TemporaryDirectory() as folder:
        share(drawn, Path(folder), records)
        for name in names:
            figures[name] = child(name, Path(folder), diseases, records)
            print(f"{diseases} diseases, {records} records, {name}: {figures[name]}", flush=True)
    figures["index"] = figures["retrieve"].pop("index") | {"loop_seconds": figures["retrieve"]["loop_seconds"]}
    figures["claims"] = figures["review"].pop("claims")
    return figures


def over_records(sizes: list[int]) -> list[Figures]:
    diseases = corpus_records.DISEASES
    with tempfile.TemporaryDirectory() as drawn:
        child("draw", Path(drawn), diseases, max(sizes, default=0))
        steps = tuple(name for name in MEASURES if name not in ("draw", "exhaustive"))
        return [row(Path(drawn), diseases, n, (*steps, "exhaustive") if n == RECORDS[0] else steps) for n in sizes]


def over_claims(sizes: list[int]) -> list[Figures]:
    rows = []
    for diseases in sizes:
        with tempfile.TemporaryDirectory() as drawn:
            child("draw", Path(drawn), diseases, RECORDS[0])
            rows.append(row(Path(drawn), diseases, RECORDS[0], ("search", "retrieve", *OVER_CLAIMS)))
    return rows


def exponents(rows: list[Figures], over: str, names: tuple[str, ...]) -> dict[str, float]:
    """Name -> the slope of log processor seconds over log `over`; 1 is linear."""
    if len(rows) < 2:
        return {}
    size = np.log([row[over] for row in rows])
    return {name: float(np.polyfit(size, np.log([row[name]["processor_seconds"] for row in rows]), 1)[0]) for name in names}


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="also write the figures here, as JSON")
    parser.add_argument("--records", type=int, nargs="*", default=list(RECORDS))
    parser.add_argument("--diseases", type=int, nargs="*", default=list(DISEASES))
    parser.add_argument("--step", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        cohort = corpus_records.study(given.diseases[0])
        before = loop()
        figures = MEASURES[given.step](CorpusFolder(given.folder), cohort, given.records[0])
        print(json.dumps(figures | {"loop_seconds": (before + loop()) / 2}))
        return
    if any(records % FILE_SIZE for records in given.records):
        parser.error(f"--records should be multiples of {FILE_SIZE}, as many as a file has")
    rows, claims = over_records(given.records), over_claims(given.diseases)
    slopes = {"records": exponents(rows, "records", OVER_RECORDS), "claims": exponents(claims, "claims", OVER_CLAIMS)}
    print(slopes)
    if given.out:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
        report = {"machine": machine, "exponents": slopes, "over_records": rows, "over_claims": claims}
        given.out.write_text(json.dumps(rounded(report), indent=1) + "\n")
    for one in (figures["retrieve"] for figures in rows if figures["records"] <= RECORDS[-1]):
        if one["seconds"] > LIMIT_SECONDS or one["peak_gib"] > LIMIT_GIB:
            raise SystemExit(f"Beyond {LIMIT_SECONDS} s or {LIMIT_GIB} GiB: {one}")


if __name__ == "__main__":
    main()
