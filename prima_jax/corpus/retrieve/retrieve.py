"""Step retrieve: the passages of every topic, the best first, in `passages.jsonl`.

A passage is a few sentences of one abstract. It is evidence on a topic if its article is on the disease, and it names the
attribute and, itself or in its title, the disease; evidence is ranked by BM25, and with `retrieve.rerank` its best anew
(rerank.py). The same articles and settings give the same file, byte for byte.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.claims import Passage
from prima_jax.corpus.folder import CorpusFolder, read_lines, write_lines
from prima_jax.corpus.retrieve.passage_index import WORD, PassageIndex
from prima_jax.corpus.sentences import split_sentences
from prima_jax.corpus.topics import Topic, find_terms, is_on, study_topics, text_words
from prima_jax.errors import UserError
from prima_jax.progress import progress_bar
from prima_jax.studies.study import Study

__all__ = ["SUMMARY_TERMS", "read_passages", "run"]

SUMMARY_TERMS = ("risk factor", "cause", "sign", "symptom", "epidemiology", "incidence", "prevalence", "diagnosis")
"""What a disease's global summary is about; a passage need not name them."""
NAMED = 5
"""So many topics without evidence are named."""


def run(config: ConfigDict, study: Study, folder: CorpusFolder) -> str:
    """Writes the passages of all topics. Raises UserError: settings that contradict each other, no articles."""
    settings = _checked(config.retrieve)
    best = _reranked(settings) if settings.rerank else _Evidence.best  # read before the articles are: it may not be there
    topics = study_topics(study)
    with ArticleStore(folder.needs(folder.articles, "search")) as store:
        if not len(store):
            raise UserError(f"{folder.articles} holds no article: run the step search first, with other settings.")
        tally = _Tally()
        terms = [*SUMMARY_TERMS, *(t for topic in topics for t in (*topic.disease_terms, *topic.attribute_terms))]
        index = PassageIndex(_usable(store, tally), terms, window=settings.window, stride=settings.stride)
        before = _digest(folder.passages)
        evidence = _Evidence(store, index, settings)
        write_lines(folder.passages, _rows(topics, partial(best, evidence), settings.passages, tally))
    return tally.sentence(topics, folder.passages, same=before == _digest(folder.passages))


def read_passages(folder: CorpusFolder) -> dict[str, list[Passage]]:
    """Topic -> its passages, the best first; a topic without evidence is not there. Raises UserError: no file, a bad line."""
    names = [one.name for one in fields(Passage)]
    passages: dict[str, list[Passage]] = {}
    for number, row in enumerate(read_lines(folder.needs(folder.passages, "retrieve")), start=1):
        try:
            values = {name: row[name] for name in names}
            values["sentences"] = tuple((int(start), int(end)) for start, end in row["sentences"])
            values |= {name: tuple(row[name]) for name in ("types", "labels")}
            passages.setdefault(row["topic"], []).append(Passage(**values))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{folder.passages}, line {number}: no passage ({error!r}); run the step retrieve again.") from error
    return passages


@dataclass
class _Tally:
    """What the step says at its end."""

    articles: int = 0
    retracted: int = 0
    empty: int = 0
    passages: int = 0
    without: list[str] = field(default_factory=list)

    def sentence(self, topics: Sequence[Topic], path: Path, *, same: bool) -> str:
        text = (
            f"{path} {'is as it was' if same else 'is written'}: {self.passages} passages on {len(topics) - len(self.without)} "
            f"topics, from {self.articles} articles; left out: {self.retracted} retracted, {self.empty} without an abstract."
        )
        if self.without:
            more = ", ..." if len(self.without) > NAMED else ""
            text += f" No passage is evidence on {len(self.without)} topics: {', '.join(self.without[:NAMED])}{more}."
        return text


class _Evidence:
    """The passages that are evidence on a topic, found through the index; texts are read again for these alone."""

    def __init__(self, store: ArticleStore, index: PassageIndex, settings: ConfigDict) -> None:
        self._index = index
        self._settings = settings

        @lru_cache(maxsize=4096)  # the topics of one disease share their articles
        def read(article: int) -> tuple[Article, str, list[tuple[int, int]]]:
            found = store.get(index.ids[article])
            assert found is not None, index.ids[article]
            return found, found.abstract, split_sentences(found.abstract)

        @lru_cache(maxsize=64)
        def names(terms: tuple[str, ...], title: bool) -> np.ndarray:
            return index.names(terms, title=title)

        @lru_cache(maxsize=65536)
        def on(disease: Topic, article: int) -> bool:
            return is_on(disease, read(article)[0])

        self._read = read
        self._on: Callable[[Topic, int], bool] = on
        self._names: Callable[[tuple[str, ...], bool], np.ndarray] = names

    def best(self, topic: Topic, count: int) -> list[Passage]:
        """The best of BM25, fewer where there are no more; a tie goes to the lower id and the earlier passage."""
        index = self._index
        candidates = self._names(topic.disease_terms, True)
        if topic.attribute:
            candidates = candidates & self._names(topic.attribute_terms, False)
        windows = np.flatnonzero(candidates)
        scores = index.scores(_terms(topic))[windows]
        found: list[Passage] = []
        taken: dict[int, list[int]] = {}
        texts = set()
        disease = replace(topic, attribute="", attribute_terms=())
        for position in np.argsort(-scores, kind="stable").tolist():
            window = int(windows[position])
            if not self._on(disease, int(index.article[window])):
                continue
            of_article = taken.setdefault(int(index.article[window]), [])
            if len(of_article) == self._settings.per_article or any(self._overlap(window, other) for other in of_article):
                continue
            passage = self._passage(window, float(scores[position]))
            words = " ".join(WORD.findall(passage.text.lower()))  # articles are printed twice
            if words in texts or not _is_evidence(topic, passage):
                continue
            of_article.append(window)
            texts.add(words)
            found.append(passage)
            if len(found) == count:
                break
        return found

    def _overlap(self, window: int, other: int) -> bool:
        return bool(self._index.first[window] < self._index.last[other] and self._index.first[other] < self._index.last[window])

    def _passage(self, window: int, score: float) -> Passage:
        article, abstract, sentences = self._read(int(self._index.article[window]))
        spans = tuple(sentences[self._index.first[window] : self._index.last[window]])
        start, end = spans[0][0], spans[-1][1]
        return Passage(
            article=article.id,
            title=article.title,
            start=start,
            end=end,
            text=abstract[start:end],
            sentences=spans,
            labels=tuple(article.label_at(begin) for begin, _ in spans),
            score=round(score, 4),
            year=article.year,
            types=article.types,
        )


def _reranked(settings: ConfigDict) -> Callable[[_Evidence, Topic, int], list[Passage]]:
    """As `_Evidence.best`, after the text encoder was asked as well. A passage keeps the score of BM25."""
    from prima_jax.corpus.retrieve.rerank import CANDIDATES, Reranker  # JAX, which nothing else here needs

    reranker = Reranker(settings.rerank)

    def best(evidence: _Evidence, topic: Topic, count: int) -> list[Passage]:
        query = ", ".join(term.removesuffix("*") for term in text_words(_terms(topic)))
        return reranker.ranked(query, evidence.best(topic, max(count, CANDIDATES)))[:count]

    return best


def _terms(topic: Topic) -> tuple[str, ...]:
    """What is asked for."""
    return (*topic.disease_terms, *(topic.attribute_terms or SUMMARY_TERMS))


def _is_evidence(topic: Topic, passage: Passage) -> bool:
    named = find_terms(passage.text, topic.disease_terms) or find_terms(passage.title, topic.disease_terms)
    return bool(named) and (not topic.attribute or bool(find_terms(passage.text, topic.attribute_terms)))


def _rows(
    topics: Sequence[Topic], best: Callable[[Topic, int], list[Passage]], count: int, tally: _Tally
) -> Iterator[dict[str, Any]]:
    """A row per passage, topic by topic."""
    with progress_bar(len(topics), "Retrieving", "topic") as bar:
        for topic in topics:
            passages = best(topic, count)
            if not passages:
                tally.without.append(topic.id)
            tally.passages += len(passages)
            for rank, passage in enumerate(passages, start=1):
                yield {"topic": topic.id, "rank": rank, **asdict(passage)}
            bar.update()


def _usable(store: ArticleStore, tally: _Tally) -> Iterator[Article]:
    """All articles with an abstract that nobody has taken back."""
    with progress_bar(len(store), "Reading", "article") as bar:
        for article in store:
            if article.retracted or article.retracts:
                tally.retracted += 1
            elif not article.abstract.strip():
                tally.empty += 1
            else:
                tally.articles += 1
                yield article
            bar.update()


def _checked(settings: ConfigDict) -> ConfigDict:
    """The settings, if they can be met. Raises UserError."""
    for name in ("window", "stride", "passages", "per_article"):
        if settings[name] < 1:
            raise UserError(f"config.retrieve.{name} should be 1 or more, not {settings[name]}.")
    if settings.stride > settings.window:
        raise UserError(
            f"config.retrieve.stride should be {settings.window} (retrieve.window) or less, not {settings.stride}: "
            "sentences between two passages would be in neither."
        )
    return settings


def _digest(path: Path) -> str:
    """Of a file's bytes; empty where there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
