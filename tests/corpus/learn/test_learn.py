"""What is held out is not read, is counted once, and is measured beside a control."""

import json

import pytest

from configs.corpus import get_config
from prima_jax.corpus.articles import Article
from prima_jax.corpus.check import check
from prima_jax.corpus.folder import CorpusFolder
from prima_jax.corpus.learn import learn
from prima_jax.corpus.learn.base_encoder import prose
from prima_jax.corpus.learn.held_out import held_out_articles, normal, shuffled, split
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
    texts, held_out = split(rows, {"B"})
    assert texts == ["one", "four"]  # "two" rests on both and is in neither
    (three,) = held_out  # once, however often it was published
    assert (three.text, three.article, three.topics) == ("three", "B", [("melanoma", "smoke")] * 2)


@pytest.mark.parametrize("printed", ["same words", "Same\u00a0words.", "- \u201csame WORDS\u201d;"])
def test_words_that_are_read_elsewhere_are_not_held_out_however_they_are_printed(printed):
    texts, held_out = split([row(("Read: the same words.", "A")), row((printed, "B"), ("other words", "B"))], {"B"})
    assert texts == ["Read: the same words."] and [claim.text for claim in held_out] == ["other words"]


def test_a_claim_within_a_longer_one_is_not_counted_twice():
    _, held_out = split([row(("It is so.", "B"), ("Results: it is so.", "B"))], {"B"})
    assert [claim.text for claim in held_out] == ["Results: it is so."]


def test_the_control_has_the_same_words_in_each_sentence_and_says_nothing():
    text = "One two three four five six seven. Eight nine ten eleven twelve thirteen."
    (mixed,) = shuffled([text], 0)
    assert mixed != text and sorted(mixed.split()) == sorted(text.split())
    assert set(mixed.split()[:7]) == set(text.split()[:7]) and shuffled([text], 0) == [mixed]


def test_more_claims_move_no_article_across():
    few = [row((str(n), [f"article {n}"])) for n in range(10)]
    more = few + [row(("again", [f"article {n}"])) for n in range(10)]
    assert held_out_articles(few, 0.2) == held_out_articles(more, 0.2)
    assert len(held_out_articles(few, 0.2)) == 2


def test_the_base_reads_no_claim():
    article = Article("90000001", "Invented", (("", "Smoking is bad for the skin. It rained that day."),))
    assert prose([article], {normal("smoking is bad for the skin")}) == ["It rained that day."]


@pytest.mark.parametrize(("field", "value", "told"), [("knowledge.rank", 0, "rank"), ("learn.held_out", 1.0, "held_out")])
def test_settings_that_teach_nothing_are_told(tmp_path, field, value, told):
    config = get_config("demo")
    section, name = field.split(".")
    config[section][name] = value
    with pytest.raises(UserError, match=told):
        learn.run(config, load_study(config), CorpusFolder(tmp_path))


def test_a_base_without_a_head_is_told_in_the_report():
    figure = {"pseudo_perplexity": {"estimate": 9.0, "low": 8.0, "high": 11.0}, "disease": None, "factor": None}
    report = dict.fromkeys(("rank", "trained_share", "epochs", "texts", "held_out_claims", "held_out_articles"), 1)
    report |= {"corpus": "corpus-1", "base": {"weights": "here"}, "vetted": False}
    figures = dict.fromkeys(("control", "after", "after_less_control"), figure)
    told = report_text({**report, "figures": figures})
    assert "The base has no masked-language head" in told and "| | control | after | after less control |" in told
    assert "| pseudo-perplexity | 9.0 (8.0 to 11.0) |" in told and "| not measured |" in told
    figures |= dict.fromkeys(("before", "after_less_before"), figure)
    assert "The base has no masked-language head" not in report_text({**report, "figures": figures})


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real texts (shared/data/pubmed) are not here")
def test_what_was_learned_is_measured_beside_a_control(tmp_path):
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
    assert report["held_out_claims"] == 4 and not report["vetted"]  # of 36, in words that no training text has
    less = report["figures"]["after_less_control"]["pseudo_perplexity"]
    assert less["low"] <= less["estimate"] <= less["high"]
    assert (place / "adapter" / "adapter_model.safetensors").is_file()
    assert learn.run(config, study, folder).startswith("Held out: pseudo-perplexity")  # finished: read back, and measured again
