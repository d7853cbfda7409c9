"""Step search: articles from PubMed, from a folder, or drawn ones, into `articles.sqlite`.

Every run asks PubMed all its questions again, which takes a minute, and fetches only what is not there yet, and what was
retracted since. A file of a folder is read again only if it changed. A page of records is stored at once, so a run that is
killed loses no more than that page.
"""

import os
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ml_collections import ConfigDict

from prima_jax.corpus.articles import FILE, Article, ArticleStore
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.hashes import json_sha256
from prima_jax.corpus.search import offline
from prima_jax.corpus.search.queries import RETRACTIONS, Query, study_queries
from prima_jax.corpus.search.synthetic import SOURCE, draw_articles
from prima_jax.corpus.topics import Topic, is_on, study_topics
from prima_jax.errors import UserError
from prima_jax.progress import progress_bar
from prima_jax.studies.study import Study

if TYPE_CHECKING:
    from prima_jax.corpus.search.entrez import Found

__all__ = ["run"]

BATCH = 1000
"""Records from a file that are stored at once."""


def run(config: ConfigDict, study: Study, folder: CorpusFolder) -> str:
    """Finds and stores articles. Raises UserError: settings, a source that cannot be read or reached; what was stored stays."""
    try:
        with ArticleStore(folder.articles) as store:
            if config.search.source == SOURCE:
                said = _from_table(store)
            elif config.search.source:
                said = _from_folder(Path(config.search.source), study, store)
            else:
                said = _from_pubmed(config.search, study, store)
            taken = store.take_back()
            said += f" Taken back by retraction notices: {taken}." if taken else ""
            return f"{said} {_contents(store)}"
    except sqlite3.Error as error:
        raise UserError(f"{folder.articles} cannot be written ({error}); free it or the disk and start again.") from error


def _from_table(store: ArticleStore) -> str:
    drawn = [(article, b"") for article in draw_articles()]
    return f"{len(drawn)} articles were drawn from the synthetic study's risk table, {store.add(drawn)} of them new."


def _from_pubmed(settings: ConfigDict, study: Study, store: ArticleStore) -> str:
    from prima_jax.corpus.search.entrez import KEY_VARIABLE, PubMed

    if not re.fullmatch(r"[^@\s]+@[^@\s]+", str(settings.email)):
        raise UserError(
            f"config.search.email should be your address, which NCBI asks for, not {settings.email!r}: add "
            "--config.search.email=YOU@EXAMPLE.ORG, or read a folder of records with --config.search.source=DIR."
        )
    today = date.today()
    queries = study_queries(study, settings, today)
    pubmed = PubMed(settings.email, api_key=os.environ.get(KEY_VARIABLE, "").strip())
    hits: set[str] = set()
    told: set[str] = set()
    tally: Counter[str] = Counter()
    for query in queries:
        found = pubmed.search(query.term, query.first, query.last, most=query.most, sort=query.sort)
        _tell(query, found, told)
        if query.kind == RETRACTIONS:
            ids = _not_yet_retracted(store, found.ids)
        else:
            ids = _unknown(store, found.ids)
            hits.update(found.ids)
        fetched = 0
        with progress_bar(len(ids), query.name, " articles") as bar:
            for page in pubmed.fetch(ids, found.history if len(ids) == len(found.ids) else None):
                tally["new"] += store.add(page)
                fetched += len(page)
                bar.update(len(page))
        tally["withdrawn"] += fetched if query.kind == RETRACTIONS else 0
        tally["absent"] += len(ids) - fetched
        store.note_search(query.text, found.translation, found.count, today.isoformat())
    said = f"{len(queries)} searches of PubMed found {len(hits)} articles, {tally['new']} of them new."
    return said + _extras(
        tally,
        withdrawn="Retracted since they were fetched: {}.",
        absent="Without a record at PubMed, and asked for again by the next run: {}.",
    )


def _tell(query: Query, found: "Found", told: set[str]) -> None:
    """Once each: an attribute's terms are in every search."""
    for warning in dict.fromkeys(found.warnings):
        if warning not in told:
            print(f"PubMed on {query.name}: {warning}", file=sys.stderr)
    told.update(found.warnings)
    if len(found.ids) < found.count:
        print(f"{query.name}: {len(found.ids)} of {found.count} articles, by {query.sort}.", file=sys.stderr)


def _unknown(store: ArticleStore, ids: Iterable[str]) -> list[str]:
    known = store.ids()
    return [i for i in ids if i not in known]


def _not_yet_retracted(store: ArticleStore, ids: Iterable[str]) -> list[str]:
    known = store.ids()
    return [i for i in ids if i in known and (article := store.get(i)) and not article.retracted]


def _from_folder(source: Path, study: Study, store: ArticleStore) -> str:
    diseases = [topic for topic in study_topics(study) if not topic.attribute]
    read_before = {query: (note, count) for query, note, count, _ in store.searches()}
    files = offline.find_files(source)
    tally: Counter[str] = Counter()
    with progress_bar(len(files), source.name, " files") as bar:
        for path in files:
            name, state = f"{FILE}{path.relative_to(source).as_posix()}", _state(path, diseases)
            if read_before.get(name, ("", 0))[0] == state:
                tally["unchanged"] += 1
                tally["found"] += read_before[name][1]
            elif not offline.holds_articles(path):
                tally["other"] += 1
            else:
                count = 0
                for batch in _batches(_on_topic(path, diseases, tally)):
                    tally["new"] += store.add(batch)
                    count += len(batch)
                tally["found"] += count
                store.note_search(name, state, count, date.today().isoformat())
            bar.update(1)
    said = f"{source} (files: {len(files)}) holds {tally['found']} articles on the study, {tally['new']} of them new."
    return said + _extras(
        tally,
        unchanged="Files not read again, since they are as they were: {}.",
        off_topic="Left out, since they are on no disease of the study: {}.",
        other="XML files without articles: {}.",
    )


def _extras(tally: Counter[str], **words: str) -> str:
    """A sentence for each thing that did happen."""
    return "".join(f" {text.format(tally[key])}" for key, text in words.items() if tally[key])


def _state(path: Path, diseases: Sequence[Topic]) -> str:
    """Changes if the file does, or what is looked for in it."""
    about = path.stat()
    return json_sha256([about.st_size, about.st_mtime_ns, *map(asdict, diseases)])


def _on_topic(path: Path, diseases: Sequence[Topic], tally: Counter[str]) -> Iterator[tuple[Article, bytes]]:
    """The articles on one of the diseases, and all notices of retraction.

    JSON lines were chosen by somebody, the baseline holds all of medicine.
    """
    for article, raw in offline.read_file(path):
        if offline.is_xml(path) and not article.retracts and not any(is_on(disease, article) for disease in diseases):
            tally["off_topic"] += 1
            continue
        yield article, raw


def _batches(articles: Iterator[tuple[Article, bytes]]) -> Iterator[list[tuple[Article, bytes]]]:
    batch: list[tuple[Article, bytes]] = []
    try:
        for found in articles:
            batch.append(found)
            if len(batch) == BATCH:
                yield batch
                batch = []
    except UserError:  # a file that was cut short: what came before is stored
        yield batch
        raise
    yield batch


def _contents(store: ArticleStore) -> str:
    total = empty = retracted = 0
    for article in store:
        total += 1
        empty += not article.abstract
        retracted += article.retracted
    return f"{store.path} holds {total}, {empty} without an abstract and {retracted} retracted."
