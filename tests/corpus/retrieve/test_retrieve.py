"""Passages are ranked by BM25 as the books have it, and are evidence on their topic. The texts are invented."""

import math
from collections import Counter

import numpy as np
import pytest
import Stemmer

from configs.corpus import get_config
from prima_jax.corpus.articles import Article, ArticleStore
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.retrieve import retrieve
from prima_jax.corpus.retrieve.passage_index import K1, WORD, B, PassageIndex, stop_words, windows
from prima_jax.errors import UserError
from prima_jax.studies.study_config import load_study

TEXTS = [
    "Smoking raises the risk of melanoma. No effect of alcohol on melanoma was seen. Age matters.",
    "Melanoma melanoma melanoma. A tale of the sea. Nothing else is told here.",
    "Smokers were older. They had fewer moles than others had. Their skin was not fair.",
]


def articles(texts=TEXTS):
    return [Article(f"9000000{n}", f"Invented title {n} on the skin", (("", text),)) for n, text in enumerate(texts)]


def bm25(index_terms, window, stride):
    """Lucene's BM25 in float64 loops: idf = ln(1 + (N - df + 0.5) / (df + 0.5)), tf = f / (f + k1 (1 - b + b |d| / avg))."""
    stem, stopped = Stemmer.Stemmer("english").stemWord, stop_words()
    documents = []
    for article in articles():
        sentences = [s.strip() + "." for s in article.abstract.split(".") if s.strip()]
        for first, last in windows(len(sentences), window, stride):
            words = WORD.findall(f"{article.title} {' '.join(sentences[first:last])}".lower())
            documents.append([stem(word) for word in words if word not in stopped])
    average = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        counts, total = Counter(document), 0.0
        for word in {stem(term) for term in index_terms}:
            frequency = sum(word in d for d in documents)
            idf = math.log(1 + (len(documents) - frequency + 0.5) / (frequency + 0.5))
            total += idf * counts[word] / (counts[word] + K1 * (1 - B + B * len(document) / average))
        scores.append(total)
    return np.array(scores)


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 1), (5, 3)])
def test_scores_are_bm25(window, stride):
    terms = ("melanoma", "alcohol", "mole")
    index = PassageIndex(articles(), terms, window=window, stride=stride)
    # float32 sums of three products: 2e-6 of the largest is 16 units in the last place
    expected = bm25(("melanoma", "alcohol", "moles"), window, stride)
    np.testing.assert_allclose(index.scores(terms), expected, atol=2e-6 * expected.max())


def test_windows_cover_every_sentence():
    for sentences in range(1, 20):
        for window in range(1, 7):
            for stride in range(1, window + 1):
                found = windows(sentences, window, stride)
                assert {s for first, last in found for s in range(first, last)} == set(range(sentences))
                assert all(0 < last - first <= window for first, last in found)


@pytest.fixture
def folder(tmp_path):
    return CorpusFolder(tmp_path)


def passages(folder, found, **settings):
    with ArticleStore(folder.articles) as store:
        store.add([(article, b"") for article in found])
    config = get_config("demo")
    config.retrieve.update(settings)
    told = retrieve.run(config, load_study(config), folder)
    return retrieve.read_passages(folder), told


def test_a_passage_names_the_disease_and_the_factor(folder):
    found, _ = passages(folder, articles(), window=1, stride=1)
    assert [p.text for p in found["MEL/smoke"]] == ["Smoking raises the risk of melanoma."]
    assert [p.text for p in found["MEL/drink"]] == ["No effect of alcohol on melanoma was seen."]
    assert "NEV/smoke" not in found  # moles are named, but no window holds both


def test_offsets_are_those_of_the_abstract(folder):
    found, _ = passages(folder, articles())
    texts = {article.id: article.abstract for article in articles()}
    for passage in (p for group in found.values() for p in group):
        assert texts[passage.article][passage.start : passage.end] == passage.text
        assert (passage.start, passage.end) == (passage.sentences[0][0], passage.sentences[-1][1])


def test_the_retracted_and_the_printed_twice_are_left_out(folder):
    first, *_ = articles()
    again = Article("90000009", first.title, first.sections)
    taken_back = Article(
        "90000010", "Invented, on the skin", (("", "Tobacco smoke raises the risk of melanoma in this text."),), retracted=True
    )
    found, told = passages(folder, [first, again, taken_back])
    assert {p.article for p in found["MEL/smoke"]} == {first.id}
    assert "1 retracted" in told


def test_no_article_gives_more_than_its_share(folder):
    long = Article(
        "90000001",
        "Invented, on the skin",
        (("", " ".join(f"Smoking and melanoma met in year {n}." for n in range(2000, 2040))),),
    )
    found, _ = passages(folder, [long], window=2, stride=2, per_article=3)
    assert len(found["MEL/smoke"]) == 3


@pytest.mark.parametrize(("settings", "told"), [({"stride": 6}, "retrieve.window"), ({"passages": 0}, "1 or more")])
def test_settings_that_make_no_sense_are_told(folder, settings, told):
    with pytest.raises(UserError, match=told):
        passages(folder, articles(), **settings)


def test_no_article_at_all_is_told(folder):
    with pytest.raises(UserError, match="search"):
        passages(folder, [])
