"""Which passages name a term, and how well each answers a query (BM25): an index over windows of sentences.

Texts are read once, in a stream, and kept as numbers only: 100,000 abstracts are some 30 million words of four bytes.
"""

import logging
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from prima_jax.corpus.articles import Article
from prima_jax.corpus.sentences import split_sentences
from prima_jax.corpus.topics import find_terms, text_words

__all__ = ["K1", "B", "PassageIndex", "stop_words", "windows"]

K1 = 1.5
B = 0.75
WORD = re.compile(r"\w+")


def windows(sentences: int, window: int, stride: int) -> list[tuple[int, int]]:
    """(first, one past the last) sentence of each window; the last window ends with the text, and none lies in another."""
    starts = range(0, max(1, sentences - window + stride), stride)
    return [(start, min(start + window, sentences)) for start in starts]


def stop_words() -> frozenset[str]:
    """Words without meaning of their own; a negation has one."""
    from bm25s.stopwords import STOPWORDS_EN

    return frozenset(STOPWORDS_EN) - {"no", "not", "without"}


class PassageIndex:
    """Windows of sentences of all articles, in the articles' order. A title counts as part of each of its windows.

    The words that one term stands for (smok*: smoking, smokers; keratosis: keratoses) count as one and the same word.
    """

    def __init__(self, articles: Iterable[Article], terms: Iterable[str], *, window: int, stride: int) -> None:
        """terms: all that `names` and `scores` will be asked for."""
        self.ids: list[str] = []
        """Of the articles that have a sentence."""
        vocabulary = _Numbers()
        tokens = array("i")
        titles = array("i")  # (start, end) of each title among the tokens
        rows = array("i")  # (article, first, last, start, end) of each window
        for article in articles:
            abstract = article.abstract
            sentences = split_sentences(abstract)
            if not sentences:
                continue
            titles.append(len(tokens))
            tokens.extend(map(vocabulary.__getitem__, WORD.findall(article.title.lower())))
            titles.append(len(tokens))
            bounds = [len(tokens)]
            for start, end in sentences:
                tokens.extend(map(vocabulary.__getitem__, WORD.findall(abstract[start:end].lower())))
                bounds.append(len(tokens))
            for first, last in windows(len(sentences), window, stride):
                rows.extend((len(self.ids), first, last, bounds[first], bounds[last]))
            self.ids.append(article.id)
        self._tokens = np.frombuffer(tokens, np.int32)
        self._titles = np.frombuffer(titles, np.int32).reshape(-1, 2)
        columns = np.ascontiguousarray(np.frombuffer(rows, np.int32).reshape(-1, 5).T)
        self.article, self.first, self.last, self._starts, self._ends = columns
        """Of each window: the article's position in `ids`, and its sentences, from `first` to before `last`."""
        alphabetical = sorted(vocabulary)
        self._words = {term: _words_of(term, vocabulary, alphabetical) for term in text_words(tuple(terms))}
        self._size = len(vocabulary)
        self._stems = _stems(vocabulary, self._words.values())
        self._interesting = self._positions()
        self._bm25 = self._index() if len(self._tokens) else None

    def __len__(self) -> int:
        """The number of windows."""
        return len(self.article)

    def names(self, terms: Sequence[str], *, title: bool = False) -> np.ndarray:
        """bool `[windows]`: may the window name one of the terms, or with `title` its article's title?

        Every window in which `find_terms` finds one is among them; others differ by what stands between a term's words.
        """
        marks = np.zeros(len(self) + 1, np.int64)
        titled = np.zeros(len(self.ids), bool)
        for term in text_words(terms):
            start = self._hits(term)
            end = start + len(self._words[term])
            # Starts and ends never decrease from one window to the next, so the windows around a hit are neighbours.
            low = np.searchsorted(self._ends, end, "left")
            high = np.searchsorted(self._starts, start, "right")
            inside = low < high
            marks += np.bincount(low[inside], minlength=len(marks)) - np.bincount(high[inside], minlength=len(marks))
            if title:
                article = np.searchsorted(self._titles[:, 0], start, "right") - 1
                titled[article[end <= self._titles[article, 1]]] = True
        return (np.cumsum(marks[:-1]) > 0) | titled[self.article]

    def scores(self, terms: Sequence[str]) -> np.ndarray:
        """float32 `[windows]`: BM25 of the terms' words, each counted once (Robertson and Zaragoza 2009; Lucene's idf)."""
        words = [ids for term in text_words(terms) for ids in self._words[term]]
        query = np.unique(self._stems[np.concatenate(words)]) if words else np.zeros(0, np.int32)
        if self._bm25 is None:
            return np.zeros(len(self), np.float32)
        return self._bm25.get_scores_from_ids(query[query >= 0].tolist())

    def _hits(self, term: str) -> np.ndarray:
        """Where among the tokens the words of a term stand one after the other."""
        words = self._words[term]
        found = self._interesting if words else self._interesting[:0]
        for offset, ids in enumerate(words):
            is_word = np.zeros(self._size, bool)
            is_word[ids] = True
            found = found[found + offset < len(self._tokens)]
            found = found[is_word[self._tokens[found + offset]]]
        return found

    def _positions(self) -> np.ndarray:
        """Where a term may begin, so that a term is looked for among these and not in all the text."""
        begins = np.zeros(self._size, bool)
        for words in self._words.values():
            if words:
                begins[words[0]] = True
        return np.flatnonzero(begins[self._tokens]) if len(self._tokens) else np.zeros(0, np.int64)

    def _index(self) -> Any:
        import bm25s

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it narrates, and sets its own level when imported

        stemmed = self._stems[self._tokens]
        kept = stemmed >= 0
        before = np.concatenate([[0], np.cumsum(kept, dtype=np.int32)])
        title = before[self._titles[self.article]]
        ranges = np.stack([title[:, 0], title[:, 1], before[self._starts], before[self._ends]], axis=1)
        model = bm25s.BM25(k1=K1, b=B, method="lucene", backend="numpy")
        stems = {str(stem): stem for stem in range(1 + self._stems.max())}
        model.index(bm25s.tokenization.Tokenized(_Documents(stemmed[kept], ranges), stems), show_progress=False)
        return model


class _Numbers(dict[str, int]):
    """Numbers words in the order in which they are met."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


class _Documents:
    """What bm25s takes for a list of lists of numbers: the words of each window and of its title, made when asked for."""

    def __init__(self, tokens: np.ndarray, ranges: np.ndarray) -> None:
        self._tokens = tokens
        self._ranges = ranges

    def __len__(self) -> int:
        return len(self._ranges)

    def __iter__(self) -> Iterator[list[int]]:
        for title_start, title_end, start, end in self._ranges.tolist():
            yield self._tokens[title_start:title_end].tolist() + self._tokens[start:end].tolist()


def _words_of(term: str, vocabulary: dict[str, int], alphabetical: list[str]) -> list[np.ndarray]:
    """For each word of a term the numbers of the words that `find_terms` takes for it: its last may be in the plural."""
    body = term.removesuffix("*")
    words = [word.lower() for word in WORD.findall(body)]
    found = [[vocabulary[word]] if word in vocabulary else [] for word in words]
    if words and body.lower().endswith(words[-1]):
        last = words[-1]
        pattern = last + term[len(body) :]
        # All forms of a word begin alike; keratosis and mycosis end in -is, nevus in -us, history in -y.
        prefix = last if body != term else last[: len(last) - (last.endswith(("is", "us")) * 2 or last.endswith("y"))]
        start, end = bisect_left(alphabetical, prefix), bisect_left(alphabetical, prefix + chr(0x10FFFF))
        forms = [word for word in alphabetical[start:end] if (0, len(word)) in find_terms(word, (pattern,))]
        found[-1] = [vocabulary[word] for word in forms]
    return [np.array(ids, np.int32) for ids in found]


def _stems(vocabulary: dict[str, int], terms: Iterable[list[np.ndarray]]) -> np.ndarray:
    """int32: for each word, -1 for a stop word, else the number of its stem; all forms of a term's word get one stem.

    Words that no term asks for share the number 0: all that is left of them is that they make a passage longer.
    """
    import Stemmer

    stems = _Numbers()
    stopped = stop_words()
    stemmed = zip(vocabulary, Stemmer.Stemmer("english").stemWords(list(vocabulary)), strict=True)
    numbers = np.array([-1 if word in stopped else stems[stem] for word, stem in stemmed], np.int32)
    asked: set[int] = set()
    for words in terms:
        for ids in words:
            same = np.unique(numbers[ids])
            same = same[same >= 0]
            if len(same) > 1:
                numbers[np.isin(numbers, same)] = same[0]
            asked.update(same[:1].tolist())
    compact = np.zeros(len(stems) + 1, np.int32)
    compact[-1] = -1  # the number of a stop word is the last position
    compact[sorted(asked)] = np.arange(1, len(asked) + 1)
    return compact[numbers]
