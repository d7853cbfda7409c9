"""What is held out is not read, and adapters learn from the real texts what the base did not know."""

import json

import pytest

from configs.corpus import get_config
from prima_jax.corpus.articles import Article
from prima_jax.corpus.check import check
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.learn import learn
from prima_jax.corpus.learn.base_encoder import prose
from prima_jax.corpus.learn.report import report_text
from prima_jax.corpus.publish import publish
from prima_jax.corpus.retrieve import retrieve
from prima_jax.corpus.search import search
from prima_jax.corpus.write import synthesise
from prima_jax.errors import UserError
from prima_jax.studies.study_config import load_study
from scripts.scripted_review import decide
from tests.corpus.shared import SHARED


def row(*claims):
    return {
        "disease": "melanoma",
        "attribute": "smoke",
        "claims": [{"text": text, "sources": [{"article": a} for a in cited]} for text, cited in claims],
    }


def test_a_claim_is_held_out_only_if_all_it_rests_on_is():
    rows = [row(("one", "A"), ("two", "AB"), ("three", "B")), row(("three", "B"), ("four", "C"))]
    texts, held_out = learn.split(rows, {"B"})
    assert texts == ["one", "four"]  # "two" rests on both and is in neither
    assert [claim["text"] for claim in held_out] == ["three", "three"]


def test_words_that_are_read_elsewhere_are_not_held_out():
    texts, held_out = learn.split([row(("same words", "A")), row(("same words", "B"))], {"B"})
    assert texts == ["same words"] and held_out == []


def test_more_claims_move_no_article_across():
    few = [row((str(n), [f"article {n}"])) for n in range(10)]
    more = few + [row(("again", [f"article {n}"])) for n in range(10)]
    assert learn.held_out_articles(few, 0.2) == learn.held_out_articles(more, 0.2)
    assert len(learn.held_out_articles(few, 0.2)) == 2


def test_the_base_reads_no_claim():
    article = Article("90000001", "Invented", (("", "Smoking is bad for the skin. It rained that day."),))
    assert prose([article], ["Smoking is bad for the skin."]) == ["It rained that day."]


@pytest.mark.parametrize(("field", "value", "told"), [("knowledge.rank", 0, "rank"), ("learn.held_out", 1.0, "held_out")])
def test_settings_that_teach_nothing_are_told(tmp_path, field, value, told):
    config = get_config("demo")
    section, name = field.split(".")
    config[section][name] = value
    with pytest.raises(UserError, match=told):
        learn.run(config, load_study(config), CorpusFolder(tmp_path))


def test_a_base_without_a_head_is_told_in_the_report():
    measured = {"pseudo_perplexity": 2.0, "disease": {"terms": 0}, "factor": {"terms": 0}}
    measured["cosine"] = {"related": None, "unrelated": None}
    numbers = dict.fromkeys(("rank", "trained_share", "epochs", "texts", "held_out_claims", "held_out_articles"), 1)
    report = {
        "corpus": "corpus-1",
        "base": {"weights": "here"},
        "vetted": False,
        "before": measured,
        "after": measured,
        **numbers,
    }
    told = "The base has no masked-language head"
    assert told in report_text({**report, "fresh_head": True})
    assert told not in report_text({**report, "fresh_head": False})


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real texts (shared/data/pubmed) are not here")
def test_adapters_know_more_of_held_out_claims_than_the_base(tmp_path):
    config = get_config("demo")
    config.search.source = str(SHARED)
    folder = CorpusFolder(tmp_path)
    study = load_study(config)
    for step in (search, retrieve, synthesise, check):
        step.run(config, study, folder)
    decide(folder)
    for step in (publish, learn):
        step.run(config, study, folder)
    (place,) = folder.learned.glob("corpus-*")
    report = json.loads((place / "report.json").read_text())
    assert report["held_out_claims"] > 20 and not report["vetted"]
    assert report["after"]["pseudo_perplexity"] < report["before"]["pseudo_perplexity"]
    for what in ("disease", "factor"):
        assert report["after"][what]["mean_reciprocal_rank"] > report["before"][what]["mean_reciprocal_rank"]
    assert (place / "adapter" / "adapter_model.safetensors").is_file()
    told = learn.run(config, study, folder)  # finished: read back, and measured again
    assert f"{report['after']['pseudo_perplexity']:.1f}" in told
