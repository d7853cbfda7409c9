"""The step retrieve finds what an exhaustive search in float64 finds, among drawn records and in real texts."""

import pytest

from benchmarks import corpus_records, ranking
from benchmarks.labelled import real_articles
from configs.corpus import get_config
from prima_jax.corpus.articles import ArticleStore
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.retrieve import retrieve
from prima_jax.studies.study_config import load_study
from tests.corpus.shared import SHARED


def compare(folder, articles, study, config):
    with ArticleStore(folder.articles) as store:
        store.add((article, b"") for article in articles)
    retrieve.run(config, study, folder)
    return ranking.exhaustive(folder, study, config.retrieve)


def agrees(found):
    # scores are sums in float32, which may put equal ones into another order, and are written with four decimals
    return found["same_but_for_ties"] == found["topics"] and found["score_error"] < 1e-4


def test_among_drawn_records(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_records, "ATTRIBUTES", 8)
    study = corpus_records.study(3)
    found = compare(CorpusFolder(tmp_path), corpus_records.records(300, study), study, get_config("pad_ufes_20"))
    assert agrees(found) and found["topics"] == 3 * (1 + 8)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real texts (shared/data/pubmed) are not here")
def test_in_real_texts(tmp_path):
    config = get_config("demo")
    found = compare(CorpusFolder(tmp_path), real_articles(SHARED).values(), load_study(config), config)
    assert agrees(found)


def test_what_is_planted_is_scored_by_hand():
    planted = corpus_records.Planted(about=["1", "2"], finding=["3"])
    found = ranking._of_topic(["9", "1", "3"], planted, 30)
    # gains 0, 2, 1 over log2 of 2, 3, 4; at best 2, 2, 1
    assert found["ndcg"] == pytest.approx((2 / 1.584963 + 1 / 2) / (2 + 2 / 1.584963 + 1 / 2))
    assert (found["recall_about"], found["recall_finding"]) == (0.5, 1.0)
    assert found["mean_rank_about"] == (2 + 31) / 2
