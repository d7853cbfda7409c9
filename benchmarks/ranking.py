"""Ranking quality of the step retrieve: against an exhaustive search, and by the ranks of evidence planted among records.

`python -m benchmarks.corpus_steps` measures both, at each of its sizes; corpus_records.py describes the planted records.

1. The step finds what BM25 finds when every window is read and scored, in float64, without its index and without bm25s.
   Sentences, windows and the rules on evidence are the step's own; what a term is, `find_terms` says.
2. The planted records come before those that name the disease and the factor by chance or in passing: recall of the planted
   among the topic's 30 passages, the mean rank of those that are about the topic, and nDCG (Järvelin and Kekäläinen 2002).
   Ranks count records, not passages. A record about a topic gains 2, one with a finding 1, any other nothing.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import Stemmer
from ml_collections import ConfigDict

from benchmarks.corpus_records import Planted, planted
from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.retrieve.passage_index import K1, WORD, B, stop_words, windows
from prima_jax.corpus.retrieve.retrieve import SUMMARY_TERMS, read_passages
from prima_jax.corpus.sentences import split_sentences
from prima_jax.corpus.topics import Topic, find_terms, is_on, study_topics, text_words
from prima_jax.studies.study import Study

__all__ = ["discounted", "exhaustive", "quality"]

EQUAL = 1e-5
"""Relative: scores that differ by less, which float32 may not tell apart, may change places."""


def quality(folder: CorpusFolder, cohort: Study, count: int) -> dict[str, float]:
    """Means over the topics with a factor; a record that is not found has the rank after the last passage."""
    ranked = {topic: list(dict.fromkeys(p.article for p in passages)) for topic, passages in read_passages(folder).items()}
    rows = [_of_topic(ranked.get(topic, []), plant, count) for topic, plant in planted(cohort).items()]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _of_topic(ranked: Sequence[str], plant: Planted, count: int) -> dict[str, float]:
    gains = dict.fromkeys(plant.about, 2.0) | dict.fromkeys(plant.finding, 1.0)
    ideal = discounted(sorted(gains.values(), reverse=True))
    ranks = {article: rank for rank, article in enumerate(ranked, start=1)}
    return {
        "recall_about": float(np.mean([article in ranks for article in plant.about])),
        "recall_finding": float(np.mean([article in ranks for article in plant.finding])),
        "mean_rank_about": float(np.mean([ranks.get(article, count + 1) for article in plant.about])),
        "ndcg": discounted([gains.get(article, 0.0) for article in ranked]) / ideal,
    }


def discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def exhaustive(folder: CorpusFolder, cohort: Study, settings: ConfigDict) -> dict[str, Any]:
    """{"topics", "same": topics with the same passages in the same order, "same_but_for_ties", "score_error": the largest}."""
    texts = _Texts(folder, settings)
    topics = study_topics(cohort)
    score = _scorer(texts, topics)
    step = read_passages(folder)
    same = tied = 0
    error = 0.0
    for topic in topics:
        scores = score(topic)
        mine = texts.best(topic, scores, settings)
        theirs = [texts.number[p.article, p.start, p.end] for p in step.get(topic.id, [])]
        same += mine == theirs
        tied += len(mine) == len(theirs) and np.allclose(scores[mine], scores[theirs], rtol=EQUAL, atol=0)
        given = np.array([p.score for p in step.get(topic.id, [])])
        error = max(error, float(np.max(np.abs(given - scores[theirs]), initial=0)))
    return {"topics": len(topics), "same": same, "same_but_for_ties": tied, "score_error": error}


class _Texts:
    """All windows as texts."""

    def __init__(self, folder: CorpusFolder, settings: ConfigDict) -> None:
        with ArticleStore(folder.articles) as store:
            self.articles = {article.id: article for article in store}
        self.windows = [window for article in self.articles.values() for window in _windows(article, settings)]
        self.number = {(article, start, end): n for n, (article, _, start, end, *_) in enumerate(self.windows)}

        lower = [(text.lower(), title.lower()) for _, title, *_, text in self.windows]

        @cache  # topics share their diseases and factors
        def names(n: int, terms: tuple[str, ...], title: bool) -> bool:
            begins = {_split(term)[0].removesuffix("*") for term in text_words(terms)}
            for text, small in zip((self.windows[n][-1], self.windows[n][1])[: 1 + title], lower[n], strict=False):
                # Of a term's first word no more than two letters ever change: a quick look saves most searches.
                if any(begin[: max(1, len(begin) - 2)] in small for begin in begins) and find_terms(text, terms):
                    return True
            return False

        self._names = names

    def best(self, topic: Topic, scores: np.ndarray, settings: ConfigDict) -> list[int]:
        """The numbers of the best windows that are evidence: no overlap, no words twice, so many of an article."""
        chosen: list[int] = []
        seen = set()
        for n in np.argsort(-scores, kind="stable").tolist():
            if scores[n] == 0 or len(chosen) == settings.passages:
                break
            if topic.attribute and not self._names(n, topic.attribute_terms, False):
                continue
            if not self._names(n, topic.disease_terms, True):
                continue
            article, *_, first, last, text = self.windows[n]
            if not is_on(topic, self.articles[article]):
                continue
            others = [self.windows[m] for m in chosen if self.windows[m][0] == article]
            words = " ".join(WORD.findall(text.lower()))
            overlaps = any(first < other[5] and other[4] < last for other in others)
            if len(others) < settings.per_article and not overlaps and words not in seen:
                chosen.append(n)
                seen.add(words)
        return chosen


def _windows(article: Article, settings: ConfigDict) -> Iterator[tuple[Any, ...]]:
    sentences = split_sentences(article.abstract)
    for first, last in windows(len(sentences), settings.window, settings.stride) if sentences else ():
        start, end = sentences[first][0], sentences[last - 1][1]
        yield article.id, article.title, start, end, first, last, article.abstract[start:end]


def _scorer(texts: _Texts, topics: Sequence[Topic]) -> Callable[[Topic], np.ndarray]:
    """Topic -> float64 `[windows]`: Lucene's BM25 over all windows."""
    documents = [WORD.findall(f"{title} {text}".lower()) for _, title, *_, text in texts.windows]
    vocabulary = sorted({word for document in documents for word in document})
    forms = {term: _forms(term, vocabulary) for topic in topics for term in _terms(topic)}
    stems = _stems(vocabulary, forms.values())
    queries = {}
    for topic in topics:
        words = {word for term in _terms(topic) for word in (*_split(term)[:-1], *forms[term])}
        queries[topic.id] = {stems[word] for word in words if stems.get(word)}
    counts = {stem: np.zeros(len(documents)) for query in queries.values() for stem in query}
    lengths = np.zeros(len(documents))
    for n, document in enumerate(documents):
        for stem in filter(None, map(stems.__getitem__, document)):
            lengths[n] += 1
            if stem in counts:
                counts[stem][n] += 1
    saturation = K1 * (1 - B + B * lengths / lengths.mean())

    def score(topic: Topic) -> np.ndarray:
        total = np.zeros(len(documents))
        for count in (counts[stem] for stem in sorted(queries[topic.id])):
            named = np.count_nonzero(count)
            total += math.log(1 + (len(documents) - named + 0.5) / (named + 0.5)) * count / (count + saturation)
        return total

    return score


def _forms(term: str, vocabulary: Sequence[str]) -> list[str]:
    """The words that `find_terms` takes for a term's last one."""
    last = _split(term)[-1]
    alike = (word for word in vocabulary if word.startswith(last.removesuffix("*")[:3]))
    return [word for word in alike if (0, len(word)) in find_terms(word, (last,))]


def _split(term: str) -> list[str]:
    return re.split(r"[\s-]+", term.lower())


def _stems(vocabulary: Sequence[str], terms: Iterable[Sequence[str]]) -> dict[str, str | None]:
    """Word -> its stem, None for a stop word; all forms of a term's last word have one stem."""
    stem, stopped = Stemmer.Stemmer("english").stemWord, stop_words()
    stems = {word: None if word in stopped else stem(word) for word in vocabulary}
    for forms in terms:
        same = {stems[word] for word in forms} - {None}
        if len(same) > 1:
            one = min(filter(None, same))
            stems |= {word: one for word, other in stems.items() if other in same}
    return stems


def _terms(topic: Topic) -> tuple[str, ...]:
    return text_words((*topic.disease_terms, *(topic.attribute_terms or SUMMARY_TERMS)))
